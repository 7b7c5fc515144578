"""What the map shows: the layers of a city, and their features as GeoJSON with a name, one value, unit and time.

An entity without a place of its own stands where its `refArea` lies; its feature then names that area, so that
the area itself can take the value's colour.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from starlette.responses import Response

from landbridge.console.figure import default_instance, figure, is_number, observed
from landbridge.console.moment import absolute
from landbridge.console.naming import AREA_LINK, area_of, documents_by_id, names_of
from landbridge.console.outline import AREA, location_of, middle
from landbridge.console.page import Visit, packed
from landbridge.console.unit import symbol
from landbridge.errors import InvalidQuery
from landbridge.model.answer import Document, TypeSummary
from landbridge.model.query import Has, Query, Spatial

PREFERRED = ("pm25", "airQualityIndex", "aqi", "confirmedCases", "temperature", "availableSpotNumber", "waterLevel")
SAMPLE = 40  # entities looked at to learn which attributes are numbers
MOST = 10_000  # features of one answer
PAGE = 500
IDS = 200  # ids of one question for changed entities


@dataclass(frozen=True)
class Measure:
    """A numeric attribute that can colour a layer."""

    name: str
    label: str
    unit: str


@dataclass(frozen=True)
class Layer:
    """One type on the map."""

    type: str
    label: str
    count: int
    located: bool
    measures: tuple[Measure, ...]
    ground: bool


def layers(visit: Visit) -> list[Layer]:
    """The types of the city: those with measures first, the ground last; in one order whatever the language."""
    found = [layer(visit, summary) for summary in visit.reading.types(visit.actor, tenant=visit.tenant)]
    return sorted(found, key=lambda layer: (layer.ground, not layer.measures, layer.type))


def layer(visit: Visit, summary: TypeSummary) -> Layer:
    placed = summary.located or AREA_LINK in summary.attributes
    measures = measures_of(visit, summary) if placed else ()
    label = visit.language.term(summary.type)
    return Layer(summary.type, label, summary.entities, placed, measures, summary.type == AREA)


def measures_of(visit: Visit, summary: TypeSummary) -> tuple[Measure, ...]:
    """Which attributes of a type are numbers, learnt from some of its entities."""
    page = visit.reading.query(visit.actor, Query(tenant=visit.tenant, types=Has(summary.type), limit=SAMPLE))
    units: dict[str, str] = {}
    seen: set[str] = set()
    for document in page.documents:
        note_numbers(document, units, seen)
    for rare in [name for name in summary.attributes if name not in seen][:20]:
        query = Query(tenant=visit.tenant, types=Has(summary.type), attrs=(rare,), limit=1)
        for document in visit.reading.query(visit.actor, query).documents:
            note_numbers(document, units, seen)
    ordered = sorted(units, key=lambda name: (PREFERRED.index(name) if name in PREFERRED else 99, name))
    return tuple(Measure(name, visit.language.term(name), units[name]) for name in ordered)


def note_numbers(document: Document, units: dict[str, str], seen: set[str]) -> None:
    for name, instances in document["attrs"].items():
        seen.add(name)
        if instances and is_number(instances[0].get("value")):
            units.setdefault(name, symbol(instances[0].get("unitCode")))


def main_value(document: Document) -> str | None:
    """The attribute that says most about an entity: a preferred one, else its first number."""
    numeric = [name for name, found in document["attrs"].items() if found and is_number(found[0].get("value"))]
    return next((name for name in PREFERRED if name in numeric), numeric[0] if numeric else None)


def features(visit: Visit, documents: Sequence[Document], value: str | None) -> list[dict[str, Any]]:
    """Entities as GeoJSON features; those without a place are left out."""
    names = names_of(visit, documents)
    unplaced = [area for d in documents if location_of(d) is None and (area := area_of(d))]
    around = {id: location_of(area) for id, area in documents_by_id(visit, unplaced).items()}
    middles = {id: middle(shape) for id, shape in around.items() if shape}
    found = []
    for document in documents:
        geometry: Mapping[str, Any] | None = location_of(document)
        area = area_of(document) if geometry is None else None
        if geometry is None and (at := middles.get(area or "")):
            geometry = {"type": "Point", "coordinates": [round(part, 6) for part in at]}
        if geometry:
            told = {"id": document["id"], "type": document["type"][0], "name": names[document["id"]], "area": area}
            shown = value if value in document["attrs"] else main_value(document)
            more = value_properties(visit, document, shown) if shown else {}
            found.append({"type": "Feature", "geometry": geometry, "properties": told | more})
    return found


def value_properties(visit: Visit, document: Document, attribute: str) -> dict[str, Any]:
    instance = default_instance(document, attribute) or {}
    shown = figure(instance, visit.language)
    time = observed(instance)
    return {
        "attribute": attribute,
        "label": visit.language.term(attribute),
        "value": shown.number,
        "text": shown.text,
        "unit": shown.unit,
        "time": absolute(time, visit.console.zone) if time is not None else None,
    }


def box_query(text: str) -> Spatial | None:
    """Read `west,south,east,north` in degrees; raises InvalidQuery for anything else."""
    if not text:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise InvalidQuery(
            "The bbox is not four numbers.", where="bbox", hint="Write west,south,east,north in degrees."
        ) from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InvalidQuery("The bbox does not lie on the globe.", where="bbox", hint="Write west,south,east,north.")
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return Spatial("intersects", {"type": "Polygon", "coordinates": [corners]})


def documents_of(visit: Visit, query: Query, most: int) -> Iterator[Document]:
    """All entities that a query finds, page by page, up to `most`."""
    after, left = query.after, most
    while left > 0:
        page = visit.reading.query(visit.actor, with_page(query, after, min(PAGE, left)))
        yield from page.documents
        after, left = page.next, left - len(page.documents)
        if after is None:
            return


def with_page(query: Query, after: str | None, limit: int) -> Query:
    return Query(**{**vars_of(query), "after": after, "limit": limit})


def vars_of(query: Query) -> dict[str, Any]:
    return {name: getattr(query, name) for name in query.__dataclass_fields__}


def map_features(visit: Visit) -> Response:
    """GET /console/map.geojson: features of a `type` (or some `id`s), within a `bbox`, with a `value` to colour by."""
    ids = tuple(visit.request.query_params.getlist("id"))[:IDS]
    types = visit.request.query_params.getlist("type")
    if not types and not ids:
        raise InvalidQuery("Neither type nor id is given.", hint="Add ?type=AirQualityObserved, for instance.")
    value = visit.asked("value") or None
    found: list[dict[str, Any]] = []
    for type in types or [""]:
        query = Query(
            tenant=visit.tenant, types=Has(type) if type else None, ids=ids, geo=box_query(visit.asked("bbox"))
        )
        found += features(visit, list(documents_of(visit, query, MOST + 1)), value)
    collection = {
        "type": "FeatureCollection",
        "version": visit.reading.version(),
        "more": len(found) > MOST,
        "features": found[:MOST],
    }
    return packed(visit.request, orjson.dumps(collection).decode(), media_type="application/geo+json")


def layer_facts(found: list[Layer]) -> str:
    """The layers as JSON for the map's script."""
    return orjson.dumps([asdict(layer) for layer in found]).decode()
