"""The parent's side of a mapping: feeds a child process with batches and hands on what comes back.

While the child maps one batch the parent may work on the one before; a mapping that hangs is killed. What must see
the whole pull waits in a spool on disk, read from there as often as the mapping wants.
"""

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

import pyarrow as pa

from landbridge import errors
from landbridge.errors import Failed, InvalidMapping, TooMuch
from landbridge.model.column import AttributeColumns, RowPlan, ValueColumn, plan_columns
from landbridge.sources.contract import Declaration
from landbridge.sources.kind import resembling
from landbridge.sources.mapping.reference import read_references
from landbridge.sources.mapping.wire import Header, pack, receive, send, unpack

AHEAD = 1  # batches that the child may have before their rows are asked for
PIPE = 1_048_576  # bytes that a pipe holds, so that neither side waits for each small part of a batch
Frame = tuple[Header, bytes] | None
NOTHING = pa.RecordBatch.from_pylist(
    [],
    schema=pa.schema(
        {"id": pa.string(), "type": pa.string(), "_row": pa.int64(), "_key": pa.uint64(), "_hash": pa.uint64()}
    ),
)


@dataclass(frozen=True)
class MappingFile:
    """What a mapping's text says before a row is read. `attributes` are named as the mapping writes them."""

    path: str
    types: tuple[str, ...]
    attributes: tuple[str, ...]
    rowwise: bool
    tables: tuple[str, ...] = ("source",)


@dataclass(frozen=True)
class Rejected:
    """A source row that the mapping cannot take, by number (-1: not known which), and why."""

    row: int
    reason: str


@dataclass(frozen=True)
class Mapped:
    """Rows that a mapping made; `batch` counts the fed batches from 0 (None: made at the end of the pull).

    Everything of earlier batches has been yielded when a batch's rows are.
    """

    file: MappingFile
    plan: RowPlan
    rows: pa.RecordBatch
    rejects: tuple[Rejected, ...] = ()
    batch: int | None = None


