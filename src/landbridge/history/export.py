"""All lines of history that stand, as a table to take away: read a stretch at a time, from the lake and from the store.

One row is one instance: what an attribute of an entity was at a time, as far as no later line stands in its place. The
columns are those of docs/lake.md under other names: NGSI-LD's own, with the names of the city's @context.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import apsw
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pd

from landbridge.history.backfill import catch_up, standing
from landbridge.history.lake import SCHEMA, TIME, File, Lake, LakeTable
from landbridge.history.rows import LINES, pending
from landbridge.history.supersede import superseding
from landbridge.history.table_form import Shape
from landbridge.model.temporal import ENTITY, Span
from landbridge.store import drained
from landbridge.store.manifest import Manifest
from landbridge.store.sqlite import SqliteStore

PIECE = 131_072  # lines read together
FEW = 100_000  # lines that are taken from the store as they are; more are drained first
PUSHED = 1_000  # ids that the files are asked for; more are looked up in what is read
SAYS = ("set", "delete")  # operations of lines that are instances
ORDINALS = 1 << 31
WORDS = ("entity", "attribute", "dataset", "source", "operation", "kind", "form", "text", "unit")
READ = [name for name in SCHEMA.names if name not in ("day", "tenant", "rest", "until")]
READING = pa.schema(
    [field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in WORDS else field for field in SCHEMA]
)
CORRECTING = [
    "commit", "ordinal", "entity", "attribute", "dataset", "operation", "replaces_commit", "replaces_ordinal",
]  # fmt: skip
Name = Callable[[str], str]
Places = np.ndarray[Any, np.dtype[np.int64]]

COLUMNS: dict[str, tuple[pa.DataType, str]] = {
    "id": (pa.string(), "the entity"),
    "type": (pa.string(), "its type"),
    "attribute": (pa.string(), "the attribute's name, as the city's @context has it"),
    "attributeType": (pa.string(), "Property, Relationship, GeoProperty ...; empty for a deletion"),
    "datasetId": (pa.string(), "which of several instances of the attribute; empty for the default one"),
    "observedAt": (TIME, "when it was observed, UTC, microseconds; empty where the origin tells no time"),
    "recordedAt": (TIME, "when the pool recorded it, UTC, microseconds"),
    "valueType": (pa.string(), "number, integer, boolean, text or json: in which column the value stands"),
    "number": (pa.float64(), "the value of a number, an integer or a boolean (1 and 0), in the unit `unitCode`"),
    "text": (pa.string(), "the value where it is a text, or the URI of a Relationship"),
    "json": (
        pa.string(),
        "the value where it is neither, as JSON: GeoJSON, lists, objects, very large integers",
    ),
    "unitCode": (pa.string(), "the unit, as UN/CEFACT names it"),
    "longitude": (pa.float64(), "of a point, degrees, WGS 84"),
    "latitude": (pa.float64(), "of a point, degrees, WGS 84"),
    "deleted": (pa.bool_(), "true where the attribute was deleted then"),
    "instanceId": (pa.string(), "the instance's name in NGSI-LD's temporal interface"),
}
PROVENANCE: dict[str, tuple[pa.DataType, str]] = {
    "source": (pa.string(), "the source that said it, or api for a client"),
    "run": (pa.int64(), "the source's run"),
    "row": (pa.int64(), "the source's row, counted from 0 within the run"),
}
SHAPE = Shape(frozenset({"json"}), "json", "longitude", "latitude")


@dataclass(frozen=True)
class Asked:
    """Which lines: of these attributes and datasetIds ("" is none; empty: all), within `span`, as known at `as_of`.

    `ids`: only of these entities. `provenance`: with the columns that say where each is from.
    """

    tenant: str
    attributes: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    span: Span | None = None
    as_of: int | None = None
    ids: pa.Array | None = None
    provenance: bool = False

    @property
    def schema(self) -> pa.Schema:
        told = COLUMNS | PROVENANCE if self.provenance else COLUMNS
        return pa.schema([(name, type_) for name, (type_, _) in told.items()])


def pieces(store: SqliteStore, lake: Lake, types: Sequence[str], asked: Asked, name: Name) -> Iterator[pa.Table]:
    """The lines of these types, a table of `asked.schema`'s columns at a time (texts may be dictionaries)."""
    for type_ in types:
        left = fresh_count(store, type_)
        if left > FEW:
            catch_up(store, lake, type_)
        past = gather(store, lake, type_)
        hidden = past.hidden(asked)
        for lines in past.lines(asked):
            rows = hidden.without(lines, asked)
            if rows.num_rows:
                yield shown(rows, type_, asked, name)


def fresh_count(store: SqliteStore, type_: str) -> int:
    """How many lines of a type have not been drained, or more than FEW."""
    with store.reader() as connection:
        kinds = drained.kinds(connection).get(type_, [])
        after = drained.of_type(connection, type_).number
        return drained.cut(connection, kinds, after, 1 << 62, FEW + 1)[1] if kinds else 0


