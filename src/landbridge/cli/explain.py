"""`landbridge explain`: from a value to the row that it came from, or to the request that wrote it."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import click
import orjson

from landbridge.cli.folder import split_folder
from landbridge.cli.opened import OPERATOR, opened
from landbridge.cli.screen import JSON_HELP, out, print_json
from landbridge.errors import Missing
from landbridge.model.answer import Trace
from landbridge.model.instant import format_instant

CELL = 120  # characters of a raw cell; --json has all of it
STANDING = {
    "value": "the only one",
    "chosen": "chosen by the rule",
    "claim": "what this source says",
    "pin": "set by a client; it stands over the rule",
    "instance": "an instance of its own",
}


@click.command(
    epilog="""\b
Examples:
  landbridge explain binhai urn:ngsi-ld:EpidemicSituation:120116 confirmedCases
  cd binhai && landbridge explain urn:ngsi-ld:AirQualityObserved:1023A --json
"""
)
@click.argument("words", metavar="[DIR] ENTITY [ATTRIBUTE]", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def explain(words: tuple[str, ...], as_json: bool) -> None:
    """Say where each value of an entity came from: source, run, file, line and the raw row, or who wrote it."""
    folder, rest = split_folder(words)
    if not 1 <= len(rest) <= 2:
        raise click.UsageError("Give an entity's id, and perhaps one attribute.")
    entity, attribute = rest[0], rest[1] if len(rest) > 1 else None
    with opened(folder) as city:
        found = city.pool.explain(OPERATOR, entity, city.stored(attribute), tenant=city.settings.tenant)
    if not found:
        raise Missing(f"The entity has no attribute '{attribute}'.", where=entity, hint="Leave it out to see all.")
    if as_json:
        print_json([as_object(trace) for trace in found])
    else:
        show(entity, found)


def as_object(trace: Trace) -> Mapping[str, Any]:
    """A trace with NGSI-LD's own words for what NGSI-LD has a word for."""
    return {
        "entity": trace.entity,
        "attribute": trace.attribute,
        "datasetId": trace.dataset_id,
        "value": trace.value,
        "unitCode": trace.unit,
        "observedAt": moment(trace.observed_at),
        "standing": trace.standing,
        "stale": trace.stale,
        "holdsUntil": moment(trace.holds_until),
        "source": trace.owner,
        "run": trace.run,
        "row": trace.row,
        "place": trace.place,
        "mapping": trace.mapping,
        "raw": trace.raw,
        "actor": trace.actor,
        "request": trace.request,
        "commit": trace.commit,
        "recordedAt": format_instant(trace.recorded),
    }


def moment(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def show(entity: str, found: Sequence[Trace]) -> None:
    """Attribute by attribute, each instance with its origin."""
    out.print(entity, style="bold", markup=False)
    for attribute, traces in groupby(found, lambda trace: trace.attribute):
        out.print(f"\n{attribute}", style="bold cyan", markup=False)
        for trace in traces:
            for line in lines(trace):
                out.print(line, markup=False)


def short(cell: object) -> str:
    text = repr(cell)
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def lines(trace: Trace) -> list[str]:
    """One instance as text."""
    value = trace.value if isinstance(trace.value, str) else orjson.dumps(trace.value, default=str).decode()
    unit = f" {trace.unit}" if trace.unit else ""
    made = [
        f"  {value[:200]}{unit}    {STANDING.get(trace.standing, trace.standing)}{', stale' if trace.stale else ''}"
    ]
    if trace.observed_at is not None:
        made.append(f"    observed   {format_instant(trace.observed_at)}")
    if trace.owner == "api":
        made.append(f"    written by {trace.actor or '(not shown)'} {trace.request or ''}".rstrip())
    else:
        made.append(f"    source     {trace.owner}, run {trace.run}")
        made += [f"    from       {trace.place}"] if trace.place else []
        made += [f"    mapped by  {trace.mapping}"] if trace.mapping else []
    made.append(f"    recorded   {format_instant(trace.recorded)} (commit {trace.commit})")
    if trace.raw:
        made.append("    raw row    " + ", ".join(f"{name} = {short(cell)}" for name, cell in trace.raw.items()))
    return made
