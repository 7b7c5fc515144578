"""The first half of a whole pull: read and map everything onto disk, and judge it before the pool sees any of it.

A source that yields nothing, rejects too much or breaks an expectation that must hold fails here, so what the pool
knew before stays. Memory is bounded by a few batches, whatever the size of the source.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from landbridge.errors import Failed
from landbridge.model.column import RowPlan
from landbridge.model.feed import Delivery, RejectedRow
from landbridge.sources.contract import Batch, Cursor, Declaration
from landbridge.sources.mapping.mapper import Mapped, Mapper
from landbridge.sources.rejected import RejectSpool
from landbridge.sources.spool import MappedSpool, Mark, Numbering, RowSpool, numbered

DELIVERY_ROWS = 40_000  # rows of one commit, at least where there are so many
BACKFILL_ROWS = 250_000  # rows that a backfill puts into one file
MAPPED_ROWS, MAPPED_SIZE = 45_000, 4_194_304  # rows and bytes that are mapped together at most
AHEAD = 8  # batches that are read before the mapping's process is there
Rows = tuple[str, pa.RecordBatch]  # a table's name, some of its rows with their numbers
REJECTS = 5_000  # rejected rows of one commit
Expand = Callable[[str], str]
NO_PLAN = RowPlan((), observed_at=False, scope=False, row=False)
NO_ROWS = pa.RecordBatch.from_pylist(
    [],
    schema=pa.schema(
        [
            ("id", pa.string()),
            ("type", pa.string()),
            ("_row", pa.int64()),
            ("_key", pa.uint64()),
            ("_hash", pa.uint64()),
        ]
    ),
)


@dataclass(frozen=True)
class Progress:
    """How far a pull has come. `phase`: reading, writing or done; counts are of rows."""

    source: str
    phase: str
    read: int = 0
    mapped: int = 0
    written: int = 0
    rejected: int = 0


Tell = Callable[[Progress], None]


def tell_nobody(progress: Progress) -> None:
    """Stand in where nobody watches."""


@dataclass
class Gathered:
    """A pull on disk, ready to be judged. `same`: every row is as it was at the last pull, and nothing was mapped."""

    declaration: Declaration
    rows: RowSpool
    mapped: MappedSpool
    rejects: RejectSpool
    numbering: Numbering = field(default_factory=Numbering)
    mark: Mark = field(default_factory=Mark)
    batches: int = 0
    cursor: Cursor | None = None
    results: tuple[Mapping[str, Any], ...] = ()
    reasons: Counter[str] = field(default_factory=Counter)
    same: bool = False

    @property
    def read(self) -> int:
        """Rows that the source gave."""
        return self.numbering.rows + self.rejects.unread

    def reject(self, reason: str, **where: Any) -> None:
        if len(self.reasons) < REJECTS or reason in self.reasons:
            self.reasons[reason] += 1
        self.rejects.add(reason, **where)

    def close(self) -> None:
        """Close the files; the folder is the caller's to remove."""
        for spool in (self.rows, self.mapped, self.rejects):
            spool.close()

    def progress(self, phase: str, written: int = 0) -> Progress:
        return Progress(self.declaration.name, phase, self.read, self.mapped.rows, written, self.rejects.count)


def start(declaration: Declaration, folder: Path) -> Gathered:
    """An empty pull that will wait in this folder."""
    never = frozenset(declaration.never_store)
    alone = f"{declaration.name}/mapping.sql" if (declaration.folder / "mapping.sql").exists() else None
    return Gathered(
        declaration,
        RowSpool(folder, never, mapping=alone),
        MappedSpool(folder),
        RejectSpool(folder / "rejects.jsonl", never),
    )


def gather(pull: Gathered, batches: Iterable[Batch], known: str | None, tell: Tell = tell_nobody) -> None:
    """Read and map everything that a source gives.

    `known`: the mark of the last pull. Where there is one the source is read through before anything is mapped, since
    an unchanged file costs a tenth of a mapped one; then `same` is set. Raises what the source or the mapping raises.
    """
    pull.rows.keeps_all = known is not None
    arriving = arrive(pull, batches, tell)
    if known is not None:
        for _ in arriving:
            pass
        pull.rows.close()
        if pull.mark.text() == known:
            pull.same = True
            return
        arriving = pull.rows.again()
    first = next(arriving, None)
    if first is None:
        return
    with Mapper(pull.declaration) as mapper:
        held = read_ahead(mapper, first, arriving)
        mapper.open()
        pull_through(pull, mapper, together(itertools.chain(held, arriving)), tell)
    for spool in (pull.rows, pull.mapped):
        spool.close()