def gather(store: SqliteStore, lake: Lake, type_: str) -> "Past":
    """What there is of a type at this moment: files of the lake, and lines that only the store has."""
    table, position = lake.table(type_), 0
    files: tuple[File, ...] = ()
    backfills: tuple[Manifest, ...] = ()
    with store.reader() as connection:
        kinds = drained.kinds(connection).get(type_, [])
        if table is not None:
            snapshot, backfills = standing(connection, table)
            files, position = snapshot.files, snapshot.position
        lines = fresh(connection, kinds, position)
    if lines.num_rows:
        times = pc.min_max(lines.column("time").cast(pa.int64())).as_py()
        met = [file.path for file in files if file.first <= times["max"] and file.last >= times["min"]]
        lines = superseding(lines, met, lake.options)
    return Past(lake, table, files, backfills, lines)


def fresh(connection: apsw.Connection, kinds: Sequence[int], after: int) -> pa.Table:
    parts = list(pending(connection, kinds, after))
    return pa.concat_tables(parts).unify_dictionaries() if parts else LINES.empty_table()


@dataclass(frozen=True)
class Past:
    """A type's lines at one moment."""

    lake: Lake
    table: LakeTable | None
    files: tuple[File, ...]
    backfills: tuple[Manifest, ...]
    fresh: pa.Table

    def lines(self, asked: Asked) -> Iterator[pa.Table]:
        """The lines that are asked for, whether they stand or not."""
        wanted = condition(asked, self.backfills)
        yield from self.scan(self.files, READ, wanted & still(asked), asked)
        if self.fresh.num_rows:
            yield self.fresh.filter(wanted).select(READ)

    def scan(
        self, files: Sequence[File], columns: list[str], wanted: pc.Expression, asked: Asked | None = None
    ) -> Iterator[pa.Table]:
        """Lines of files that fit; files that cannot have any are passed over."""
        table = self.table
        chosen = [file for file in files if asked is None or may_hold(file, asked)]
        if table is None or not chosen:
            return
        form = pd.ParquetFileFormat(dictionary_columns=[name for name in WORDS if name in columns])
        for file in chosen:
            found = pd.FileSystemDataset.from_paths([table.inside(file)], READING, form, self.lake.place.files)
            scanner = found.scanner(
                columns=columns, filter=wanted, batch_size=PIECE, batch_readahead=2, fragment_readahead=1
            )
            following = partial(next, scanner.to_batches(), None)
            while (batch := table.guarded(following)) is not None:
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])

    def hidden(self, asked: Asked) -> "Hidden":
        """What corrections hide, as far as they were known."""
        wanted = pc.field("replaces_commit").is_valid() | (pc.field("operation") == "clear")
        wanted &= known(asked, self.backfills) & (pc.field("tenant") == asked.tenant)
        found = [*self.scan([file for file in self.files if file.corrects], CORRECTING, wanted)]
        found.append(self.fresh.filter(wanted).select(CORRECTING))
        told = pa.concat_tables([part.cast(plain(part.schema)) for part in found])
        return Hidden.of(told)


@dataclass(frozen=True)
class Hidden:
    """Places (commit and ordinal in one number, sorted) that others stand in; and series cleared up to a commit."""

    places: Places
    cleared: pl.DataFrame

    @classmethod
    def of(cls, told: pa.Table) -> "Hidden":
        replacing = told.filter(pc.field("replaces_commit").is_valid())
        places = place(replacing.column("replaces_commit"), replacing.column("replaces_ordinal"))
        frame = pl.from_arrow(told.filter(pc.field("operation") == "clear"))
        assert isinstance(frame, pl.DataFrame)
        cleared = frame.group_by("entity", "attribute", "dataset").agg(upto=pl.col("commit").max())
        return cls(np.sort(places), cleared)

    def without(self, lines: pa.Table, asked: Asked) -> pa.Table:
        """The lines that stand, of the entities that are asked for."""
        keep = np.ones(lines.num_rows, bool)
        if len(self.places):
            here = place(lines.column("commit"), lines.column("ordinal"))
            at = np.searchsorted(self.places, here)
            keep &= self.places[np.minimum(at, len(self.places) - 1)] != here
        if self.cleared.height:
            keep &= self.not_cleared(lines)
        if asked.ids is not None and len(asked.ids) > PUSHED:
            keep &= pc.is_in(lines.column("entity").cast(pa.string()), asked.ids).to_numpy()
        return lines if keep.all() else lines.filter(pa.array(keep))

    def not_cleared(self, lines: pa.Table) -> Any:
        frame = pl.from_arrow(lines.select(["entity", "attribute", "dataset", "commit"]).cast(CLEARED))
        assert isinstance(frame, pl.DataFrame)
        whole = self.cleared.filter(pl.col("attribute") == ENTITY).select("entity", all="upto")
        met = frame.join(
            self.cleared, on=["entity", "attribute", "dataset"], how="left", nulls_equal=True, maintain_order="left"
        ).join(whole, on="entity", how="left", maintain_order="left")
        upto = pl.max_horizontal(pl.col("upto").fill_null(0), pl.col("all").fill_null(0))
        return met.select(pl.col("commit") >= upto).to_series().to_numpy()


