"""From the parameters of a request to the question that the pool is asked (NGSI-LD 5.7.1, 5.7.2, 6.4.3.2).

The Query data type (5.2.23) of a POST request has become the same parameters before (see `query_body`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.filter import parse_q
from landbridge.api.ngsild.ordering import read_ordering
from landbridge.api.ngsild.parameter import JOINS, Wanted, expanded, read_geo, read_ids, read_limit
from landbridge.api.ngsild.selection import parse_scopes, parse_types
from landbridge.errors import InvalidQuery, TooMuch
from landbridge.model.entity import SYSTEM
from landbridge.model.query import And, Has, Node, Or, Query, Selector, attributes_of, depth_of

DEEPEST_JOIN = 10
LARGEST_OFFSET = 10_000_000
DURATION = re.compile(
    r"P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?"
    r"(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,6})?)S)?)?\Z",
    re.ASCII,
)
SECONDS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)
EVERY_TYPE = "*"


@dataclass(frozen=True)
class Join:
    """How the entities are shown that others point at: in their place, or behind them (NGSI-LD 4.5.23)."""

    form: Literal["inline", "flat"]
    levels: int
    met: frozenset[str] = frozenset()


def read_query(wanted: Wanted, selectors: tuple[Selector, ...] = ()) -> Query:
    """The parameters that choose entities. Raises InvalidQuery, also for a question that is too wide."""
    given, terms = wanted.parameters, wanted.terms
    counted = given.get("count") == "true" or "count" in given.get("options", "").split(",")
    types, everything = read_types(wanted)
    order, collation = read_ordering(given, terms)
    query = Query(
        tenant=wanted.tenant,
        types=types,
        ids=read_ids(given["id"]) if "id" in given else (),
        id_pattern=None if "id" in given else given.get("idPattern"),
        attrs=tuple(wanted.rendering.attrs or ()),
        where=parse_q(given["q"], terms, expanded(given, terms)) if "q" in given else None,
        geo=read_geo(given, terms),
        scope=parse_scopes(given["scopeQ"]) if "scopeQ" in given else None,
        order=order,
        limit=read_limit(given.get("limit"), counted),
        after=given.get("after"),
        count=counted,
        selectors=selectors,
        collation=collation,
        offset=read_offset(given.get("offset")),
        before=given.get("before"),
        local=everything or given.get("local") == "true",
        csf=parse_q(given["csf"], terms) if "csf" in given else None,
        split={"true": True, "false": False}.get(given.get("splitEntities", "")),
    )
    if everything and given.get("local") == "false":
        raise InvalidQuery("Every type can be asked for here alone.", where="local", hint="Leave local out, or true.")
    require_narrow(query)
    return query


def read_types(wanted: Wanted) -> tuple[Has | And | Or | None, bool]:
    """The types asked for, and whether that is every type (NGSI-LD 6.4.3.2, `type=*`)."""
    text = wanted.parameters.get("type")
    if text is None or text == EVERY_TYPE:
        return None, text == EVERY_TYPE
    return parse_types(text, wanted.terms), False


def require_narrow(query: Query) -> None:
    """Refuse a question that says neither type, attribute, place nor that it is local (NGSI-LD 5.7.2.4)."""
    attributes = attributes_of(query.where) | {*query.attrs}
    narrow = query.types is not None or query.selectors or query.geo is not None or attributes - SYSTEM
    if not narrow and not query.local:
        raise InvalidQuery(
            "The query is too wide.",
            hint="Give type, attrs, q or georel with a name that is not a system's, or local=true.",
        )


def read_offset(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= LARGEST_OFFSET):
        raise InvalidQuery(
            f"'{text[:20]}' is no number to pass over.", where="offset", hint=f"Use 0 to {LARGEST_OFFSET}, or the Link."
        )
    return int(text)


def read_join(wanted: Wanted, where: Node | None = None) -> Join | None:
    """How linked entities are wanted; what is picked, omitted or asked of them needs it (NGSI-LD 5.7.1.4, 5.7.2.4)."""
    given = wanted.parameters
    form = given.get("join", "@none")
    if form not in JOINS:
        raise InvalidQuery(f"'{form[:40]}' is no way to join.", where="join", hint=f"Use {', '.join(JOINS)}.")
    level = read_level(given.get("joinLevel"))
    allowed = 0 if form == "@none" else level
    pick, omit = wanted.rendering.pick, wanted.rendering.omit
    for name, depth in (
        ("pick", pick.depth if pick else 0),
        ("omit", omit.depth if omit else 0),
        ("q", depth_of(where)),
    ):
        if depth > allowed:
            raise InvalidQuery(
                f"It follows {depth} relationships, and {allowed} are joined.",
                where=name,
                hint="Give join=inline or join=flat, and a joinLevel that is deep enough.",
            )
    met = frozenset(read_ids(given["containedBy"], "containedBy")) if "containedBy" in given else frozenset()
    if allowed:
        return Join(form, level, met)  # type: ignore[arg-type] # it is inline or flat
    for name in ("joinLevel", "containedBy"):
        if name in given:
            raise InvalidQuery("Nothing is joined.", where=name, hint="Give join=inline or join=flat too.")
    return None


def read_level(text: str | None) -> int:
    if text is None:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) > 0):
        raise InvalidQuery(f"'{text[:20]}' is no depth.", where="joinLevel", hint=f"Use 1 to {DEEPEST_JOIN}.")
    if int(text) > DEEPEST_JOIN:
        raise TooMuch(f"Relationships are followed {DEEPEST_JOIN} deep at most.", where="joinLevel")
    return int(text)


def read_lifetime(given: Mapping[str, str]) -> int | None:
    """How long an entity map is wanted, in microseconds; None where nothing is said."""
    text = given.get("entityMapLifetime")
    if text is None:
        return None
    found = DURATION.match(text)
    if found is None or not any(found.groups()) or text.endswith("T"):
        raise InvalidQuery(f"'{text[:40]}' is no duration.", where="entityMapLifetime", hint="Write it like PT1H.")
    seconds = sum(float(part) * each for part, each in zip(found.groups(), SECONDS, strict=True) if part)
    return int(seconds * 1_000_000)


def mapped(query: Query) -> Query:
    """The question to a map: its pages are counted off, in its own order."""
    if query.after is not None or query.before is not None:
        raise InvalidRequest("Pages of an entity map are counted off.", where="after", hint="Use offset.")
    return replace(query, order=())
