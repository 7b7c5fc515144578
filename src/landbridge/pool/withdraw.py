"""Rows gone: what a whole pull no longer has is withdrawn, where the source declares `gone = "end"` (DESIGN 4.12).

An instance of the source stays while some row of the pull speaks of it: of its entity, and of its datasetId where the
mapping sets one. What no row speaks of is taken away as a recorded deletion; an entity goes with its last instance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from landbridge.governance.policy import Actor
from landbridge.model.claim import Claims
from landbridge.model.entity import PROVENANCE
from landbridge.model.feed import Delivery, SourceFacts
from landbridge.pool.absorb import Absorber
from landbridge.pool.disagree import Touched
from landbridge.pool.single import LOCATION, Draft, Writing
from landbridge.pool.told import Told
from landbridge.store import reading
from landbridge.store.contract import Kind, Stored
from landbridge.store.document import unfold
from landbridge.store.schema import KIND_BITS
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

READ = 50_000  # entities looked at together
COMMIT = 2_000  # entities withdrawn in one commit
MERGED = 16
Hashes = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass
class Present:
    """What the rows of this pull speak of: hashes of ids, and of (id, attribute, datasetId) where mappings set one."""

    parts: list[Hashes] = field(default_factory=list)
    types: set[str] = field(default_factory=set)
    datasets: set[str] = field(default_factory=set)  # attributes whose mapping sets a datasetId

    def add(self, delivery: Delivery) -> None:
        """Take in a delivery's rows, whether they say anything new or not."""
        ids = texts(delivery.rows.column("id"))
        self.types.update(map(delivery.expand, delivery.rows.column("type").unique().to_pylist()))
        found = [hashed(ids)]
        for attribute in delivery.plan.attributes:
            if attribute.dataset_id is not None:
                name = delivery.expand(attribute.name)
                self.datasets.add(name)
                found.append(hashed(joined(ids, name, texts(delivery.rows.column(attribute.dataset_id)))))
        self.parts += [np.unique(part) for part in found]
        if len(self.parts) > MERGED:
            self.parts = [self.all()]

    def all(self) -> Hashes:
        return np.unique(np.concatenate(self.parts)) if self.parts else np.empty(0, np.uint64)


def texts(column: pa.Array) -> pl.Series:
    return pl.Series(values=column, dtype=pl.String)


def joined(ids: pl.Series, name: str, datasets: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"id": ids, "dataset": datasets})
    return frame.select(pl.concat_str("id", pl.lit(name), pl.col("dataset").fill_null(""), separator="\x1f"))["id"]


def hashed(values: pl.Series) -> Hashes:
    """Hashes that hold within this process, which is as long as they are needed."""
    return values.hash(seed=1).to_numpy()


@dataclass(frozen=True)
class Leaving:
    """The instances of one entity that no row speaks of any more: (attribute, datasetId)."""

    key: int
    instances: tuple[tuple[str, str | None], ...]


def withdraw(
    store: SqliteStore,
    claims: Claims,
    source: SourceFacts,
    actor: Actor,
    run: int,
    present: Present,
    touched: Touched,
) -> tuple[int, str | None]:
    """Withdraw what is gone; the number of entities that lost instances, or the reason why nothing was withdrawn."""
    leaving, whole, entities = find(store, claims, source, present)
    share = whole / entities if entities else 0.0
    if share > source.gone_share:
        return 0, (
            f"{whole:,} of the {entities:,} entities of this source are gone from it, and {source.gone_share:.0%} may"
            " be: nothing is withdrawn. See whether the source is complete, or raise `gone_share` in source.toml."
        )
    for at in range(0, len(leaving), COMMIT):
        part = leaving[at : at + COMMIT]

        def job(transaction: SqliteTransaction, part: Sequence[Leaving] = part) -> Touched:
            absorber = Absorber(source.name, run, transaction.number, transaction.recorded, claims, source.tenant)
            return take_away(transaction, absorber, part)

        touched.join(
            store.write(job, tenant=source.tenant, actor=actor.name, request=actor.request, source=source.name, run=run)
        )
    return len(leaving), None


