"""Of which entities several sources may have said different things: found in the columns of journal and lake,
without their texts.

Where all sources ever said the same of an entity there is no disagreement, whatever the times, so only the others are
looked at one by one (`pool.disagree`). A doubt may be unfounded; what is not doubted is agreed.
"""

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.errors import Damaged
from landbridge.history import said
from landbridge.history.lake import Lake
from landbridge.store import drained, past
from landbridge.store.segment import form_of, unpack
from landbridge.store.sqlite import SqliteStore

Keys = np.ndarray[Any, np.dtype[np.int64]]
ENTITIES = {"key": pl.Int64, "entity": pl.String, "created": pl.Int64}
NUMBERS = {"number", "integer"}


@dataclass(frozen=True)
class Heard:
    """What a source said of an attribute: a value for each of these sorted keys; None: not as comparable columns."""

    source: str
    keys: Keys
    values: pl.Series | None


def doubtful(
    store: SqliteStore, lake: Lake | None, kind: int, rivals: Mapping[str, Collection[str]], window: Keys
) -> dict[str, Keys]:
    """For each attribute with its rival sources: those of the sorted keys about which they may differ, sorted."""
    heard: dict[str, list[Heard]] = {attribute: [] for attribute in rivals}
    low, high = int(window[0]), int(window[-1])
    with store.reader() as connection:
        after = drained.trimmed(connection, kind)
        rows = connection.execute(
            "SELECT source, body FROM segment WHERE kind=? AND min_key<=? AND max_key>=? AND number>? ORDER BY seq",
            (kind, high, low, after),
        )
        for source, body in rows:
            asked = {attribute for attribute, sources in rivals.items() if source in sources}
            if asked:
                for attribute, one in in_segment(source, body, asked, window):
                    heard[attribute].append(one)
        for attribute, one in long_ago(connection, lake, kind, rivals, window, after):
            heard[attribute].append(one)
        written = singly(connection, window, after)
    return {
        attribute: ordered([differing(parts), np.array(written.get(attribute, ()), np.int64)])
        for attribute, parts in heard.items()
    }


def long_ago(
    connection: apsw.Connection, lake: Lake | None, kind: int, rivals: Mapping[str, Collection[str]], window: Keys,
    after: int,
) -> Iterator[tuple[str, Heard]]:  # fmt: skip
    """What the lake alone has of these attributes and keys."""
    told = heard_of(connection, lake, kind, rivals, window, after)
    for (attribute, source), some in told.group_by(["attribute", "source"], maintain_order=True):
        if source in rivals[str(attribute)]:
            forms = set(some["form"].unique().to_list())
            values = some["number"] if forms <= NUMBERS else some["text"] if forms == {"text"} else None
            yield str(attribute), Heard(str(source), some["key"].to_numpy(), values)


def heard_of(
    connection: apsw.Connection, lake: Lake | None, kind: int, rivals: Mapping[str, Collection[str]], window: Keys,
    after: int,
) -> pl.DataFrame:  # fmt: skip
    """The lines that the lake alone has about some keys of a kind (see `history.said.claims`)."""
    if lake is None:
        if after:
            raise Damaged(
                "The history of this pool is needed to find where sources disagree, and it is not open.",
                hint="Open the pool through its city's folder.",
            )
        return said.none()
    tenant, type_ = connection.execute("SELECT tenant, type FROM kind WHERE num=?", (kind,)).get
    entities = pl.DataFrame(past.named(connection, window.tolist()), schema=ENTITIES, orient="row")
    wanted = {attribute: sorted(sources) for attribute, sources in rivals.items()}
    return said.claims(connection, lake, type_, after, tenant, entities, wanted)


def singly(connection: apsw.Connection, window: Keys, after: int) -> dict[str, list[int]]:
    """The keys of which something was written row by row, by attribute."""
    if dense(window):
        rows = connection.execute(
            "SELECT DISTINCT key, attribute FROM journal WHERE key BETWEEN ? AND ? AND number>?",
            (int(window[0]), int(window[-1]), after),
        )
    else:
        rows = connection.execute(
            "SELECT DISTINCT key, attribute FROM journal WHERE key IN (SELECT value FROM carray(?)) AND number>?",
            (apsw.carray(array("q", window.tolist())), after),
        )
    found: dict[str, list[int]] = {}
    for key, attribute in rows:
        found.setdefault(attribute, []).append(key)
    return found


def dense(window: Keys) -> bool:
    """Whether no key between the first and the last is left out."""
    return bool(window[-1] - window[0] == len(window) - 1)


def in_segment(source: str, body: bytes, asked: Collection[str], window: Keys) -> Iterator[tuple[str, Heard]]:
    """What a segment has of these attributes and keys."""
    rows = unpack(body)
    keys = rows.column("key").to_numpy()
    first, last = int(np.searchsorted(keys, window[0])), int(np.searchsorted(keys, window[-1], "right"))
    rows, keys, form = rows.slice(first, last - first), keys[first:last], form_of(rows)
    if not dense(window):
        wanted = window[np.searchsorted(window, keys)] == keys
        rows, keys = rows.filter(pa.array(wanted)), keys[wanted]
    if form is None:
        attributes = pc.cast(rows.column("attribute"), pa.string())
        for attribute in asked:
            yield attribute, Heard(source, keys[pc.equal(attributes, attribute).to_numpy()], None)
        return
    for one in form.said:
        if one.attribute in asked:
            values = pl.Series(rows.column(one.value))
            values = values.cast(pl.String) if values.dtype in (pl.Categorical, pl.Enum) else values
            there = values.is_not_null()
            some = there.all()
            yield (
                one.attribute,
                Heard(
                    source,
                    keys if some else keys[there.to_numpy()],
                    None if not one.plain else values if some else values.drop_nulls(),
                ),
            )


def differing(heard: list[Heard]) -> Keys:
    """The keys of which several sources have said something, and not always the same."""
    if not heard:
        return np.empty(0, np.int64)
    keys = np.concatenate([one.keys for one in heard])
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    names = {source: number for number, source in enumerate(dict.fromkeys(one.source for one in heard))}
    sources = np.concatenate([np.full(len(one.keys), names[one.source]) for one in heard])[order]
    same = keys[1:] == keys[:-1]
    several = ordered([keys[1:][same & (sources[1:] != sources[:-1])]])
    values = together([one.values for one in heard])
    if values is None or not len(several):
        return several
    values = values.gather(pl.Series(order))
    other = (values != values.shift(1)).fill_null(True).to_numpy()[1:]
    return common(several, ordered([keys[1:][same & other]]))


def together(values: list[pl.Series | None]) -> pl.Series | None:
    """Values of one kind as one column, numbers as numbers; None where they cannot be compared so."""
    known = [one for one in values if one is not None]
    if len(known) < len(values):
        return None
    if len({one.dtype for one in known}) > 1:
        if not all(one.dtype.is_numeric() for one in known):
            return None
        known = [one.cast(pl.Float64) for one in known]
    return pl.concat([one.rename("value") for one in known])


def ordered(parts: Sequence[Keys]) -> Keys:
    """All these keys in order, each once; quick where they are nearly in order, as `numpy.unique` is not."""
    keys = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if len(keys) > 1 and not (keys[1:] > keys[:-1]).all():
        keys = np.sort(keys, kind="stable")
        keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))]
    return keys


def common(one: Keys, other: Keys) -> Keys:
    """The keys that both of two ordered columns have."""
    return np.intersect1d(one, other, assume_unique=True)
