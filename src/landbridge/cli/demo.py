"""`landbridge demo`: a real city joined before one's eyes: pulled, its sensor stream replayed, shown in the console."""

import contextlib
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.panel import Panel

from landbridge.app.city import City, open_city
from landbridge.app.entrance import open_pool
from landbridge.app.serve import serve
from landbridge.cli.listening import listening
from landbridge.cli.opened import OPERATOR
from landbridge.cli.pull import is_stream, pull_all, pullable, summary
from landbridge.cli.replay import Replay, Replaying, read_replay
from landbridge.cli.screen import err, out, table
from landbridge.errors import Exists, Missing
from landbridge.model.answer import RejectGroup, RunRecord
from landbridge.pool.pool import Pool
from landbridge.settings import read_settings
from landbridge.sources.broker import DemoBroker
from landbridge.sources.kind import find_kind

BROKER = "DEMO_BROKER"  # the variable that the examples' source.toml takes the broker's address from
KNOCK = 1.5  # seconds in which a stream's session is made
PLACES = (Path(__file__).resolve().parents[1] / "examples", Path(__file__).resolve().parents[3] / "examples")
REASONS = 8  # reasons for rejects that the summary shows


@click.command(
    epilog="""\b
Examples:
  landbridge demo
  landbridge demo takamatsu --port 8400
  landbridge demo path/to/a/city --no-serve
"""
)
@click.argument("city", metavar="[CITY]", default="binhai")
@click.option("--port", default=8350, show_default=True, type=click.IntRange(0, 65535), help="The console's port.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Where it works. [default: .demo/CITY]"
)
@click.option("--fresh", is_flag=True, help="Begin anew: throw away what an earlier demo pulled.")
@click.option(
    "--broker", type=click.Choice(["mosquitto", "python"]), help="The broker. [default: mosquitto where there is one]"
)
@click.option("--no-serve", is_flag=True, help="Join the city, print the summary and end.")
def demo(city: str, port: int, folder: Path | None, fresh: bool, broker: str | None, no_serve: bool) -> None:
    """Join a real CITY (binhai, takamatsu, redding, or a folder) and show it in the console.

    Works on a copy in .demo/CITY, needs no internet, and ends cleanly with Ctrl-C or TERM.
    """
    example = find_example(city)
    if not no_serve:
        refuse_taken(port)
    os.environ.setdefault("LANDBRIDGE_LOG_LEVEL", "warning")  # the summary stays on the screen
    work = folder or Path(".demo") / example.name
    copy(example, work, fresh)
    with contextlib.suppress(KeyboardInterrupt), leaving_on_term(), broker_for(work, broker) as streamed:
        join(work, streamed is not None and streamed.broker.program == "mosquitto")
        if no_serve:
            return
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(contextlib.closing(open_pool(read_settings(work))))
            serve(work, port=port, ready=lambda address: opened(address, pool, streamed, stack))


def opened(address: str, pool: Pool, streamed: "Streamed | None", stack: contextlib.ExitStack) -> None:
    """Say where the console is, and begin the replay as soon as the stream is followed."""
    replayed = ""
    if streamed:
        stack.enter_context(Replaying(streamed.replay, streamed.broker.port, lambda: followed(pool)))
        replayed = f" The sensor stream is replayed, an hour in {streamed.replay.seconds:g} s."
    out.print(f"\nOpen {address} in a browser.{replayed} Ctrl-C ends it.", markup=False)
    sys.stdout.flush()


def followed(pool: Pool) -> bool:
    """Whether a stream's run has begun."""
    sources = pool.sources(OPERATOR)
    return any(one.kind == "mqtt" and one.last is not None and one.last.state == "running" for one in sources)


@dataclass(frozen=True)
class Streamed:
    """A running broker and what is replayed through it."""

    broker: DemoBroker
    replay: Replay


