"""`landbridge retention`: let old values go, as the city's rules say; with --dry-run show what would go."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from landbridge.app.city import open_city
from landbridge.app.retention import retention_rules
from landbridge.cli.folder import city_folder
from landbridge.cli.screen import JSON_HELP, out, print_json, table
from landbridge.errors import Missing
from landbridge.history.retention import Going, Retention
from landbridge.model.instant import format_instant
from landbridge.model.terms import Terms


@click.command(
    epilog="""\b
Examples:
  landbridge retention binhai --dry-run
  landbridge retention binhai
"""
)
@city_folder
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def retention(folder: Path, dry_run: bool, as_json: bool) -> None:
    """Let values that are older than the rules of landbridge.toml allow leave history, for good.

    `landbridge serve` does the same once a day. Where a rule says so, their means stay. What goes is on record in the
    audit before and after. With --json: a list of {type, attribute, rows, bytes, oldest, newest, means}.
    """
    with open_city(folder) as city:
        rules = retention_rules(city.settings, city.contexts.own.expand)
        if not rules:
            raise Missing("The city has no rule of retention.", hint="Write [retention.TYPE] into landbridge.toml.")
        keeper = Retention(city.pool.store, city.lake, rules)
        going = keeper.planned() if dry_run else keeper.keep()
        terms = city.contexts.own
    if as_json:
        print_json([as_object(one, terms) for one in going])
    else:
        show(going, terms, dry_run)


def as_object(going: Going, terms: Terms) -> Mapping[str, Any]:
    """What goes, with the names of the city's @context and times as texts."""
    return {
        "type": terms.compact(going.type), "attribute": terms.compact(going.attribute), "rows": going.rows,
        "bytes": going.bytes, "oldest": format_instant(going.oldest), "newest": format_instant(going.newest),
        "means": going.means,
    }  # fmt: skip


def show(going: Sequence[Going], terms: Terms, dry_run: bool) -> None:
    """A line for each attribute."""
    if not going:
        out.print("Nothing is older than the rules allow.")
        return
    objects = [as_object(one, terms) for one in going]
    names = ["type", "attribute", "rows", "bytes", "oldest", "newest", "means"]
    rows = [[one[name] for name in names] for one in objects]
    out.print(table(names, rows, right=["rows", "bytes", "means"]))
    total = sum(one.rows for one in going)
    out.print(f"\n{total:,} lines {'would go' if dry_run else 'are gone'}; bytes are about right.")
