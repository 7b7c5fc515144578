"""Few large files in the place of many small ones, and corrections folded into the lines that they are about.

A join makes one sorted file of several; a fold writes files anew in which lines say themselves since when they count
no more (`until`). Both are one commit each, in which no line comes or goes, so a kill leaves the table as it was. Files
that no version of the table needs any more are deleted after a time of grace, for whoever reads them just now.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from landbridge.history.lake import ROW_GROUP, File, LakeTable
from landbridge.history.rows import LINES, in_order
from landbridge.model.temporal import ENTITY

LARGE = 4_000_000  # lines of a file that is joined no further
PART = 3 * ROW_GROUP  # lines in memory together
FEWEST = 4  # files that are joined at once
GROWTH = 4  # a joined file is at least so many times as large as the largest of its files
MANY = 256  # files that are joined at once at most
WORTH = 200  # lines that may be written anew for each correction
SERIES = ["tenant", "attribute", "entity"]
CORRECTING = ["tenant", "entity", "attribute", "dataset", "recorded", "commit", "operation"]
CORRECTING += ["replaces_commit", "replaces_ordinal"]
PLACE = 1 << 32  # a commit's number times this, plus an ordinal, is one number
DAY = 86_400_000_000
Ints = np.ndarray[Any, np.dtype[np.int64]]


# -- joining


def choice(files: Sequence[File], fewest: int = FEWEST) -> list[File]:
    """The files that are best joined next; none where nothing is gained.

    The smallest ones, as many as make a file that is several times as large as any of them, so that each line is
    written anew a few times at most however small the files are in which it came.
    """
    small = sorted((file for file in files if 2 * file.rows <= LARGE), key=lambda file: (file.rows, file.name))[:MANY]
    total = sum(file.rows for file in small)
    while len(small) > 1:
        grows = len(small) >= fewest and total >= GROWTH * small[-1].rows
        if total <= LARGE and (grows or 4 * total >= 3 * LARGE):
            return small
        total -= small.pop().rows
    return []


def join(table: LakeTable, fewest: int = FEWEST) -> int | None:
    """Join some small files of a table: how many lines they have; None where nothing is gained."""
    files = choice(table.snapshot().files, fewest)
    if not files:
        return None
    made = table.write_parts(
        parts(table, files), min(file.low for file in files), max(file.high for file in files),
        corrects=any(file.corrects for file in files),
    )  # fmt: skip
    replace(table, [made], files)
    return made.rows


def replace(table: LakeTable, made: Sequence[File], files: Sequence[File]) -> bool:
    """Put files in the place of others, or remove them where somebody has changed the others meanwhile."""
    done = table.commit(made, files, same=True) is not None
    if not done:
        for file in made:
            table.lake.place.remove(f"{table.folder}/{file.name}")
    return done


def parts(table: LakeTable, files: Sequence[File]) -> Iterator[pa.Table]:
    """All lines of some files in their order, some at a time."""
    if sum(file.rows for file in files) <= PART:
        yield in_order(pa.concat_tables([table.read(file).cast(LINES) for file in files]))
        return
    for wanted in stretches(table, files):
        met = [lines for file in files if (lines := table.read(file, None, wanted)).num_rows]
        if met:
            yield in_order(pa.concat_tables([lines.cast(LINES) for lines in met]))


def stretches(table: LakeTable, files: Sequence[File]) -> Iterator[pc.Expression]:
    """What the lines of each part have in common, in the order of the lines."""
    scan = pl.scan_parquet([file.path for file in files], storage_options=table.lake.options or None)
    counted = table.guarded(lambda: scan.group_by(SERIES).len().collect(engine="streaming")).sort(SERIES)
    for (tenant,), of_tenant in counted.group_by(["tenant"], maintain_order=True):
        ours = pc.field("tenant") == tenant
        held: list[tuple[str, int]] = []  # whole attributes
        for (attribute,), series in of_tenant.group_by(["attribute"], maintain_order=True):
            count = int(series["len"].sum())
            if held and sum(size for _, size in held) + count > PART:
                yield ours & between("attribute", held[0][0], held[-1][0])
                held = []
            if count <= PART:
                held.append((str(attribute), count))
                continue
            of_attribute = ours & (pc.field("attribute") == attribute)
            for low, high, size in runs(series):
                wanted = of_attribute & between("entity", low, high)
                yield from times(table, files, wanted) if size > 2 * PART else (wanted,)
        if held:
            yield ours & between("attribute", held[0][0], held[-1][0])


def between(name: str, low: Any, high: Any) -> pc.Expression:
    return (pc.field(name) >= low) & (pc.field(name) <= high)


def runs(series: pl.DataFrame) -> Iterator[tuple[str, str, int]]:
    """Entities from one to another that fit into a part, and how many lines they have together."""
    first, last, total = "", "", 0
    for entity, size in series.select("entity", "len").iter_rows():
        if total and total + size > PART:
            yield first, last, total
            total = 0
        first = first if total else entity
        last, total = entity, total + size
    if total:
        yield first, last, total


def times(table: LakeTable, files: Sequence[File], wanted: pc.Expression) -> Iterator[pc.Expression]:
    """A long series as stretches of time of about a part each."""
    moments = np.sort(
        np.concatenate(
            [table.read(file, ["time"], wanted).column("time").cast(pa.int64()).to_numpy() for file in files]
        )
    )
    bounds = [int(moment) for moment in np.unique(moments[::PART])]
    for at, low in enumerate(bounds):
        begun = wanted & (pc.field("time") >= moment_of(low))
        yield begun if at + 1 == len(bounds) else begun & (pc.field("time") < moment_of(bounds[at + 1]))


def moment_of(micros: int) -> pa.Scalar:
    return pa.scalar(micros, pa.int64()).cast(pa.timestamp("us", "UTC"))


# -- folding


@dataclass(frozen=True)
class Corrections:
    """What takes lines' places: their places in order, and since when (microseconds); and what is cleared."""

    places: Ints
    since: Ints
    clears: list[dict[str, Any]]

    @property
    def count(self) -> int:
        return len(self.places) + len(self.clears)

    def until(self, lines: pa.Table) -> pa.Array | None:
        """The lines' new column `until`; None where it stays as it is."""
        old = lines.column("until").combine_chunks().cast(pa.int64())
        values = old.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        found = np.zeros(lines.num_rows, np.int64)
        if len(self.places):
            here = places_of(lines.column("commit"), lines.column("ordinal"))
            at = np.minimum(np.searchsorted(self.places, here), len(self.places) - 1)
            found = np.where(self.places[at] == here, self.since[at], 0)
        for clear in self.clears:
            hit = np.asarray(cleared(lines, clear)) & ((found == 0) | (found > clear["recorded"]))
            found = np.where(hit, clear["recorded"], found)
        new = (found > 0) & ((values == 0) | (found < values))
        if not new.any():
            return None
        values = np.where(new, found, values)
        return pa.array(values, mask=values == 0).cast(lines.schema.field("until").type)