def find(store: SqliteStore, claims: Claims, source: SourceFacts, present: Present) -> tuple[list[Leaving], int, int]:
    """What leaves; how many entities leave wholly; how many entities the source has or had."""
    known = present.all()
    types = present.types | {
        type_ for (tenant, type_, _), names in claims.feeds.items() if tenant == source.tenant and source.name in names
    }
    leaving: list[Leaving] = []
    whole = stays = 0
    for kind in store.kinds(source.tenant):
        if kind.type not in types:
            continue
        for rows in entities_of(store, kind):
            here = np.isin(hashed(pl.Series([id_ for _, id_ in rows], dtype=pl.String)), known)
            stays += int(here.sum())
            absent = [row for row, there in zip(rows, here.tolist(), strict=True) if not there]
            looked = rows if present.datasets else absent
            gone_ids = {id_ for _, id_ in absent}
            for stored in loaded(store, [key for key, _ in looked]):
                instances = left(stored, source.name, stored.id in gone_ids, known, present.datasets)
                if instances:
                    leaving.append(Leaving(stored.key, tuple(instances)))
                    whole += stored.id in gone_ids
    return leaving, whole, stays + whole


def left(stored: Stored, owner: str, gone: bool, known: Hashes, datasets: set[str]) -> list[tuple[str, str | None]]:
    """The source's instances of an entity that no row speaks of."""
    own = [
        (name, instance.get("datasetId"))
        for name, instances in unfold(stored.doc)["attrs"].items()
        if gone or name in datasets
        for instance in instances
        if instance[PROVENANCE][0] == owner
    ]
    if gone or not own:
        return own
    frame = pl.Series([f"{stored.id}\x1f{name}\x1f{dataset or ''}" for name, dataset in own], dtype=pl.String)
    here = np.isin(hashed(frame), known).tolist()
    return [one for one, there in zip(own, here, strict=True) if not there]


def entities_of(store: SqliteStore, kind: Kind) -> Iterator[list[tuple[int, str]]]:
    """Keys and ids of a kind, some at a time."""
    after, end = kind.num << KIND_BITS, (kind.num + 1) << KIND_BITS
    while True:
        with store.reader() as connection:
            rows = list(
                connection.execute(
                    "SELECT key, id FROM entity WHERE key>? AND key<? ORDER BY key LIMIT ?", (after, end, READ)
                )
            )
        if not rows:
            return
        yield rows
        after = rows[-1][0]


def loaded(store: SqliteStore, keys: Sequence[int]) -> Iterator[Stored]:
    """The rows of these keys, some at a time, so that none waits in memory."""
    for at in range(0, len(keys), COMMIT):
        with store.reader() as connection:
            rows = reading.by_keys(connection, keys[at : at + COMMIT])
        yield from rows


def take_away(transaction: SqliteTransaction, absorber: Absorber, part: Sequence[Leaving]) -> Touched:
    """Take instances away in one commit."""
    told, touched = Told(), Touched()
    writing = Writing(transaction, absorber, told)
    wanted = {one.key: one.instances for one in part}
    for stored in transaction.load(sorted(wanted)):
        draft = Draft(unfold(stored.doc), stored, stored.key, changed=True)
        writing.drafts[stored.id] = draft
        attrs = draft.document["attrs"]
        for name, dataset in wanted[stored.key]:
            instances = attrs.get(name, [])
            own = next((one for one in instances if one.get("datasetId") == dataset), None)
            standing = absorber.standing(draft.types, name)
            if own is None or (standing.rivals and dataset is None):
                continue  # the rule's choice follows its claim
            kept = absorber.without(standing, instances, own)
            draft.moved |= name == LOCATION
            if kept:
                attrs[name] = kept
            else:
                del attrs[name]
            writing.journal.append((draft.key, name, dataset, None, told.ordinal, None, "delete", None))
            told.instances += 1
    writing.save(())
    touched.add_drafts(absorber, writing)
    touched.mark(transaction)
    if announcement := told.announcement():
        transaction.announce(announcement)
    return touched
