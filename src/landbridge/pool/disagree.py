"""Where sources disagree: intervals of observed time, computed from all that was ever claimed, and stored.

They follow the data at the end of a run, in a commit of their own. The data's commit leaves a mark of what it touched,
and the mark goes with the commit of the intervals; so a kill in between leaves the mark, and whoever opens the next
run of that source (or the pool) finds the intervals then. Being computed from everything each time, they are the same
in whatever order the sources were pulled; where two runs end at once, whoever writes second sees that the other has
written since it read, and computes again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw
import numpy as np
import orjson
import polars as pl

from landbridge.governance.policy import Actor
from landbridge.history import said
from landbridge.history.lake import Lake
from landbridge.model.claim import FOREVER, WITHDRAWN, ClaimRule, Claims, disagreements
from landbridge.model.entity import KINDS
from landbridge.pool.absorb import Absorber
from landbridge.pool.doubt import Keys, common, doubtful, heard_of, ordered
from landbridge.pool.single import Writing
from landbridge.store import drained, reading
from landbridge.store.schema import KIND_BITS
from landbridge.store.segment import values_of
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

MARK = "disagree:"
SETTLED = "settled:"  # and a kind: the commit that last wrote its intervals
WINDOW_ROWS = 1_000_000  # claims in memory together, at most about
WINDOW_KEYS = 65_536
MANY_PARTS = 64
VALUE = r'^\{"type":"[A-Za-z]+","[A-Za-z]+":(-?[0-9][^,}]*|"(?:[^"\\]|\\.)*"|true|false)'
Spot = tuple[int, tuple[str, ...]]  # kind, attributes
Interval = tuple[int, int, int | None, str]  # key, since, until, what was said as JSON
Change = tuple[str, Keys, list[Interval]]
EMPTY: Keys = np.empty(0, np.int64)


class Asked:
    """An attribute of a type, with the sources that may disagree about it and the rule."""

    def __init__(self, attribute: str, claims: Claims, tenant: str, type_: str) -> None:
        self.rivals = claims.rivals(tenant, (type_,), attribute)
        self.rule = claims.rule((type_,), attribute)


@dataclass
class Touched:
    """Keys whose claims changed, by kind and attributes; `by` names the run whose mark stands for them."""

    parts: dict[Spot, list[Keys]] = field(default_factory=dict)
    by: str = ""

    def add(self, by: str, kind: int, attributes: tuple[str, ...], keys: Keys | Sequence[int]) -> None:
        self.by = by
        self.parts.setdefault((kind, attributes), []).append(np.asarray(keys, np.int64))

    def add_drafts(self, absorber: Absorber, writing: Writing) -> None:
        """Add what rows written one by one touched, as far as several sources feed it."""
        by_key = {draft.key: draft.types for draft in writing.drafts.values()}
        found: dict[tuple[int, str], set[int]] = {}
        for key, attribute, *_ in writing.journal:
            if absorber.standing(by_key[key], attribute).rivals:
                found.setdefault((key >> KIND_BITS, attribute), set()).add(key)
        for (kind, attribute), some in found.items():
            self.add(named(absorber.owner, absorber.run), kind, (attribute,), sorted(some))

    def mark(self, transaction: SqliteTransaction) -> None:
        """Leave word in this commit that these disagreements are to be found."""
        for kind, attribute in {(kind, attribute): None for kind, attributes in self.parts for attribute in attributes}:
            transaction.put_meta(mark_of(self.by, kind, attribute), str(transaction.number))

    def join(self, other: Touched) -> None:
        for spot, parts in other.parts.items():
            held = self.parts.setdefault(spot, [])
            held += parts
            if len(held) > MANY_PARTS:
                self.parts[spot] = [ordered(held)]
        self.by = other.by or self.by

    def take(self, kind: int) -> dict[str, Keys]:
        """The keys of a kind for each attribute, which are forgotten here."""
        spots = [spot for spot in self.parts if spot[0] == kind]
        found: dict[str, Keys] = {}
        for spot in spots:
            keys = ordered(self.parts.pop(spot))
            for attribute in spot[1]:
                found[attribute] = ordered([found[attribute], keys]) if attribute in found else keys
        return found


def named(source: str, run: int) -> str:
    return f"{source}:{run}"


def mark_of(by: str, kind: int, attribute: str) -> str:
    return f"{MARK}{by}:{kind}:{attribute}"


def heal(store: SqliteStore, claims: Claims, actor: Actor, source: str | None = None, lake: Lake | None = None) -> None:
    """Find the disagreements that killed runs left undone (of one source, or of all)."""
    start = MARK if source is None else f"{MARK}{source}:"
    with store.reader() as connection:
        rows = connection.execute("SELECT name FROM meta WHERE name >= ? AND name < ?", (start, start[:-1] + ";"))
        marks = [name for (name,) in rows]
    for mark in marks:
        _, of, run, kind, attribute = mark.split(":", 4)
        settle_kind(store, claims, actor, int(kind), {attribute: None}, named(of, int(run)), lake)


def settle(store: SqliteStore, claims: Claims, touched: Touched, actor: Actor, lake: Lake | None = None) -> None:
    """Find anew the disagreements of all that was touched, and take the marks away.

    `lake`: where what the store has no more of what was claimed lies.
    """
    for kind in sorted({kind for kind, _ in touched.parts}):
        settle_kind(store, claims, actor, kind, touched.take(kind), touched.by, lake)


def settle_kind(
    store: SqliteStore, claims: Claims, actor: Actor, kind: int, spots: Mapping[str, Keys | None], by: str,
    lake: Lake | None = None,
) -> None:  # fmt: skip
    """Find anew the disagreements about some attributes of a kind, each for some keys (None: all)."""
    marks = [mark_of(by, kind, attribute) for attribute in spots]
    with store.reader() as connection:
        known = [(mark, reading.meta(connection, mark)) for mark in marks]
    tenant, type_ = kind_named(store, kind)
    asked = {attribute: Asked(attribute, claims, tenant, type_) for attribute in spots}
    for window, wanted in windows(store, lake, kind, spots):
        while not settle_window(store, claims, actor, (tenant, kind), window, wanted, asked, lake):
            pass

    def unmark(transaction: SqliteTransaction) -> None:
        # a commit that came in between has put its own number there, and is not seen to yet
        transaction.connection.executemany("DELETE FROM meta WHERE name=? AND value=?", known)

    store.write(unmark, tenant=tenant, actor=actor.name)


def settle_window(
    store: SqliteStore,
    claims: Claims,
    actor: Actor,
    of: tuple[str, int],
    window: Keys,
    wanted: Mapping[str, Keys],
    asked: Mapping[str, Asked],
    lake: Lake | None = None,
) -> bool:
    """Find anew what there is about a stretch of keys; False where another run has written meanwhile."""
    tenant, kind = of
    with store.reader() as connection:
        before = reading.meta(connection, f"{SETTLED}{kind}")
    changes = list(changed(store, kind, window, wanted, asked, claims, lake))

    def job(transaction: SqliteTransaction) -> bool:
        connection = transaction.connection
        if reading.meta(connection, f"{SETTLED}{kind}") != before:
            return False
        for attribute, keys, rows in changes:
            old = common(keys, stored_keys(connection, attribute, int(window[0]), int(window[-1])))
            transaction.set_disagreements(old.tolist(), attribute, rows)
        transaction.put_meta(f"{SETTLED}{kind}", str(transaction.number))
        return True

    return store.write(job, tenant=tenant, actor=actor.name)


def changed(
    store: SqliteStore,
    kind: int,
    window: Keys,
    wanted: Mapping[str, Keys],
    asked: Mapping[str, Asked],
    claims: Claims,
    lake: Lake | None = None,
) -> Iterator[Change]:
    """What holds of a stretch of keys: attribute, the keys that were looked at, and all of their intervals."""
    rivals = {attribute: one.rivals for attribute, one in asked.items() if len(one.rivals) > 1}
    doubts = doubtful(store, lake, kind, rivals, window) if rivals else {}
    for attribute, keys in wanted.items():
        one, rows = asked[attribute], list[Interval]()
        suspects = common(keys, doubts[attribute]) if attribute in doubts else keys[:0]
        for at in range(0, len(suspects), WINDOW_KEYS):
            some = suspects[at : at + WINDOW_KEYS]
            rows += found(claimed(store, lake, kind, attribute, some, one.rivals), claims, one.rule)
        yield attribute, keys, rows


def kind_named(store: SqliteStore, kind: int) -> tuple[str, str]:
    with store.reader() as connection:
        ((tenant, type_),) = connection.execute("SELECT tenant, type FROM kind WHERE num=?", (kind,))
    return str(tenant), str(type_)


def stored_keys(connection: apsw.Connection, attribute: str, low: int, high: int) -> Keys:
    """The keys that have intervals."""
    rows = connection.execute(
        "SELECT DISTINCT key FROM disagreement WHERE key BETWEEN ? AND ? AND attribute=? ORDER BY key",
        (low, high, attribute),
    )
    return np.array([key for (key,) in rows], np.int64)


def windows(
    store: SqliteStore, lake: Lake | None, kind: int, spots: Mapping[str, Keys | None]
) -> Iterator[tuple[Keys, dict[str, Keys]]]:
    """Stretches of keys whose claims fit in memory together, and which of them each attribute asks for."""
    low, high = kind << KIND_BITS, (kind + 1) << KIND_BITS
    with store.reader() as connection:
        ((rows, entities),) = connection.execute(
            "SELECT (SELECT coalesce(sum(rows), 0) FROM segment WHERE kind=?1), entities FROM kind WHERE num=?1",
            (kind,),
        )
        if lake is not None:
            rows += said.count(connection, lake, kind_named(store, kind)[1], drained.trimmed(connection, kind))
        every = EMPTY
        if any(keys is None for keys in spots.values()):
            listed = connection.execute("SELECT key FROM entity WHERE key BETWEEN ? AND ? ORDER BY key", (low, high))
            every = np.array([key for (key,) in listed], np.int64)
    asked = {attribute: every if keys is None else keys for attribute, keys in spots.items()}
    union = ordered(list({id(keys): keys for keys in asked.values()}.values()))
    each = max(rows / max(entities, 1), 1.0)
    size = max(min(int(WINDOW_ROWS / each), WINDOW_KEYS), 1)
    for at in range(0, len(union), size):
        window = union[at : at + size]
        yield window, {attribute: within(keys, window) for attribute, keys in asked.items()}


def within(keys: Keys, window: Keys) -> Keys:
    """The sorted keys from the first to the last of a window."""
    return keys[np.searchsorted(keys, window[0]) : np.searchsorted(keys, window[-1], "right")]


def claimed(
    store: SqliteStore, lake: Lake | None, kind: int, attribute: str, window: Keys, rivals: Sequence[str]
) -> pl.DataFrame:
    """All that was claimed: key, source, since, number, ordinal, instance (null: withdrawn), in the order recorded."""
    with store.reader() as connection:
        made = told(connection, lake, kind, attribute, window, rivals)
    wanted = pl.DataFrame({"key": window})
    return made.join(wanted, on="key", how="semi").sort("key", "number", "ordinal")


def told(
    connection: apsw.Connection, lake: Lake | None, kind: int, attribute: str, window: Keys, rivals: Sequence[str]
) -> pl.DataFrame:
    """All that was claimed about some keys of a kind, and perhaps about others."""
    low, high = int(window[0]), int(window[-1])
    after = drained.trimmed(connection, kind)
    frames = [journalled(connection, attribute, low, high, after)]
    others = connection.execute(
        "SELECT s.number, c.recorded, s.source, s.body FROM segment s JOIN commits c USING (number)"
        " WHERE s.kind=? AND s.min_key<=? AND s.max_key>=? AND s.number>? ORDER BY s.seq",
        (kind, high, low, after),
    )
    for number, recorded, source, body in others:
        if source in rivals:
            frames.append(in_segment(body, attribute, window, number, recorded, source))
    before = heard_of(connection, lake, kind, {attribute: rivals}, window, after)
    if before.height:
        before = before.with_columns(
            instance=said.instances(before), number=pl.col("commit"), ordinal=pl.col("ordinal").cast(pl.Int64)
        )
        frames.append(before.select(list(SHAPE)))
    return pl.concat(frames).filter(pl.col("source").is_in(list(rivals)))


SHAPE = {
    "key": pl.Int64, "source": pl.String, "since": pl.Int64, "number": pl.Int64, "ordinal": pl.Int64,
    "instance": pl.String,
}  # fmt: skip


def journalled(connection: apsw.Connection, attribute: str, low: int, high: int, after: int) -> pl.DataFrame:
    rows = connection.execute(
        "SELECT j.key, j.owner, coalesce(j.observed, c.recorded), j.number, j.ordinal, j.instance"
        " FROM journal j JOIN commits c USING (number) WHERE j.key BETWEEN ? AND ? AND j.attribute=? AND j.number>?",
        (low, high, attribute, after),
    )
    return pl.DataFrame(list(rows), schema=SHAPE, orient="row")


def in_segment(body: bytes, attribute: str, keys: Keys, number: int, recorded: int, source: str) -> pl.DataFrame:
    """The claims of one segment about an attribute of some entities."""
    return pl.DataFrame(values_of(body, attribute, keys)).select(
        "key",
        pl.lit(source).alias("source"),
        pl.col("observed").fill_null(recorded).alias("since"),
        pl.lit(number, pl.Int64).alias("number"),
        pl.col("ordinal").cast(pl.Int64),
        "instance",
    )


def found(claims_made: pl.DataFrame, claims: Claims, rule: ClaimRule) -> list[Interval]:
    """The intervals of all keys: only those in which sources ever said different things are looked at one by one."""
    doubtful = differing(claims_made, rule)
    rows: list[Interval] = []
    for (key,), some in doubtful.group_by("key", maintain_order=True):
        heard = (
            (source, WITHDRAWN if text is None else value_of(text), since)
            for source, since, text in some.select("source", "since", "instance").iter_rows()
        )
        for interval in disagreements(heard, claims.holds, rule):
            until = None if interval.until >= FOREVER else interval.until
            words = [
                {"source": claim.source, "value": claim.value, "observedAt": claim.since} for claim in interval.claims
            ]
            rows.append((int(str(key)), interval.since, until, orjson.dumps(words).decode()))
    return rows


def differing(claims_made: pl.DataFrame, rule: ClaimRule) -> pl.DataFrame:
    """The claims of those keys about which two sources at least have said different things."""
    text = pl.col("instance").str.extract(VALUE)
    value = claims_made.with_columns(text=text.fill_null(pl.col("instance")))
    number = pl.col("text").cast(pl.Float64, strict=False)
    judged = value.group_by("key").agg(
        sources=pl.col("source").n_unique(),
        texts=pl.col("text").n_unique(),
        odd=(number.is_null() & pl.col("text").is_not_null()).any(),
        spread=number.max() - number.min(),
    )
    doubtful = judged.filter(
        (pl.col("sources") > 1)
        & (pl.col("texts") > 1)
        & (pl.col("odd") | pl.col("spread").is_null() | (pl.col("spread") > rule.tolerance))
    )
    return claims_made.join(doubtful.select("key"), on="key", how="semi", maintain_order="left")


def value_of(text: str) -> Any:
    instance = orjson.loads(text)
    return instance[KINDS[instance["type"]]]