CLEARED = pa.schema(
    [("entity", pa.string()), ("attribute", pa.string()), ("dataset", pa.string()), ("commit", pa.int64())]
)


def place(commits: pa.ChunkedArray, ordinals: pa.ChunkedArray) -> Places:
    made: Places = commits.to_numpy().astype(np.int64) * ORDINALS + ordinals.to_numpy().astype(np.int64)
    return made


def plain(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        [field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in schema]
    )


# -- conditions


def known(asked: Asked, backfills: Sequence[Manifest]) -> pc.Expression:
    """What had been recorded by then; a backfill's lines count since its manifest does."""
    if asked.as_of is None:
        return pc.scalar(True)
    found = pc.field("recorded") <= moment(asked.as_of)
    late = [one.number for one in backfills if one.recorded > asked.as_of]
    return found & ~pc.field("commit").isin(late) if late else found


def still(asked: Asked) -> pc.Expression:
    """What no compaction has found to be replaced by then."""
    if asked.as_of is None:
        return pc.field("until").is_null()
    return pc.field("until").is_null() | (pc.field("until") > moment(asked.as_of))


def condition(asked: Asked, backfills: Sequence[Manifest]) -> pc.Expression:
    """The lines that are asked for, as far as each tells by itself."""
    wanted = (pc.field("tenant") == asked.tenant) & pc.field("operation").isin(SAYS) & (pc.field("attribute") != ENTITY)
    wanted &= known(asked, backfills)
    if asked.attributes:
        wanted &= pc.field("attribute").isin(list(asked.attributes))
    if asked.datasets:
        named = [one for one in asked.datasets if one]
        of_named = pc.field("dataset").isin(named) if named else pc.scalar(False)
        wanted &= of_named | pc.field("dataset").is_null() if "" in asked.datasets else of_named
    if asked.ids is not None and len(asked.ids) <= PUSHED:
        wanted &= pc.field("entity").isin(asked.ids)
    return wanted & within(asked.span) if asked.span is not None else wanted


def within(span: Span) -> pc.Expression:
    """The lines whose time lies in the span (NGSI-LD 4.11): its start belongs to it, its end does not."""
    time = pc.field("time" if span.property == "observedAt" else "recorded")
    has = {
        "observedAt": pc.field("timed"),
        "deletedAt": pc.field("operation") == "delete",
    }.get(span.property, pc.field("operation") == "set")
    if span.relation == "before":
        return has & (time < moment(span.at))
    begun = has & (time >= moment(span.at))
    return begun if span.until is None else begun & (time < moment(span.until))


def may_hold(file: File, asked: Asked) -> bool:
    """Whether a file may have lines of the span, and of the time of the knowledge."""
    if asked.as_of is not None and file.since > asked.as_of:
        return False
    span = asked.span
    if span is None:
        return True
    first, last = (file.first, file.last) if span.property == "observedAt" else (file.since, file.upto)
    if span.relation == "before":
        return first < span.at
    return last >= span.at and (span.until is None or first < span.until)


def moment(micros: int) -> pa.Scalar:
    return pa.scalar(micros, pa.int64()).cast(TIME)


# -- what is shown


def shown(lines: pa.Table, type_: str, asked: Asked, name: Name) -> pa.Table:
    """Lines in the columns that leave the house."""
    count = lines.num_rows
    here = name(type_)
    columns: dict[str, Any] = {
        "id": lines.column("entity"),
        "type": repeated(here, count),
        "attribute": renamed(lines.column("attribute"), name),
        "attributeType": lines.column("kind"),
        "datasetId": lines.column("dataset"),
        "observedAt": pc.if_else(lines.column("timed"), lines.column("time"), pa.scalar(None, TIME)),
        "recordedAt": lines.column("recorded"),
        "valueType": lines.column("form"),
        "number": lines.column("number"),
        "text": lines.column("text"),
        "json": lines.column("json"),
        "unitCode": lines.column("unit"),
        "longitude": lines.column("lon"),
        "latitude": lines.column("lat"),
        "deleted": told(lines.column("operation"), "delete"),
        "instanceId": pc.binary_join_element_wise(
            "urn:ngsi-ld:Instance:",
            pc.binary_join_element_wise(
                lines.column("commit").cast(pa.string()), lines.column("ordinal").cast(pa.string()), "-"
            ),
            "",
        ),
    }
    if asked.provenance:
        columns |= {each: lines.column(each) for each in PROVENANCE}
    return pa.table(columns)


def told(column: pa.ChunkedArray, word: str) -> pa.Array:
    """Where a column of words has this one."""
    words = one(column)
    said = np.array([one_ == word for one_ in words.dictionary.to_pylist()] or [False])
    return pa.array(said[words.indices.to_numpy()])


def repeated(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text]))


def renamed(column: pa.ChunkedArray, name: Name) -> pa.Array:
    """Stored names of attributes as those to show."""
    words = one(column if pa.types.is_dictionary(column.type) else column.dictionary_encode())
    names = pa.array([name(word) for word in words.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(words.indices, names)


def one(column: pa.ChunkedArray) -> pa.Array:
    return column.unify_dictionaries().combine_chunks()