class Spool:
    """One table of a pull on disk, for what looks over all of it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        self.writer: pa.RecordBatchFileWriter | None = pa.ipc.new_file(str(path), schema)

    def write(self, rows: pa.RecordBatch) -> None:
        if rows.num_rows and self.writer is not None:
            self.writer.write(rows)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None


class Mapper:
    """Runs the mappings of one source. Use it as a context manager: its child process ends with it."""

    def __init__(self, declaration: Declaration, *, whole: bool = True) -> None:
        self.declaration = declaration
        self.whole = whole
        self.results: list[dict[str, Any]] = []  # of the expectations, after `finish`
        self.failed: pa.Table | None = None
        self.dropped: list[Rejected] = []  # rows that an expectation left out
        self.outstanding = 0
        self.fed = 0
        self.rows_fed = 0
        self.tables: set[str] = set()  # that were fed
        self.spools: dict[str, Spool] = {}
        self.folder = tempfile.TemporaryDirectory(prefix="landbridge-", ignore_cleanup_errors=True)
        self.answers: queue.Queue[Frame] = queue.Queue()
        self.orders: queue.Queue[tuple[Header, pa.Buffer | bytes] | None] = queue.Queue()
        self.child = subprocess.Popen(
            [sys.executable, "-m", "landbridge.sources.mapping.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=PIPE,
            env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},  # its own pool reserves address space
        )
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.read_answers, self.write_orders)]
        for thread in self.threads:
            thread.start()
        try:
            self.begin()
        except BaseException:
            self.close()
            raise

    # --- the pipes -------------------------------------------------------------------------------------------

    def read_answers(self) -> None:
        assert self.child.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while (frame := receive(cast(BinaryIO, self.child.stdout))) is not None:
                self.answers.put(frame)
        self.answers.put(None)

    def write_orders(self) -> None:
        assert self.child.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            while (order := self.orders.get()) is not None:
                send(cast(BinaryIO, self.child.stdin), *order)

    def next_answer(self) -> tuple[Header, bytes]:
        """The child's next frame. Raises what the child raised, TooMuch when its time is up."""
        try:
            frame = self.answers.get(timeout=self.declaration.timeout)
        except queue.Empty:
            self.close()
            raise TooMuch(
                f"The mapping of '{self.declaration.name}' runs for more than {self.declaration.timeout:g} s.",
                where=self.where,
                hint="Does a join lack its key? Or raise `timeout` in source.toml.",
            ) from None
        if frame is None:
            self.close()
            raise Failed(
                f"The mapping's process of '{self.declaration.name}' ends early (code {self.child.returncode}).",
                where=self.where,
                hint="It may need more `memory` than source.toml allows.",
            )
        if frame[0]["kind"] == "error":
            raise again(frame[0], self.where)
        return frame

    @property
    def where(self) -> str:
        return f"{self.declaration.name}/mapping.sql"

    def ask(self, header: Header, body: pa.Buffer | bytes = b"") -> Header:
        """Send one order and wait for its answer."""
        self.orders.put((header, body))
        return self.next_answer()[0]

    # --- the work --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Send the mapping's texts; the child needs some time to start, and `open` waits for it."""
        declaration = self.declaration
        opening = {
            "kind": "open",
            "memory": declaration.memory,
            "spill": str(Path(self.folder.name) / "spill"),
            "time_zone": declaration.time_zone,
            "ambiguous": declaration.ambiguous_time,
            "references": list(declaration.tables),
            "expectations": [dict(expectation) for expectation in declaration.expectations],
            "whole": self.whole,
            "files": mapping_texts(declaration),
        }
        self.orders.put((opening, b""))

    @property
    def started(self) -> bool:
        """Whether `open` would not have to wait."""
        return not self.answers.empty()

    def open(self) -> None:
        """Wait for what the child says of the mapping; raises InvalidMapping with the place of the mistake."""
        declaration, whole = self.declaration, self.whole
        described = self.next_answer()[0]["files"]
        self.files = tuple(mapping_file(item, declaration) for item in described)
        self.later = [bool(item["deferred"]) for item in described]
        self.spooled = {name for item in described if item["deferred"] for name in item["tables"]}
        self.spool_all = whole and bool(declaration.expectations)
        self.now = not whole
        if not whole:
            refuse_windows(self.files, declaration)
        for name, table in read_references(declaration).items():
            self.ask({"kind": "reference", "name": name}, pack(table))

    def feed(self, table: str, rows: pa.RecordBatch | pa.Table) -> Iterator[Mapped]:
        """Map some rows of one source table; they carry `_row`. Yields what is ready, perhaps of the batch before."""
        self.rows_fed += rows.num_rows
        self.tables.add(table)
        if table in self.spooled or self.spool_all:
            self.spool(table, rows)
        batch, self.fed = self.fed, self.fed + 1
        if any(not later and table in file.tables for file, later in zip(self.files, self.later, strict=True)):
            self.orders.put(({"kind": "feed", "table": table, "batch": batch}, pack(rows)))
            self.outstanding += 1
        yield from self.drain(AHEAD)

    def flush(self) -> Iterator[Mapped]:
        """Wait for all batches that were fed."""
        yield from self.drain(0)

    def drain(self, ahead: int) -> Iterator[Mapped]:
        while self.outstanding > ahead:
            header, body = self.next_answer()
            if header["kind"] == "done":
                self.outstanding -= 1
            elif header["kind"] == "expected":
                yield from self.sifted(header)
            else:
                yield self.mapped(header, body)

    def sifted(self, header: Header) -> Iterator[Mapped]:
        """The expectations' results of a small batch, added up; the rows that they leave out are rejects of it."""
        known = {result["name"]: result for result in self.results}
        for result in header["results"]:
            before = known.setdefault(result["name"], {**result, "passed": 0, "failed": 0})
            counts = {key: before[key] + result[key] for key in ("passed", "failed")}
            known[result["name"]] = {**(result if result["failed"] else before), **counts}
        self.results = list(known.values())
        rejects = tuple(Rejected(row, reason) for row, reason in header["rejects"])
        if rejects:
            plan = plan_columns(["id", "type"])
            yield Mapped(self.files[0], plan, NOTHING, rejects, self.fed - self.outstanding)

    def finish(self) -> Iterator[Mapped]:
        """End a whole pull: the expectations are checked and the mappings over all of its rows run."""
        yield from self.flush()
        self.refuse_unknown_tables()
        for spool in self.spools.values():
            spool.close()
        if not self.spools:
            return
        spools = {name: str(spool.path) for name, spool in self.spools.items()}
        self.orders.put(({"kind": "finish", "spools": spools, "rows": self.rows_fed}, b""))
        while (answer := self.next_answer())[0]["kind"] != "done":
            header, body = answer
            if header["kind"] == "expected":
                self.results = header["results"]
                self.dropped = [Rejected(row, reason) for row, reason in header["rejects"]]
                self.failed = unpack(body)
            else:
                yield self.mapped(header, body)

    def refuse_unknown_tables(self) -> None:
        """Raise InvalidMapping for a mapping that waits for a table which the pull did not have."""
        for file in self.files:
            for table in file.tables:
                if self.tables and table not in self.tables:
                    raise InvalidMapping(
                        f"The mapping reads the table '{table}', which the source does not have.",
                        where=file.path,
                        hint=f"{resembling(table, self.tables)}Its tables: {', '.join(sorted(self.tables))}.",
                    )

    def mapped(self, header: Header, body: bytes) -> Mapped:
        file = self.files[header["file"]]
        table = unpack(body)
        names = [name for name in table.column_names if not name.startswith("_")]
        plan = reread(plan_columns(names, file.path), frozenset(header["json"]))
        rejects = tuple(Rejected(row, reason) for row, reason in header["rejects"])
        return Mapped(file, plan, one_batch(table), rejects, header["batch"])

    def spool(self, table: str, rows: pa.RecordBatch | pa.Table) -> None:
        if table not in self.spools:
            path = Path(self.folder.name) / f"spool-{len(self.spools)}.arrow"
            self.spools[table] = Spool(path, rows.schema)
        spool = self.spools[table]
        for part in rows.to_batches() if isinstance(rows, pa.Table) else [rows]:
            spool.write(part if part.schema == spool.schema else conform(part, spool.schema, table, self.where))

    # --- the end ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the child process, whatever it is doing, and remove the spool."""
        self.orders.put(None)
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        for thread in self.threads:
            thread.join(timeout=5)
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        for spool in self.spools.values():
            with contextlib.suppress(OSError, pa.ArrowInvalid):
                spool.close()
        self.folder.cleanup()

    def __enter__(self) -> "Mapper":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_mapper(declaration: Declaration, *, whole: bool = True) -> Mapper:
    """Start the mappings of a source. `whole`: the pull has an end, at which spooled mappings run.

    Raises InvalidMapping with the place of the mistake.
    """
    mapper = Mapper(declaration, whole=whole)
    try:
        mapper.open()
    except BaseException:
        mapper.close()
        raise
    return mapper