def cleared(lines: pa.Table, clear: dict[str, Any]) -> pa.Array:
    """Which lines a line that clears a series, or an entity, is about."""
    words = {name: pc.cast(lines.column(name), pa.string()) for name in ("tenant", "entity", "attribute", "dataset")}
    met = pc.and_(pc.equal(words["tenant"], clear["tenant"]), pc.equal(words["entity"], clear["entity"]))
    met = pc.and_(met, pc.less(lines.column("commit"), clear["commit"]))
    if clear["attribute"] == ENTITY:
        return met
    met = pc.and_(met, pc.equal(words["attribute"], clear["attribute"]))
    if clear["dataset"] is None:
        return pc.and_(met, pc.is_null(words["dataset"]))
    return pc.and_(met, pc.fill_null(pc.equal(words["dataset"], clear["dataset"]), False))


def places_of(commits: Any, ordinals: Any) -> Ints:
    """Each line's place as one number."""
    found: Ints = commits.to_numpy().astype(np.int64) * PLACE + ordinals.to_numpy().astype(np.int64)
    return found


def corrections(table: LakeTable, files: Sequence[File]) -> Corrections:
    """All corrections of some files."""
    wanted = pc.field("replaces_commit").is_valid() | (pc.field("operation") == "clear")
    told = pa.concat_tables([table.read(file, CORRECTING, wanted) for file in files])
    replacing = told.filter(told.column("replaces_commit").is_valid())
    places = places_of(replacing.column("replaces_commit"), replacing.column("replaces_ordinal"))
    since = replacing.column("recorded").cast(pa.int64()).to_numpy()
    order = np.lexsort((since, places))  # of several the first counts
    places, since = places[order], since[order]
    first = np.ones(len(places), bool)
    first[1:] = places[1:] != places[:-1]
    clears = told.filter(pc.equal(told.column("operation"), "clear"))
    clears = clears.set_column(4, "recorded", clears.column("recorded").cast(pa.int64()))
    return Corrections(places[first], since[first], clears.to_pylist())


