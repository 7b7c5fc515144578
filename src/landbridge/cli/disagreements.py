"""`landbridge disagreements`: where and when departments differ, as DESIGN's objects or as a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from landbridge.cli.folder import city_folder
from landbridge.cli.opened import OPERATOR, opened
from landbridge.cli.screen import JSON_HELP, out, print_json, table
from landbridge.model.answer import Disagreement
from landbridge.model.instant import format_instant

MOST = 10_000_000  # all of them: a program that reads JSON wants no silent bound


@click.command(
    epilog="""\b
Examples:
  landbridge disagreements binhai
  landbridge disagreements binhai --entity urn:ngsi-ld:EpidemicSituation:120116
  landbridge disagreements binhai --json | jq 'length'
"""
)
@city_folder
@click.option("--entity", metavar="ID", help="Only of this entity.")
@click.option("--attribute", metavar="NAME", help="Only of this attribute.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def disagreements(folder: Path, entity: str | None, attribute: str | None, as_json: bool) -> None:
    """List the intervals in which the sources of a city differ by more than its rules tolerate.

    With --json: a list of {entity, attribute, from, to, values: [{source, value, observedAt}]}; `to` is null
    where they still differ.
    """
    with opened(folder) as city:
        found = city.pool.disagreements(
            OPERATOR, entity=entity, attribute=city.stored(attribute), limit=MOST, tenant=city.settings.tenant
        )
    if as_json:
        print_json([as_object(one) for one in found])
    elif not found:
        out.print("No source contradicts another.")
    else:
        rows = [(one.entity, one.attribute, day(one.since), day(one.until) or "still", said(one)) for one in found]
        out.print(table(["entity", "attribute", "from", "to", "who says what"], rows))
        out.print(f"\n{len(found):,} disagreements.")


def as_object(found: Disagreement) -> Mapping[str, Any]:
    """A disagreement as DESIGN 4.6 has it."""
    return {
        "entity": found.entity,
        "attribute": found.attribute,
        "from": format_instant(found.since),
        "to": None if found.until is None else format_instant(found.until),
        "values": [
            {"source": one.source, "value": one.value, "observedAt": format_instant(one.observed_at)}
            for one in found.values
        ],
    }


def day(instant: int | None) -> str:
    return "" if instant is None else format_instant(instant).removesuffix("T00:00:00Z")


def said(found: Disagreement) -> str:
    return ", ".join(f"{one.source}: {one.value}" for one in found.values)
