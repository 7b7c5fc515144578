"""The start page: the map of everything, and a list that says the same without it."""

from starlette.responses import Response

from landbridge.console.entity import card_view
from landbridge.console.mapdata import PREFERRED, Layer, documents_of, features, layer_facts, layers
from landbridge.console.naming import names_of
from landbridge.console.outline import areas, drawn, middle
from landbridge.console.page import Visit
from landbridge.model.query import Has, Query

LISTED = 60  # entities of a type in the list beside the map
DRAWN = 400  # dots of a type in the drawing that needs no script


def overview(visit: Visit) -> Response:
    """GET /: map, layers, legend, list."""
    found = layers(visit)
    shown = chosen(visit, found)
    spots, lists = [], {}
    for layer in found:
        if layer.ground or not layer.located:
            continue
        documents = list(documents_of(visit, Query(tenant=visit.tenant, types=Has(layer.type)), DRAWN))
        names = names_of(visit, documents[:LISTED])
        lists[layer.type] = list(names.items())
        for one in features(visit, documents, None) if layer.type in shown else ():
            if at := middle(one["geometry"]):
                spots.append((at, one["properties"]["id"], layer.type, one["properties"]["name"]))
    ground = areas(visit.reading, visit.actor, visit.tenant)
    colour_type, _, colour = visit.asked("colour", first_colour(found)).rpartition("|")
    return visit.page(
        "map.html.j2",
        layers=found,
        shown=shown,
        lists=lists,
        facts=layer_facts(found),
        drawing=drawn(ground, spots),
        ground=list(names_of(visit, ground).items()),
        colour_type=colour_type,
        colour=colour,
        card=card_view(visit, visit.asked("entity")) if visit.asked("entity") else None,
        version=visit.reading.version(),
        screen="map",
    )


def first_colour(found: list[Layer]) -> str:
    """What the map is coloured by until someone chooses: the best known measure of the city, else nothing."""
    known = [(PREFERRED.index(m.name), f"{layer.type}|{m.name}") for layer in found for m in layer.measures
             if m.name in PREFERRED and not layer.ground]  # fmt: skip
    return min(known)[1] if known else ""


def chosen(visit: Visit, found: list[Layer]) -> set[str]:
    """Which layers are on: those the address names, else all."""
    asked = visit.request.query_params.getlist("type")
    return set(asked) if asked else {layer.type for layer in found if layer.located}
