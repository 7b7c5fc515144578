"""`pick` and `omit`: which members of entities, and of those linked to them, are shown. NGSI-LD 4.21.

projection = term *(("," / "|") term)
term       = name ["{" projection "}"]        a relationship, and members of the entities that it points at
"""

import re

from landbridge.api.ngsild.reader import Reader
from landbridge.errors import Invalid, InvalidQuery
from landbridge.model.projection import CORE_MEMBERS, Projection
from landbridge.model.terms import Terms

NAME = re.compile(r"[^\s\"'<>=;()\[\]{}|!~,@\x00-\x1f][^\s\"'<>=;()\[\]{}|!~,\x00-\x1f]*")


def parse_projection(text: str, terms: Terms, parameter: str) -> Projection:
    """Read `id,name,locatedAt{name}`. Raises InvalidQuery that says at which character it goes wrong."""
    reader = Reader(text, parameter)
    found = members(reader, terms)
    if not reader.done:
        reader.wrong(f"'{text[reader.at]}' is not expected here.", "Write members like id,name,locatedAt{name}.")
    return found


def members(reader: Reader, terms: Terms) -> Projection:
    found: dict[str, Projection | None] = {}
    while True:
        reader.count_term()
        given = reader.match(NAME)
        if given is None:
            reader.wrong("The name of a member is expected.")
        name = stored(reader, given, terms)
        if name in found:
            reader.wrong(f"'{given[:60]}' is there twice.")
        found[name] = below(reader, terms)
        if not (reader.take(",") or reader.take("|")):
            return Projection(tuple(found.items()))


def below(reader: Reader, terms: Terms) -> Projection | None:
    if not reader.take("{"):
        return None
    reader.enter()
    found = members(reader, terms)
    reader.need("}")
    reader.leave()
    return found


def stored(reader: Reader, name: str, terms: Terms) -> str:
    if name in CORE_MEMBERS:
        return name
    try:
        return terms.expand(name)
    except Invalid as error:
        reader.wrong(error.message)


def render_projection(projection: Projection, terms: Terms) -> str:
    """Write a projection so that reading it gives the same."""
    return ",".join(
        (name if name in CORE_MEMBERS else terms.compact(name))
        + (f"{{{render_projection(inner, terms)}}}" if inner is not None else "")
        for name, inner in projection.members
    )


def require_apart(pick: Projection | None, omit: Projection | None) -> None:
    """Refuse a member that is both picked and omitted."""
    both = pick.whole & omit.whole if pick and omit else frozenset()
    if both:
        raise InvalidQuery(
            f"'{min(both)}' is picked and omitted.", where="omit", hint="Name each member in one of pick and omit."
        )
