"""`landbridge pull`: sources into the pool, now, with their progress and what became of each."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click
from rich.progress import Progress as Display
from rich.progress import TaskID

from landbridge.app.city import City, open_city
from landbridge.cli.ending import ended_by_signal
from landbridge.cli.exit_code import code_of
from landbridge.cli.folder import complete_sources, split_folder
from landbridge.cli.screen import JSON_HELP, err, out, print_json, progress, table
from landbridge.errors import Failed, LandbridgeError
from landbridge.model.answer import RunRecord
from landbridge.model.instant import format_instant
from landbridge.sources.gather import Progress
from landbridge.sources.kind import find_kind

ASKED_ONLY = frozenset({"push"})  # kinds that come by themselves
LAST = frozenset({"derived"})  # kinds that read what the others wrote


@click.command(
    epilog="""\b
Examples:
  landbridge pull binhai
  landbridge pull binhai air-quality dxy
  landbridge pull binhai air-quality-live --seconds 60
"""
)
@click.argument("words", metavar="[DIR] [SOURCE]...", nargs=-1, shell_complete=complete_sources)
@click.option("--again", is_flag=True, help="Map everything again, changed or not.")
@click.option("--seconds", type=click.FloatRange(0.1), help="Also pull streams, each for so long.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
@click.pass_context
def pull(context: click.Context, words: tuple[str, ...], again: bool, seconds: float | None, as_json: bool) -> None:
    """Pull the sources of a city into its pool, all or those that are named; a second pull changes nothing.

    Streams and pushed sources come by themselves while `landbridge serve` runs; a stream is pulled here only with
    --seconds. Where a source fails, what it said before stays, the others go on, and the exit code says so.
    With --json: a list of run records.
    """
    folder, wanted = split_folder(words)
    with open_city(folder) as city:
        names = list(dict.fromkeys(wanted)) or pullable(city, seconds is not None)
        for name in wanted:
            city.declaration(name)
        records = pull_all(city, names, again=again, seconds=seconds)
        wrong = {name: error for name, error in city.wrong.items() if not wanted}
    if as_json:
        print_json([as_object(record) for record in records])
    else:
        out.print(summary(records))
    for name, error in wrong.items():
        err.print(f"{name}: {error}", markup=False, style="red")
    failed = [record for record in records if record.state == "failed"]
    for record in failed:
        err.print(f"{record.source}: {record.reason}", markup=False, style="red")
    context.exit(exit_code(failed, wrong))


def exit_code(failed: Sequence[RunRecord], wrong: Mapping[str, LandbridgeError]) -> int:
    """That of a failed run; else that of the first source that could not be used; else 0."""
    if failed:
        return code_of(Failed(""))
    return next((code_of(error) for error in wrong.values()), 0)


def pullable(city: City, streams: bool) -> list[str]:
    """The sources that a pull without names means: what ends by itself."""
    names = [name for name, one in city.declarations.items() if one.kind not in ASKED_ONLY]
    if not streams:
        names = [name for name in names if not is_stream(city, name)]
    return names


def is_stream(city: City, name: str) -> bool:
    """Whether the source never ends; what cannot be opened is pulled, so that its run says why."""
    declaration = city.declarations[name]
    try:
        return find_kind(declaration.kind)(declaration).manner == "stream"
    except LandbridgeError:
        return declaration.kind == "mqtt"


def pull_all(city: City, names: Sequence[str], *, again: bool = False, seconds: float | None = None) -> list[RunRecord]:
    """Pull the sources, as many at a time as LANDBRIDGE_PULLS says, showing how far each has come.

    Derived ones wait for the others. Gives the records in the order of `names`; raises KeyboardInterrupt where
    Ctrl-C or TERM ended it, after what was under way has come to an end.
    """
    records: dict[str, RunRecord] = {}
    with progress() as display, ended_by_signal() as stop:

        def one(name: str) -> None:
            if stop.is_set():
                return
            task = display.add_task(name, total=None, said="")
            with limited(stop, seconds if is_stream(city, name) else None) as until:
                records[name] = city.pull(name, tell=showing(display, task), stop=until, again=again)
            display.remove_task(task)

        for stage in (False, True):
            now = [name for name in names if (city.declarations[name].kind in LAST) is stage]
            with ThreadPoolExecutor(city.operator.pulls) as pool:
                for done in [pool.submit(one, name) for name in now]:
                    done.result()
    if stop.is_set():
        raise KeyboardInterrupt
    return [records[name] for name in names]


@contextmanager
def limited(stop: threading.Event, seconds: float | None) -> Iterator[threading.Event]:
    """A stop sign that is also set after so many seconds."""
    if seconds is None:
        yield stop
        return
    until = threading.Event()
    end = time.monotonic() + seconds

    def watch() -> None:
        while not until.is_set() and not stop.wait(0.1):
            if time.monotonic() >= end:
                break
        until.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield until
    finally:
        until.set()
        watcher.join()


def showing(display: Display, task: TaskID) -> Callable[[Progress], None]:
    """Show a pull's rows: read at first, then written of those that were mapped."""

    def tell(now: Progress) -> None:
        writing = now.phase != "reading"
        said = "rows kept" if writing else f"rows read, {now.rejected:,} rejected"
        total = now.mapped if writing and now.mapped else None
        display.update(task, completed=now.written if writing else now.read, total=total, said=said)

    return tell


def as_object(record: RunRecord) -> Mapping[str, Any]:
    """A run record with its times as texts."""
    ended = None if record.ended is None else format_instant(record.ended)
    return asdict(record) | {"started": format_instant(record.started), "ended": ended}


def summary(records: Sequence[RunRecord]) -> Any:
    """One line a run."""
    numbers = ["rows", "unchanged", "rejected", "entities", "instances", "gone", "seconds"]
    rows = [
        (
            record.source, record.state, record.rows, record.unchanged, record.rejected, record.entities,
            record.instances, record.gone, f"{((record.ended or record.started) - record.started) / 1e6:.1f}",
        )
        for record in records
    ]  # fmt: skip
    return table(["source", "state", *numbers], rows, right=numbers)
