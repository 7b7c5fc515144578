"""`orderBy`: by what entities are sorted, with `collation`, `orderFrom` and `orderGeometry`. NGSI-LD 4.23.3.

ordering  = term *("," term)
term      = path [";" ("asc" / "desc" / "dist-asc" / "dist-desc")]        a path as in `q`, or id, type or scope
"""

import re
from collections.abc import Mapping
from typing import Any

from landbridge.api.ngsild.filter import Language, parse_path, render_path
from landbridge.api.ngsild.reader import Reader
from landbridge.api.ngsild.selection import parse_coordinates
from landbridge.errors import InvalidQuery
from landbridge.model.collation import parse_collation
from landbridge.model.geometry import check_geometry
from landbridge.model.projection import CORE_MEMBERS
from landbridge.model.query import Order, Path
from landbridge.model.terms import Terms

CORE = re.compile(r"(?:id|type|scope)(?![\w.\[:-])")
DIRECTION = re.compile(r"(?:dist-)?(?:asc|desc)(?![\w-])")
MOST = 10


def parse_ordering(text: str, terms: Terms, origin: Mapping[str, Any] | None) -> tuple[Order, ...]:
    """Read `name,age;desc`, `location;dist-asc`. `origin`: the geometry from which distances are measured."""
    reader = Reader(text, "orderBy")
    found = [one_order(reader, terms, origin)]
    while reader.take(","):
        found.append(one_order(reader, terms, origin))
        if len(found) > MOST:
            reader.wrong(f"Entities are sorted by {MOST} members at most.")
    if not reader.done:
        reader.wrong(f"'{text[reader.at]}' is not expected here.", "Write it like name,age;desc.")
    return tuple(found)


def one_order(reader: Reader, terms: Terms, origin: Mapping[str, Any] | None) -> Order:
    core = reader.match(CORE)
    path = Path(core) if core else parse_path(reader, Language(terms, frozenset()))
    direction = "asc"
    if reader.take(";"):
        direction = reader.match(DIRECTION) or reader.wrong("asc, desc, dist-asc or dist-desc is expected.")
    if not direction.startswith("dist-"):
        return Order(path, direction == "desc")
    if origin is None:
        raise InvalidQuery(
            "An order by distance needs a place.", where="orderFrom", hint="Give its coordinates: orderFrom=[8,40]."
        )
    return Order(path, direction == "dist-desc", origin)


def render_ordering(order: tuple[Order, ...], terms: Terms) -> str:
    """Write an order so that reading it gives the same."""
    return ",".join(
        (term.path.attribute if term.path.attribute in CORE_MEMBERS else render_path(term.path, terms))
        + (";" + "dist-" * (term.origin is not None) + ("desc" if term.descending else "asc"))
        for term in order
    )


def read_ordering(given: Mapping[str, str], terms: Terms) -> tuple[tuple[Order, ...], str | None]:
    """The order that a request asks for, and its collation."""
    collation = given.get("collation")
    if collation is not None:
        parse_collation(collation)
    origin = None
    if "orderFrom" in given:
        geometry = given.get("orderGeometry", "Point")
        origin = {"type": geometry, "coordinates": parse_coordinates(geometry, given["orderFrom"])}
        check_geometry(origin, where="orderFrom", kind=InvalidQuery)
    if "orderBy" not in given:
        for name in ("collation", "orderFrom", "orderGeometry"):
            if name in given:
                raise InvalidQuery("Nothing is to be sorted.", where=name, hint="Give orderBy too.")
        return (), None
    return parse_ordering(given["orderBy"], terms, origin), collation
