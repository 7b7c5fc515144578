"""The parameters and headers of a request to read, as one closed shape (NGSI-LD 6.3, 6.4.3.2, 6.5.3.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from landbridge.api.http.accept import choose
from landbridge.api.ngsild.fault import InvalidRequest, NoTenant
from landbridge.api.ngsild.operation import Ask, Parameter
from landbridge.api.ngsild.projection import parse_projection, require_apart
from landbridge.api.ngsild.selection import parse_geo
from landbridge.errors import InvalidQuery
from landbridge.model.projection import Projection
from landbridge.model.query import Near, Spatial
from landbridge.model.renderer import Form, Rendering
from landbridge.model.terms import Contexts, Terms
from landbridge.model.value import URI
from landbridge.model.version import Version, preferred_version
from landbridge.pool.pool import Pool

JSON, JSON_LD, GEOJSON = "application/json", "application/ld+json", "application/geo+json"
CONTEXT_REL = "http://www.w3.org/ns/json-ld#context"
LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~-]+\*?\s*(?:=\s*(?:\"[^\"]*\"|[^\s;,\"]+))?)*)")
LINK_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))")
TENANT = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")
FORMS: Mapping[str, Form] = {
    "normalized": "normalized", "concise": "concise", "simplified": "simplified", "keyValues": "simplified",
}  # fmt: skip
FLAG = {"type": "string", "enum": ["true", "false"]}
NUMBER = {"type": "integer", "minimum": 0}
POSITIVE = {"type": "integer", "minimum": 1}
JOINS = ("flat", "inline", "@none")

ATTRS = Parameter("attrs", "Only these attributes, by their names, comma-separated; an entity has one of them.")
OPTIONS = Parameter("options", "Comma-separated: normalized, concise, keyValues or simplified; sysAttrs; count.")
FORMAT = Parameter("format", "The form of the answer.", {"type": "string", "enum": list(FORMS)})
LANG = Parameter("lang", "Languages in the order of preference: language maps become one text.")
GEOMETRY_PROPERTY = Parameter("geometryProperty", "The attribute that is the geometry of a GeoJSON feature.")
SYS_ATTRS = Parameter("sysAttrs", "With createdAt and modifiedAt.", FLAG)
TYPE = Parameter("type", "A type, or an expression of types: ',' or '|' for or, ';' for and, parentheses.")
ID = Parameter("id", "Entities by their ids, comma-separated.")
ID_PATTERN = Parameter("idPattern", "Entities whose id matches this regular expression.")
Q = Parameter("q", "Entities of which this is true (NGSI-LD query language, 4.9).")
EXPAND_VALUES = Parameter("expandValues", "Attributes whose texts in q are terms of the @context.")
GEOREL = Parameter("georel", "How the place lies to the geometry: near;maxDistance==2000, within, intersects, ...")
GEOMETRY = Parameter("geometry", "The kind of the geometry: Point, Polygon, ...")
COORDINATES = Parameter("coordinates", "The geometry's coordinates, as JSON: [longitude,latitude], ...")
GEOPROPERTY = Parameter("geoproperty", "The attribute whose place is asked about. Usually location.")
SCOPE_Q = Parameter("scopeQ", "Entities with such a scope: /a/b, /a/+, /a/#; ',' or '|' for or, ';' for and.")
LIMIT = Parameter("limit", "Entities of a page, 1 to 1000; 0 with a count alone.", NUMBER)
OFFSET = Parameter("offset", "Entities to pass over.", NUMBER)
COUNT = Parameter("count", "With the number of all in the header NGSILD-Results-Count.", FLAG)
AFTER = Parameter("after", "Where the page begins, as the Link header of the page before says.")
BEFORE = Parameter("before", "Where the page ends, as the Link header of the page behind says.")
PICK = Parameter("pick", "Only these members: id, type, scope, attributes; name{member} of what a relationship links.")
OMIT = Parameter("omit", "Without these members, written like pick.")
DATASET_ID = Parameter(
    "datasetId", "Only the instances with these datasetIds, comma-separated; @none: the default one."
)
JOIN = Parameter("join", "How linked entities are shown: inline, flat or not.", {"type": "string", "enum": list(JOINS)})
JOIN_LEVEL = Parameter("joinLevel", "How many relationships are followed, 1 to 10. Usually 1.", POSITIVE)
CONTAINED_BY = Parameter("containedBy", "Ids met already, comma-separated: linked entities that are not shown again.")
LOCAL = Parameter("local", "Only what is here, not what registered sources have.", FLAG)
ENTITY_MAP = Parameter("entityMap", "With the address of an entity map, to page through one set of entities.", FLAG)
LIFETIME = Parameter("entityMapLifetime", "How long the entity map is kept, as an ISO 8601 duration; a day at most.")
JSON_KEYS = Parameter("jsonKeys", "Attributes whose values in q are plain JSON, never terms of the @context.")
CSF = Parameter("csf", "Only registered sources of whose properties this is true (written like q).")
SPLIT = Parameter("splitEntities", "Whether one entity may lie in several sources.", FLAG)
ORDER_BY = Parameter("orderBy", "Sorted by id, type, scope or attributes: name,age;desc,location;dist-asc.")
COLLATION = Parameter(
    "collation", "How texts are sorted: und, de-u-co-phonebk, ... By code point where it is not given."
)
ORDER_FROM = Parameter("orderFrom", "Coordinates of the place from which distances are measured.")
ORDER_GEOMETRY = Parameter("orderGeometry", "The kind of that place's geometry. Usually Point.")

SHOWN = (
    ATTRS, PICK, OMIT, DATASET_ID, OPTIONS, FORMAT, LANG, GEOMETRY_PROPERTY, SYS_ATTRS, JOIN, JOIN_LEVEL, CONTAINED_BY,
    LOCAL, ENTITY_MAP, LIFETIME,
)  # fmt: skip
ASKED = (
    TYPE, ID, ID_PATTERN, Q, GEOREL, GEOMETRY, COORDINATES, GEOPROPERTY, SCOPE_Q, EXPAND_VALUES, JSON_KEYS, CSF, SPLIT,
    ORDER_BY, COLLATION, ORDER_FROM, ORDER_GEOMETRY,
)  # fmt: skip
PAGED = (LIMIT, OFFSET, COUNT, AFTER, BEFORE)
MOST_IDS, MOST_NAMES = 500, 200
NO_ATTRIBUTES = frozenset({"id", "type", "scope", "@id", "@type", "@context"})
LARGEST_PAGE, USUAL_PAGE = 1000, 20


@dataclass(frozen=True)
class Wanted:
    """What a reading request says of the form of its answer."""

    parameters: Mapping[str, str]
    terms: Terms
    tenant: str
    media: str
    rendering: Rendering
    version: Version | None = None  # of NGSI-LD, that the caller prefers


def read_wanted(ask: Ask, contexts: Contexts, pool: Pool, *media: str) -> Wanted:
    """Read the headers and the parameters that say how the answer is to look.

    `media` are the forms that can be given. Raises InvalidRequest for what does not exist here.
    """
    request = ask.request
    chosen = choose(request.headers.get("accept"), media)
    tenant = read_tenant(request, pool)
    terms = contexts.terms(link_context(request), tenant)
    return wanted_of(ask.given, terms, tenant, chosen, request.headers.get("prefer", ""))


def wanted_of(given: Mapping[str, str], terms: Terms, tenant: str, media: str, prefer: str = "") -> Wanted:
    """What the parameters say of the form of the answer."""
    options = [option for option in given.get("options", "").split(",") if option]
    for option in options:
        if option not in FORMS and option not in ("sysAttrs", "count"):
            raise InvalidRequest(f"'{option[:40]}' is no option.", where="options", hint="Use keyValues, sysAttrs ...")
    form = given.get("format") or next((option for option in options if option in FORMS), "normalized")
    if form not in FORMS:
        raise InvalidRequest(f"'{form[:40]}' is no format.", where="format", hint=f"Use {', '.join(FORMS)}.")
    if "geometryProperty" in given and media != GEOJSON:
        raise InvalidQuery("Only a GeoJSON answer has a geometry.", where="geometryProperty", hint=f"Accept {GEOJSON}.")
    rendering = Rendering(
        terms,
        FORMS[form],
        attribute_names(given["attrs"], terms) if "attrs" in given else None,
        "sysAttrs" in options or given.get("sysAttrs") == "true",
        languages(given.get("lang", "")),
        terms.expand(given.get("geometryProperty", "location")),
        media == JSON_LD or (media == GEOJSON and "body=json" not in prefer.replace(" ", "").split(",")),
        *projections(given, terms),
        read_datasets(given["datasetId"]) if "datasetId" in given else None,
    )
    return Wanted(given, terms, tenant, media, rendering, preferred_version(prefer))


def projections(given: Mapping[str, str], terms: Terms) -> tuple[Projection | None, Projection | None]:
    """What `pick` and `omit` say (NGSI-LD 4.21)."""
    for name in ("pick", "omit"):
        if name in given and "attrs" in given:
            raise InvalidQuery(
                f"'{name}' and 'attrs' exclude each other.", where=name, hint="Use pick instead of attrs."
            )
    pick = parse_projection(given["pick"], terms, "pick") if "pick" in given else None
    omit = parse_projection(given["omit"], terms, "omit") if "omit" in given else None
    require_apart(pick, omit)
    return pick, omit


def attribute_names(text: str, terms: Terms) -> tuple[str, ...]:
    """The attributes that `attrs` names, as stored names. Raises InvalidQuery for members that are none."""
    for name in text.split(","):
        if name.strip() in NO_ATTRIBUTES:
            raise InvalidQuery(f"'{name.strip()}' is no attribute.", where="attrs", hint="Use pick for other members.")
    return names(text, terms, "attrs")


def read_datasets(text: str) -> tuple[str, ...]:
    """The datasetIds that are wanted; `@none` is the default instance."""
    found = tuple(dict.fromkeys(text.split(",")))
    for one in found:
        if one != "@none" and not URI.match(one):
            raise InvalidQuery(f"'{one[:80]}' is no datasetId.", where="datasetId", hint="Give URIs, or @none.")
    return found


def read_tenant(request: Request, pool: Pool) -> str:
    """The tenant of the request (NGSI-LD 6.3.14). Raises NoTenant for one that nothing was ever written for."""
    tenant = named_tenant(request)
    if not is_room(request) and not pool.has_tenant(tenant):
        raise NoTenant(f"There is no tenant '{tenant}'.", where="NGSILD-Tenant")
    return tenant


def is_room(request: Request) -> bool:
    """Whether the request is about what a snapshot holds, which is kept like a tenant (see `snapshot`)."""
    return getattr(request.state, "room", None) is not None


def named_tenant(request: Request) -> str:
    """The tenant that the request names, or the room of a snapshot within it."""
    if is_room(request):
        return str(request.state.room)
    tenant = request.headers.get("ngsild-tenant", "")
    if tenant and not TENANT.match(tenant):
        raise InvalidRequest("The tenant's name has letters, digits, '_' and '-' only.", where="NGSILD-Tenant")
    return tenant


def link_context(request: Request) -> str | None:
    """The address of the @context in the Link header (NGSI-LD 6.3.5)."""
    found = []
    for header in request.headers.getlist("link"):
        for address, parameters in LINK.findall(header[:8000]):
            rel = LINK_REL.search(parameters)
            if rel and CONTEXT_REL in (rel.group(1) or rel.group(2) or "").split():
                found.append(address)
    if len(found) > 1:
        raise InvalidRequest("The Link header names two contexts.", where="Link", hint="Name one that lists both.")
    return found[0] if found else None


def names(text: str, terms: Terms, where: str) -> tuple[str, ...]:
    """A list of attribute names, as stored names."""
    given = [name.strip() for name in text.split(",")]
    if len(given) > MOST_NAMES or not all(given):
        raise InvalidQuery(f"A list of 1 to {MOST_NAMES} names is expected.", where=where)
    return tuple(terms.expand(name) for name in given)


def languages(text: str) -> tuple[str, ...]:
    """Language ranges in the order in which they are wanted (NGSI-LD 4.15, RFC 9110 12.5.4)."""
    found = []
    for place, part in enumerate(text.split(",")[:50]):
        tag, _, quality = part.strip().partition(";")
        weight = quality.strip().removeprefix("q=")
        if tag:
            found.append((-(float(weight) if re.fullmatch(r"[01](\.\d{1,3})?", weight) else 1.0), place, tag.strip()))
    return tuple(tag for _, _, tag in sorted(found))


def expanded(given: Mapping[str, Any], terms: Terms) -> frozenset[str]:
    """The attributes whose texts in `q` are terms of the @context: plain JSON never is (NGSI-LD 4.9)."""
    wanted, plain = (
        frozenset(names(given[name], terms, name)) if name in given else frozenset()
        for name in ("expandValues", "jsonKeys")
    )
    return wanted - plain


def read_ids(text: str, where: str = "id") -> tuple[str, ...]:
    ids = tuple(dict.fromkeys(text.split(",")))
    if len(ids) > MOST_IDS:
        raise InvalidQuery(f"At most {MOST_IDS} ids can be asked for at once.", where=where)
    for id_ in ids:
        if not URI.match(id_):
            raise InvalidQuery(f"'{id_[:80]}' is no URI.", where=where)
    return ids


def read_limit(text: str | None, counted: bool) -> int:
    """The size of a page; 0 only where a count is asked for (NGSI-LD 5.5.9, 6.3.13)."""
    if text is None:
        return USUAL_PAGE
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
    if not (0 if counted else 1) <= limit <= LARGEST_PAGE:
        raise InvalidQuery(f"'{text[:20]}' is no size of a page.", where="limit", hint=f"Use 1 to {LARGEST_PAGE}.")
    return limit


def read_geo(given: Mapping[str, str], terms: Terms) -> Near | Spatial | None:
    parts = [name for name in ("georel", "geometry", "coordinates") if name in given]
    if not parts:
        if "geoproperty" in given:
            raise InvalidQuery("The geo-query has no georel.", where="geoproperty")
        return None
    if len(parts) < 3:
        raise InvalidQuery("A geo-query needs georel, geometry and coordinates.", where=parts[0])
    geoproperty = terms.expand(given.get("geoproperty", "location"))
    return parse_geo(given["georel"], given["geometry"], given["coordinates"], geoproperty)


def context_link(terms: Terms) -> str:
    """The Link header that names the @context of an application/json answer."""
    return f'<{terms.address()}>; rel="{CONTEXT_REL}"; type="{JSON_LD}"'