def arrive(pull: Gathered, batches: Iterable[Batch], tell: Tell) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Put each batch into the spool as it comes; yield its table and its numbered rows."""
    for batch in batches:
        pull.batches += 1
        pull.cursor = batch.cursor or pull.cursor
        stretch = pull.rows.write(batch, pull.numbering, pull.mark)
        for reject in batch.rejects:
            pull.reject(reject.reason, place=reject.place, row=reject.row)
        tell(pull.progress("reading"))
        yield batch.table, numbered(batch.rows, stretch)


def read_ahead(mapper: Mapper, first: Rows, arriving: Iterator[Rows]) -> list[Rows]:
    """Some batches, read while the mapping's process starts."""
    held = [first]
    while len(held) < AHEAD and not mapper.started and (rows := next(arriving, None)) is not None:
        held.append(rows)
    return held


def together(arriving: Iterable[Rows]) -> Iterator[tuple[str, pa.Table]]:
    """Batches of one table and shape joined to larger ones: each that is mapped costs a planning of the SELECT."""
    held: list[pa.RecordBatch] = []
    named = ""
    for table, rows in arriving:
        count, size = sum(part.num_rows for part in held), sum(part.nbytes for part in held)
        if held and (
            named != table or held[0].schema != rows.schema or count + rows.num_rows > MAPPED_ROWS or size > MAPPED_SIZE
        ):
            yield named, pa.Table.from_batches(held)
            held = []
        named = table
        held.append(rows)
    if held:
        yield named, pa.Table.from_batches(held)


def pull_through(pull: Gathered, mapper: Mapper, arriving: Iterator[tuple[str, pa.Table]], tell: Tell) -> None:
    """Map batch after batch, then what looks over all of them."""
    for table, rows in arriving:
        keep(pull, mapper.feed(table, rows))
        tell(pull.progress("reading"))
        pa.default_memory_pool().release_unused()  # what was freed in between is given back
    keep(pull, mapper.finish())
    for dropped in mapper.dropped:
        pull.reject(dropped.reason, number=dropped.row)
    pull.results = tuple(mapper.results)


def keep(pull: Gathered, made: Iterable[Mapped]) -> None:
    for mapped in made:
        if mapped.rows.num_rows:
            pull.mapped.write(mapped.file.path, mapped.plan, mapped.rows)
        for rejected in mapped.rejects:
            pull.reject(rejected.reason, number=rejected.row)


def judge(pull: Gathered) -> None:
    """Refuse a pull that is no good; raises Failed with what is wrong and what to do."""
    declaration, where = pull.declaration, f"sources/{pull.declaration.name}"
    if pull.read == 0:
        raise Failed("The source yields nothing.", where=where, hint="See whether its origin still has the data.")
    share = pull.rejects.rejected / pull.read
    if share > declaration.reject_share:
        raise Failed(
            f"{pull.rejects.rejected:,} of {pull.read:,} rows are rejected, and {declaration.reject_share:.0%} may be:"
            f" {commonest(pull.reasons)}.",
            where=where,
            hint="Mend the mapping, or raise `reject_share` in source.toml.",
        )
    for result in pull.results:
        if broken(result):
            raise Failed(
                f"An expectation that must hold does not: {described(result)}.",
                where=where,
                hint="See to the data, or change [[expectations]] in source.toml.",
            )
    if pull.mapped.rows == 0:
        raise Failed(
            f"The mapping makes nothing of {pull.read:,} rows.", where=where, hint="See its WHERE and its joins."
        )


def commonest(reasons: Counter[str]) -> str:
    """The most frequent reasons, for a sentence."""
    return "; ".join(f"{reason.rstrip('.')} ({count:,})" for reason, count in reasons.most_common(2))


def broken(result: Mapping[str, Any]) -> bool:
    """Whether an expectation's result fails the run."""
    return bool(result.get("must")) and bool(result.get("failed"))


def described(result: Mapping[str, Any]) -> str:
    detail = str(result.get("detail") or "").rstrip(".")
    return ": ".join(part for part in (str(result.get("name", "")), detail) if part)


def deliveries(pull: Gathered, expand: Expand) -> Iterator[tuple[Delivery, ...]]:
    """The judged pull as the pool takes it, a commit's (or a file's) worth at a time, rejects among the rows."""
    raw, rejects, read = pull.rows.raw(), reject_parts(pull), pull.read
    for chunk in pull.mapped.chunks(BACKFILL_ROWS if pull.declaration.backfill else DELIVERY_ROWS):
        yield (
            Delivery(
                chunk.plan, chunk.rows, raw, chunk.mapping, next(rejects, ()), read=read, expand=expand,
            ),
        )  # fmt: skip
        read = 0
    for part in rejects:
        yield (rejects_alone(part, read),)
        read = 0


def reject_parts(pull: Gathered) -> Iterator[tuple[RejectedRow, ...]]:
    return pull.rejects.read(pull.rows.rows, REJECTS)


def rejects_alone(rejects: tuple[RejectedRow, ...], read: int = 0) -> Delivery:
    """A delivery that has nothing but rejected rows."""
    return Delivery(NO_PLAN, NO_ROWS, None, rejects=rejects, read=read)
