"""`landbridge rejects`: rows that could not be taken, by reason, and another try once the mapping is mended."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from landbridge.app.city import open_city
from landbridge.cli.folder import city_folder, complete_sources, source_names
from landbridge.cli.opened import OPERATOR, opened
from landbridge.cli.screen import JSON_HELP, err, out, print_json, table
from landbridge.errors import Missing
from landbridge.model.answer import RejectGroup

CELLS = 100  # characters of an example row in the table


@click.command(
    epilog="""\b
Examples:
  landbridge rejects binhai
  landbridge rejects binhai --source air-quality --examples 10 --json
  landbridge rejects binhai --replay air-quality
"""
)
@city_folder
@click.option("--source", metavar="SOURCE", shell_complete=complete_sources, help="Only of this source.")
@click.option("--examples", default=3, show_default=True, type=click.IntRange(0, 1000), help="Rows shown per reason.")
@click.option("--replay", metavar="SOURCE", shell_complete=complete_sources, help="Map this source's rejects again.")
@click.option("--reason", metavar="TEXT", help="With --replay: only those with this reason.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def rejects(
    folder: Path, source: str | None, examples: int, replay: str | None, reason: str | None, as_json: bool
) -> None:
    """List the rejected rows of a city's sources by reason; nothing is dropped silently.

    With --json: a list of {source, reason, count, examples: [{place, row}]}.
    """
    if replay is not None:
        replay_rejects(folder, replay, reason)
        return
    with opened(folder) as city:
        found = city.pool.rejects(OPERATOR, source, examples=examples)
    there = source_names(folder)
    if source is not None and not found and source not in there:
        raise Missing(f"There is no source '{source}'.", hint=f"Sources: {', '.join(there) or 'none'}.")
    if as_json:
        print_json([as_object(group) for group in found])
    else:
        show(found)


def as_object(group: RejectGroup) -> Mapping[str, object]:
    examples = [{"place": one.get("place"), "row": one.get("row")} for one in group.examples]
    return {"source": group.source, "reason": group.reason, "count": group.count, "examples": examples}


def show(found: Sequence[RejectGroup]) -> None:
    """A table of the reasons with an example each."""
    if not found:
        out.print("No row is rejected.")
        return
    rows = [(group.source, group.count, group.reason, example(group)) for group in found]
    out.print(table(["source", "rows", "reason", "for example"], rows, right=["rows"]))
    out.print(f"\n{sum(group.count for group in found):,} rejected rows. Mend the mapping, then: --replay SOURCE")


def example(group: RejectGroup) -> str:
    if not group.examples:
        return ""
    first = group.examples[0]
    cells = ", ".join(f"{name}={value}" for name, value in dict(first.get("row") or {}).items() if value is not None)
    return f"{first.get('place', '')}: {cells[:CELLS]}{'…' if len(cells) > CELLS else ''}"


def replay_rejects(folder: Path, source: str, reason: str | None) -> None:
    """Map the rejected rows of a source again, reason by reason."""
    with open_city(folder) as city:
        groups = [group for group in city.pool.rejects(OPERATOR, source, examples=0) if reason in (None, group.reason)]
        if not groups:
            raise Missing(
                f"The source '{source}' has no rejected rows{' with that reason' if reason else ''}.",
                hint="List them: landbridge rejects",
            )
        for group in groups:
            err.print(f"{group.count:,} rows: {group.reason}", markup=False)
            out.print(city.replay(source, group.reason), markup=False)
