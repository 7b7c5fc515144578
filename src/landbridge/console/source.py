"""Sources: where data comes from, who answers for it, is it well?"""

from starlette.responses import Response

from landbridge.console.language import mark
from landbridge.console.page import Visit
from landbridge.errors import Missing
from landbridge.model.answer import RunRecord, SourceState

STATES: dict[str, tuple[str, str, str]] = {  # state -> class, sign, word
    "done": ("good", "✓", mark("well")),
    "unchanged": ("good", "=", mark("unchanged")),
    "running": ("busy", "…", mark("running")),
    "failed": ("bad", "✕", mark("failed")),
    "never": ("idle", "○", mark("not yet run")),
}
SCHEDULES = {"once": mark("once"), None: mark("when asked")}
RUNS = 30


def state_of(run: RunRecord | None) -> tuple[str, str, str]:
    """How a run went: a class for its colour, a sign and a word."""
    return STATES.get(run.state if run else "never", STATES["never"])


def missed(run: RunRecord | None) -> int:
    """How many expectations of a run did not hold."""
    return sum(1 for one in (run.expectations if run else ()) if one.get("failed"))


def sources(visit: Visit) -> Response:
    """GET /sources."""
    found = visit.reading.sources(visit.actor)
    ordered = sorted(found, key=lambda s: (state_of(s.last)[0] != "bad", s.name))
    return visit.page(
        "sources.html.j2", sources=ordered, state_of=state_of, missed=missed, schedules=SCHEDULES, screen="sources"
    )


def source(visit: Visit) -> Response:
    """GET /sources/{name}."""
    name = visit.request.path_params["name"]
    found: SourceState | None = next((s for s in visit.reading.sources(visit.actor) if s.name == name), None)
    if found is None:
        raise Missing(f"There is no source '{name}'.", hint="The list of sources has all that this city declares.")
    return visit.page(
        "source.html.j2",
        source=found,
        runs=visit.reading.runs(visit.actor, name, RUNS),
        rejects=visit.reading.rejects(visit.actor, name, examples=1) if visit.may("raw") else (),
        raw=visit.may("raw"),
        state_of=state_of,
        schedules=SCHEDULES,
        screen="sources",
    )