def fold(table: LakeTable, now: int, worth: int = WORTH) -> int | None:
    """Fold corrections into the lines that they are about: how many there were; None where it is not worth while yet.

    That is where so many lines would be written anew for each of them, and none of them waits for more than a day.
    """
    files = table.snapshot().files
    correcting = [file for file in files if file.corrects]
    if not correcting:
        return None
    told = corrections(table, correcting)
    met = [file for file in files if file.corrects or (file.low < highest(told) and touched(table, file, told))]
    waiting = now - min(file.since for file in correcting)
    if sum(file.rows for file in met) > worth * max(told.count, 1) and waiting < DAY:
        return None
    made = [table.write_parts(folded(table, file, told), file.low, file.high, corrects=False) for file in met]
    return told.count if replace(table, made, met) else 0


def highest(told: Corrections) -> int:
    """The commit before which all lines are that the corrections are about."""
    last = int(told.places[-1]) // PLACE + 1 if len(told.places) else 0
    return max([last, *(int(clear["commit"]) for clear in told.clears)])


def touched(table: LakeTable, file: File, told: Corrections) -> bool:
    """Whether any line of a file is to be changed."""
    columns = ["tenant", "entity", "attribute", "dataset", "commit", "ordinal", "until"]
    return any(told.until(lines) is not None for lines in groups(table, file, columns))


def folded(table: LakeTable, file: File, told: Corrections) -> Iterator[pa.Table]:
    """A file's lines, which say since when others stand in their places."""
    for lines in groups(table, file):
        until = told.until(lines)
        yield lines if until is None else lines.set_column(lines.column_names.index("until"), "until", until)


def groups(table: LakeTable, file: File, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The lines of a file in their order, some at a time."""
    path = table.inside(file)
    with table.lake.told(), pq.ParquetFile(path, filesystem=table.lake.place.files, memory_map=False) as opened:
        for batch in opened.iter_batches(PART, columns=columns):
            yield pa.Table.from_batches([batch])


# -- what nobody needs any more


def sweep(table: LakeTable, named: Collection[str], now: int, grace: int, alone: bool) -> list[str]:
    """Delete files that the table has given up for longer than the time of grace (microseconds); their names.

    Also those that no table ever named, where it is certain that nobody is writing any (`alone`): what a kill left.
    Files in `named` stay, whatever the table says of them.
    """
    given_up, old = table.given_up(0), table.given_up(grace)
    there = {file.name for file in table.snapshot().files} | set(named)
    gone = []
    for found in table.lake.place.found(table.folder):
        name = found.name.rpartition("/")[2]
        if not name.endswith(".parquet") or name in there:
            continue
        if name in old or (alone and name not in given_up and now - found.written > grace):
            table.lake.place.remove(found.name)
            gone.append(name)
    return gone


def compact(table: LakeTable, now: int, stop: Callable[[], bool] = lambda: False) -> int | None:
    """Fold, then join once: how many lines were written anew; None where there is nothing to do."""
    folded_ = fold(table, now)
    if stop():
        return folded_
    joined = join(table)
    return None if folded_ is None and joined is None else (folded_ or 0) + (joined or 0)
