"""Sources: where data comes from, who answers for it, is it well?"""

import re

from starlette.responses import Response

from landbridge.console.download import table, wanted
from landbridge.console.language import mark
from landbridge.console.moment import span
from landbridge.console.page import Visit
from landbridge.console.sentence import teller
from landbridge.errors import Missing
from landbridge.model.answer import RunRecord, SourceState
from landbridge.model.instant import format_instant

STATES: dict[str, tuple[str, str, str]] = {  # state -> class, sign, word
    "done": ("good", "✓", mark("well")),
    "unchanged": ("good", "=", mark("unchanged")),
    "running": ("busy", "…", mark("running")),
    "failed": ("bad", "✕", mark("failed")),
    "never": ("idle", "○", mark("not yet run")),
}
EVERY = re.compile(r"every (\d+) ?([smhd])\w*\Z")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
STREAMS = ("mqtt", "push")  # kinds that bring rows by themselves while the city is served
RUNS = 30
SOURCE_COLUMNS = ("source", "kind", "owner", "licence", "schedule", "state", "lastRun", "rows", "rejects")
RUN_COLUMNS = (
    "run", "started", "ended", "state", "reason", "rows", "rejected", "repeated", "conflicting", "unchanged",
    "entities", "instances", "gone",
)  # fmt: skip


def state_of(run: RunRecord | None) -> tuple[str, str, str]:
    """How a run went: a class for its colour, a sign and a word."""
    return STATES.get(run.state if run else "never", STATES["never"])


def schedule_text(visit: Visit, source: SourceState) -> str:
    """A schedule for people; a cron line stays as it is."""
    schedule = source.schedule
    if source.kind in STREAMS:
        return visit.language.gettext("as it comes")
    if not schedule:
        return visit.language.gettext("when asked")
    if schedule == "once":
        return visit.language.gettext("once")
    if told := EVERY.match(schedule):
        every = span(int(told[1]) * SECONDS[told[2]], visit.language)
        return visit.language.gettext("every %(span)s") % {"span": every}
    if schedule.startswith("after "):
        return visit.language.gettext("after %(sources)s") % {"sources": schedule.removeprefix("after ")}
    return schedule


def counted(source: SourceState) -> RunRecord | None:
    """The run whose rows and expectations are shown: the last that read rows, which an unchanged one does not."""
    return source.judged or source.last


def missed(run: RunRecord | None) -> int:
    """How many expectations of a run did not hold."""
    return sum(1 for one in (run.expectations if run else ()) if one.get("failed"))


def source_row(source: SourceState) -> list[object]:
    last = source.last
    facts = (source.name, source.kind, source.owner, source.licence, source.schedule)
    state = (last.state, moment(last.started), last.rows) if last else ("never", None, None)
    return [*facts, *state, source.rejects]


def run_row(run: RunRecord) -> list[object]:
    counts = (run.rows, run.rejected, run.repeated, run.conflicting, run.unchanged, run.entities, run.instances)
    return [run.run, moment(run.started), moment(run.ended), run.state, run.reason, *counts, run.gone]


def moment(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def sources(visit: Visit) -> Response:
    """GET /sources."""
    found = visit.reading.sources(visit.actor)
    ordered = sorted(found, key=lambda s: (state_of(s.last)[0] != "bad", s.name))
    if wanted(visit):
        return table(visit, "sources", SOURCE_COLUMNS, map(source_row, ordered))
    return visit.page(
        "sources.html.j2",
        sources=ordered,
        state_of=state_of,
        missed=missed,
        counted=counted,
        said=teller(visit.language, found),
        schedule_text=schedule_text,
        screen="sources",
    )


def source(visit: Visit) -> Response:
    """GET /sources/{name}."""
    name = visit.request.path_params["name"]
    found: SourceState | None = next((s for s in visit.reading.sources(visit.actor) if s.name == name), None)
    if found is None:
        raise Missing(f"There is no source '{name}'.", hint="The list of sources has all that this city declares.")
    runs = visit.reading.runs(visit.actor, name, RUNS)
    if wanted(visit):
        return table(visit, f"runs of {name}", RUN_COLUMNS, map(run_row, runs))
    return visit.page(
        "source.html.j2",
        source=found,
        runs=runs,
        rejects=visit.reading.rejects(visit.actor, name, examples=1) if visit.may("raw") else (),
        raw=visit.may("raw"),
        counted=counted,
        said=teller(visit.language, [found]),
        state_of=state_of,
        schedule_text=schedule_text,
        screen="sources",
    )