def find_example(city: str) -> Path:
    """The folder of an example by its name, or of any city; raises Missing."""
    for place in (*(folder / city for folder in PLACES), Path(city)):
        if (place / "landbridge.toml").is_file():
            return place
    known = sorted({path.parent.name for folder in PLACES for path in folder.glob("*/landbridge.toml")})
    raise Missing(f"There is no example '{city}'.", hint=f"Examples: {', '.join(known)}.")


def refuse_taken(port: int) -> None:
    """Say before the work that the port is taken, not after it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            raise Exists(
                f"Port {port} is taken by another program.", hint="Choose another: make demo PORT=8400, or --port 8400"
            ) from None


def copy(example: Path, work: Path, fresh: bool) -> None:
    """Bring the example's files into the folder that the demo works in; the pool that is there stays."""
    if fresh and work.exists():
        shutil.rmtree(work / ".landbridge", ignore_errors=True)
    if work.resolve() != example.resolve():
        shutil.copytree(example, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".landbridge"))


@contextlib.contextmanager
def leaving_on_term() -> Iterator[None]:
    """Let TERM end the demo as Ctrl-C does, through all the doors that are open."""

    def leave(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def broker_for(work: Path, program: str | None) -> Iterator[Streamed | None]:
    """A real broker where the example has something to replay, its address in the environment."""
    replay = read_replay(work)
    if replay is None:
        yield None
        return
    with DemoBroker(program) as broker:
        os.environ[BROKER] = broker.address
        err.print(f"An MQTT broker ({broker.program}) listens on {broker.address}.", markup=False)
        yield Streamed(broker, replay)


def join(work: Path, sessions: bool) -> None:
    """Pull every source and print what came of it, on one screen. `sessions`: the broker keeps those of streams."""
    began = time.monotonic()
    with open_city(work) as city:
        records = pull_all(city, pullable(city, streams=False))
        seconds = time.monotonic() - began
        if sessions:
            knock(city)
        show(city, records, seconds)


def knock(city: City) -> None:
    """Have the broker keep each stream's session from now on, so that nothing of the replay is missed."""
    for name in city.declarations:
        if is_stream(city, name):
            declaration = city.declarations[name]
            source = find_kind(declaration.kind)(declaration)
            with listening(source, KNOCK):
                next(source.batches(None), None)


def show(city: City, records: Sequence[RunRecord], seconds: float) -> None:
    """The one-screen summary."""
    tenant = city.settings.tenant
    types = city.pool.types(OPERATOR, tenant=tenant)
    rejects = city.pool.rejects(OPERATOR, examples=0)
    differ = len(city.pool.disagreements(OPERATOR, limit=1_000_000, tenant=tenant))
    name = city.settings.name.get("en") or next(iter(city.settings.name.values()))
    out.print(Panel(summary(records), title=f"{name}, joined", title_align="left"))
    counts = ", ".join(f"{one.entities:,} {one.type}" for one in sorted(types, key=lambda one: -one.entities))
    facts = [
        ("Sources", len(records)),
        ("Rows read", sum(record.rows for record in records)),
        ("Entities", f"{sum(one.entities for one in types):,} ({counts})"),
        ("Instances recorded", sum(record.instances for record in records)),
        ("Rows rejected", f"{sum(group.count for group in rejects):,}{reasons(rejects)}"),
        ("Disagreements", differ),
        ("Seconds", f"{seconds:.1f}"),
    ]
    out.print(table(["", ""], facts))
    for record in records:
        if record.state == "failed":
            out.print(f"{record.source} failed: {record.reason}", markup=False, style="red")
    sys.stdout.flush()


def reasons(groups: Sequence[RejectGroup]) -> str:
    """The commonest reasons over all sources, a line each."""
    totals: dict[str, int] = {}
    for group in groups:
        totals[group.reason] = totals.get(group.reason, 0) + group.count
    ranked = sorted(totals.items(), key=lambda pair: -pair[1])
    lines = [f"\n  {count:,} × {reason}" for reason, count in ranked[:REASONS]]
    left = sum(count for _, count in ranked[REASONS:])
    return "".join(lines) + (f"\n  {left:,} for {len(ranked) - REASONS} other reasons" if left else "")
