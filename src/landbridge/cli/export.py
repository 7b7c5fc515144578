"""`landbridge export`: entities, or their history, as a table in a file."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from landbridge.app.city import open_city
from landbridge.app.download import FORMS, Order
from landbridge.app.entrance import OWNER
from landbridge.app.export import exporter_of
from landbridge.cli.folder import city_folder
from landbridge.cli.screen import err
from landbridge.settings import read_settings

ENDINGS = {ending: form for form, (_, ending) in reversed(FORMS.items()) if form != "geoparquet"}
PARAMETERS = {
    "types": "type", "ids": "id", "q": "q", "attrs": "attrs", "scope": "scopeQ", "georel": "georel",
    "geometry": "geometry", "coordinates": "coordinates", "since": "timeAt", "as_of": "asOf", "time": "timeproperty",
}  # fmt: skip  # option -> parameter of NGSI-LD's queries


@click.command(
    epilog="""\b
Examples:
  landbridge export binhai --type AirQualityObserved -o air.parquet
  landbridge export binhai --type AirQualityObserved --history --attrs pm25 --since 2020-01-01T00:00:00Z -o pm25.csv
  landbridge export binhai --type Building --format geoparquet -o buildings.parquet
  landbridge export binhai --type Building --q 'floorCount>5' --format jsonl | head
"""
)
@city_folder
@click.option("--history", is_flag=True, help="All instances that stand, a row each; else the entities as they are.")
@click.option("--type", "types", metavar="TYPES", help="Of these types, as NGSI-LD writes them: A,B.")
@click.option("--id", "ids", metavar="IDS", help="Of these entities, with commas.")
@click.option("--attrs", metavar="NAMES", help="Only these attributes, with commas.")
@click.option("--q", metavar="QUERY", help="Of entities of which this is true, as NGSI-LD writes it: 'pm25>35'.")
@click.option("--scope", metavar="SCOPES", help="Of entities with such a scope: /a/b, /a/#.")
@click.option("--georel", metavar="RELATION", help="Of entities that lie so: within, near;maxDistance==2000 ...")
@click.option("--geometry", metavar="KIND", help="With --georel: Point, Polygon ...")
@click.option("--coordinates", metavar="JSON", help="With --georel: [longitude,latitude] ...")
@click.option("--since", metavar="TIME", help="With --history: from this time on.")
@click.option("--until", metavar="TIME", help="With --history: before this time.")
@click.option("--time", metavar="PROPERTY", help="With --history: which time that is: observedAt, modifiedAt ...")
@click.option("--as-of", metavar="TIME", help="With --history: as it was known then.")
@click.option("--provenance", is_flag=True, help="With --history: with the source, its run and its row.")
@click.option("--tenant", metavar="NAME", help="Of this tenant; usually the city's own.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMS)), help="Usually what the file's name ends in, else csv."
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; else standard output.")
def export(
    folder: Path, history: bool, provenance: bool, tenant: str | None, form: str | None, output: Path | None,
    **given: str | None,
) -> None:  # fmt: skip
    """Take entities, or their history, away as Parquet, GeoParquet, CSV, an Arrow stream or JSON Lines.

    Columns and their types are in docs/lake.md. Whatever the size, it needs little memory. A file gets its name when it
    is whole.
    """
    form = form or (ENDINGS.get(output.suffix[1:], "csv") if output else "csv")
    if output is None and form not in ("csv", "jsonl") and sys.stdout.isatty():
        raise click.UsageError(f"{form} is nothing for a terminal. Give a file: -o FILE.")
    order = Order(history, form, parameters(given), tenant or read_settings(folder).tenant, provenance)
    with open_city(folder) as city:
        exporter = exporter_of(city.pool, city.lake, city.settings, city.operator)
        if output is None:
            rows = exporter.write(OWNER, order, sys.stdout.buffer)
        else:
            beside = output.with_name(f".{output.name}.part")
            try:
                with beside.open("wb") as file:
                    rows = exporter.write(OWNER, order, file)
                beside.replace(output)
            finally:
                beside.unlink(missing_ok=True)
    err.print(f"{rows:,} rows.")


def parameters(given: Mapping[str, str | None]) -> dict[str, str]:
    """The options as parameters of NGSI-LD's queries."""
    found = {PARAMETERS[name]: value for name, value in given.items() if value is not None and name != "until"}
    since, until = given["since"], given["until"]
    if since is not None and until is not None:
        return found | {"timerel": "between", "endTimeAt": until}
    if until is not None:
        return found | {"timerel": "before", "timeAt": until}
    return found | {"timerel": "after"} if since is not None else found