def read_mappings(declaration: Declaration) -> tuple[MappingFile, ...]:
    """Check a source's mapping texts and say which types and attributes they make, without reading a row."""
    with open_mapper(replace(declaration, tables=dict.fromkeys(declaration.tables, ""))) as mapper:
        return mapper.files


def mapping_paths(folder: Path) -> list[Path]:
    """The mapping files of a source's folder: mapping.sql, or those in mapping/."""
    single = folder / "mapping.sql"
    several = sorted((folder / "mapping").glob("*.sql"))
    if single.exists() and several:
        raise InvalidMapping("There are both mapping.sql and mapping/.", where=str(folder), hint="Keep one of them.")
    if not single.exists() and not several:
        raise InvalidMapping("There is no mapping.", where=str(folder), hint="Write a SELECT into mapping.sql.")
    return [single] if single.exists() else several


def mapping_texts(declaration: Declaration) -> list[tuple[str, str]]:
    """Each mapping's name for people and its text."""
    texts = []
    for path in mapping_paths(declaration.folder):
        try:
            text = path.read_text("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidMapping("The file is not in UTF-8.", where=str(path), hint="Save it as UTF-8.") from None
        except OSError as error:
            hint = "See that it is a file that may be read."
            raise InvalidMapping(f"The mapping cannot be read: {error.strerror}.", where=str(path), hint=hint) from None
        texts.append((f"{declaration.name}/{path.relative_to(declaration.folder)}", text))
    return texts


def mapping_file(item: Mapping[str, Any], declaration: Declaration) -> MappingFile:
    """What the child says of one file; the declared types stand in where the SELECT computes them."""
    plan = plan_columns(item["columns"], item["path"])
    types = tuple(item["types"]) if item["types"] is not None else declaration.types
    if not types:
        raise InvalidMapping(
            "The column 'type' is computed, so its values are not known.",
            where=item["path"],
            hint='Write a literal, or name them in source.toml:  types = ["..."].',
        )
    names = tuple(attribute.name for attribute in plan.attributes)
    return MappingFile(item["path"], types, names, item["rowwise"], tuple(item["tables"]))


def refuse_windows(files: Sequence[MappingFile], declaration: Declaration) -> None:
    """A mapping over all rows needs an end of them (DESIGN 4.10)."""
    for file in files:
        if not file.rowwise and declaration.window != "all":
            raise InvalidMapping(
                "The mapping looks over several rows, and this source comes in small batches.",
                where=file.path,
                hint='Map each row alone (no aggregate, window, DISTINCT, ORDER), or declare  window = "all".',
            )


def reread(plan: RowPlan, json: frozenset[str]) -> RowPlan:
    """The plan with `json` as the reading of the columns that came as JSON."""

    def value(column: ValueColumn) -> ValueColumn:
        return replace(column, reading="json") if column.column in json else column

    def attribute(columns: AttributeColumns) -> AttributeColumns:
        return replace(columns, value=value(columns.value), subs=tuple(map(value, columns.subs)))

    return replace(plan, attributes=tuple(map(attribute, plan.attributes)))


def one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def conform(rows: pa.RecordBatch, schema: pa.Schema, table: str, where: str) -> pa.RecordBatch:
    """Rows with the first batch's columns: missing ones are null, further ones stay out."""
    try:
        columns = [
            rows.column(field.name).cast(field.type)
            if field.name in rows.schema.names
            else pa.nulls(len(rows), field.type)
            for field in schema
        ]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidMapping(f"The table '{table}' changes its columns within a pull: {error}.", where=where) from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def again(header: Header, where: str) -> errors.LandbridgeError:
    """The child's error, to be raised here."""
    place, hint = header.get("where") or where, header.get("hint")
    if header["error"] == "InvalidMapping":
        return InvalidMapping(header["message"], where=place, hint=hint, row=header.get("row"))
    kind = getattr(errors, header["error"], Failed)
    error: errors.LandbridgeError = kind(header["message"], where=place, hint=hint)
    return error
