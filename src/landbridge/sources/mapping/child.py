"""The mapping's child process: reads batches from its parent, maps them, and answers with rows and rejects.

Run as `python -m landbridge.sources.mapping.child`; ends with its pipe, or with its parent.
"""

import contextlib
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.errors import InvalidMapping, LandbridgeError
from landbridge.sources.expectation import Checks
from landbridge.sources.mapping.engine import Engine, Job
from landbridge.sources.mapping.statement import FAILED
from landbridge.sources.mapping.wire import Header, pack, receive, send, unpack

SLACK = 1024  # MiB that Python and Arrow may have beside DuckDB's own memory


class Worker:
    """Answers the parent's frames, one at a time and in their order."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.engine: Engine
        self.jobs: list[Job] = []
        self.deferred: list[int] = []  # the mappings that wait for the whole pull
        self.checks = Checks(())
        self.whole = True

    def open(self, header: Header, body: bytes) -> None:
        limit = (int(header["memory"]) + SLACK) << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        self.engine = Engine(
            memory=header["memory"], spill=header["spill"], time_zone=header["time_zone"], ambiguous=header["ambiguous"]
        )
        self.jobs = [self.engine.job(path, text, header["references"]) for path, text in header["files"]]
        self.checks = Checks(tuple(header["expectations"]))
        self.whole = bool(header["whole"])
        if not self.whole:
            self.checks.refuse_gathering()
        self.checks.expected  # noqa: B018  (raises where one is wrong)
        self.deferred = [
            place
            for place, job in enumerate(self.jobs)
            if not job.statement.rowwise
            or (header["whole"] and (self.checks.leave_out or FAILED in job.statement.references))
        ]
        send(self.out, {"kind": "opened", "files": self.described()})

    def described(self) -> list[dict[str, Any]]:
        return [
            {
                "path": job.path,
                "columns": job.statement.columns,
                "types": job.statement.types,
                "tables": job.statement.tables,
                "references": job.statement.references,
                "rowwise": job.statement.rowwise,
                "deferred": place in self.deferred,
            }
            for place, job in enumerate(self.jobs)
        ]

    def reference(self, header: Header, body: bytes) -> None:
        self.engine.register(header["name"], unpack(body))
        send(self.out, {"kind": "done"})

    def feed(self, header: Header, body: bytes) -> None:
        table = unpack(body)
        self.engine.register(header["table"], table)
        if not self.whole:
            self.sift(header["table"], table)
        for place, job in enumerate(self.jobs):
            due = place not in self.deferred or header.get("now")
            if table.num_rows and due and header["table"] in job.statement.tables:  # an empty file may lack columns
                self.answer(place, job, table.num_rows, header.get("batch"))
        send(self.out, {"kind": "done"})

    def sift(self, name: str, table: pa.Table) -> None:
        """Check a small batch's rows one by one; hide those that an expectation leaves out from the mappings."""
        checks = self.checks.about(name)
        if not checks.expectations:
            return
        results, failed, views = checks.evaluate(self.engine, table.num_rows)
        rejects = checks.left_out(self.engine, name) if views else []
        send(self.out, {"kind": "expected", "results": results, "rejects": rejects}, pack(failed))
        self.engine.register(FAILED, failed)
        if rejects:
            left = pa.array([row for row, _ in rejects], pa.int64())
            self.engine.register(name, table.filter(pc.invert(pc.is_in(table.column("_row"), value_set=left))))

    def finish(self, header: Header, body: bytes) -> None:
        """Run what waited for the whole pull, over the spooled tables, after the expectations."""
        read = 0
        with contextlib.ExitStack() as opened:
            for name, path in header["spools"].items():
                file = opened.enter_context(pa.memory_map(path))
                table = pa.ipc.open_file(file).read_all()
                self.engine.register(name, table)
                read += table.num_rows
            self.expect(header["rows"])
            for place in self.deferred:
                job = self.jobs[place]
                if all(name in self.engine.tables for name in job.statement.tables):
                    self.answer(place, job, read, None)
            self.engine.forget(list(header["spools"]))
        send(self.out, {"kind": "done"})

    def expect(self, rows: int) -> None:
        """Evaluate the expectations; hide the rows that they leave out from the mappings."""
        if not self.checks.expectations:
            return
        results, failed, views = self.checks.evaluate(self.engine, rows)
        rejects = [found for view in views for found in self.checks.left_out(self.engine, view)]
        send(self.out, {"kind": "expected", "results": results, "rejects": rejects}, pack(failed))
        self.engine.register(FAILED, failed)
        if views:
            self.engine.hide(views, "select row from __left_out")

    def answer(self, place: int, job: Job, read: int, batch: int | None) -> None:
        for plan, table, rejects in self.engine.run(job, read):
            json_columns = [
                value.column
                for attribute in plan.attributes
                for value in (attribute.value, *attribute.subs)
                if value.reading == "json"
            ]
            header = {"kind": "mapped", "file": place, "batch": batch, "rejects": rejects, "json": json_columns}
            send(self.out, header, pack(table.drop_columns([n for n in table.column_names if n == "row"])))


class WithoutPandas:
    """Hides pandas from this process: Arrow loads it where it is installed, 35 MB and 0.2 s for nothing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("The mapping's process does without pandas.", name=name)


def main() -> None:
    """Serve the parent until the pipe ends."""
    threading.Thread(target=watch_parent, args=(os.getppid(),), daemon=True).start()
    sys.meta_path.insert(0, WithoutPandas())
    source, out = os.fdopen(os.dup(0), "rb", 1 << 20), os.fdopen(os.dup(1), "wb", 1 << 20)
    os.dup2(2, 1)  # a stray print must not reach the frames
    worker = Worker(out)
    for header, body in frames(source):
        try:
            getattr(
                worker, {"open": "open", "feed": "feed", "reference": "reference", "finish": "finish"}[header["kind"]]
            )(header, body)
        except LandbridgeError as error:
            send(out, told(error))
        except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
            message = "The mapping needs more memory than `memory` in source.toml allows."
            send(
                out,
                {
                    "kind": "error",
                    "error": "TooMuch",
                    "message": message,
                    "where": None,
                    "hint": "Raise it or join less.",
                },
            )
        except (duckdb.Error, pa.ArrowInvalid, KeyError, ValueError, TypeError) as error:
            send(
                out,
                {"kind": "error", "error": "InvalidMapping", "message": f"The mapping fails: {error}", "where": None},
            )
    sys.exit(0)


def frames(source: BinaryIO) -> Iterator[tuple[Header, bytes]]:
    while (frame := receive(source)) is not None:
        yield frame


def told(error: LandbridgeError) -> Header:
    """An error as a frame; the parent raises it again."""
    row = error.row if isinstance(error, InvalidMapping) else None
    return {
        "kind": "error",
        "error": type(error).__name__,
        "message": error.message,
        "where": error.where,
        "hint": error.hint,
        "row": row,
    }


def watch_parent(parent: int) -> None:
    """End with the parent, even in the middle of a query."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
