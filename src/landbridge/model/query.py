"""The query tree: what any standard's query becomes, and what the store compiles to SQL.

Names of types and attributes are stored names (see `model.terms`). Every node is frozen; text from outside gets
here only through a parser, so the tree is closed and nothing in it is evaluated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "~=", "!~="]
Relation = Literal["near", "within", "contains", "intersects", "overlaps", "disjoint", "equals"]
Scalar = str | float | int | bool


@dataclass(frozen=True)
class Has:
    """One of these types. As a tree leaf of `Query.types`."""

    type: str


@dataclass(frozen=True)
class And:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Or:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Path:
    """Where a condition looks: attribute, then sub-attributes or metadata, then keys inside the value.

    `subs`: stored names of sub-attributes, or a member such as observedAt, unitCode, datasetId, createdAt, modifiedAt.
    `keys`: keys inside a compound value (`address[city]`), also a language tag.
    """

    attribute: str
    subs: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exists:
    path: Path


@dataclass(frozen=True)
class Compare:
    path: Path
    operator: Comparison
    value: Scalar


@dataclass(frozen=True)
class Between:
    path: Path
    low: Scalar
    high: Scalar
    negated: bool = False


@dataclass(frozen=True)
class OneOf:
    path: Path
    values: tuple["Scalar | tuple[Scalar, Scalar]", ...]
    negated: bool = False


@dataclass(frozen=True)
class Linked:
    """A condition that an entity meets at which a relationship points (NGSI-LD 4.9, `sensor{Device:humidity}>40`).

    `types`: the entity is of one of them (none: of any).
    """

    relationship: str
    types: tuple[str, ...]
    term: "Exists | Compare | Between | OneOf | Linked"


Leaf = Exists | Compare | Between | OneOf | Linked
Node = Has | And | Or | Leaf


@dataclass(frozen=True)
class Near:
    """Distance bounds in metres around a geometry."""

    geometry: Mapping[str, Any]
    at_most: float | None = None
    at_least: float | None = None
    geoproperty: str = "location"


@dataclass(frozen=True)
class Spatial:
    relation: Relation
    geometry: Mapping[str, Any]
    geoproperty: str = "location"


@dataclass(frozen=True)
class Scope:
    """A scope expression: alternatives of conjunctions of patterns (`/a/b`, `/a/+`, `/a/#`)."""

    alternatives: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Order:
    """What to sort by (NGSI-LD 4.23). `origin`: by the distance from this geometry, and only then by value."""

    path: Path
    descending: bool = False
    origin: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Selector:
    """Entities of these types, with one of these ids, or whose id matches the pattern (NGSI-LD 5.2.33)."""

    types: "Has | And | Or | None" = None
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None


@dataclass(frozen=True)
class Query:
    """A question to the pool. Everything given must hold; `attrs` asks for one of them to be present.

    `selectors`: one of them selects the entity. A page begins at the start, past `offset` entities, `after` the cursor
    of a page before, or ends `before` that of a page behind. `local`, `csf` and `split` are for pools that ask others.
    """

    tenant: str = ""
    types: Has | And | Or | None = None
    ids: tuple[str, ...] = ()
    id_pattern: str | None = None
    attrs: tuple[str, ...] = ()
    where: Node | None = None
    geo: Near | Spatial | None = None
    scope: Scope | None = None
    order: tuple[Order, ...] = ()
    limit: int = 20
    after: str | None = None  # the `next` of the page before
    count: bool = False
    selectors: tuple[Selector, ...] = ()
    collation: str | None = None  # how texts are ordered, as BCP 47 says; None: by code point
    offset: int = 0
    before: str | None = None  # the `previous` of the page behind
    local: bool = False
    csf: Node | None = None
    split: bool | None = None


def attributes_of(node: Node | None) -> frozenset[str]:
    """The attributes of the entity itself that a tree asks about."""
    match node:
        case And(parts) | Or(parts):
            return frozenset().union(*(attributes_of(part) for part in parts))
        case Linked(relationship):
            return frozenset({relationship})
        case Exists(path) | Compare(path) | Between(path) | OneOf(path):
            return frozenset({path.attribute})
        case _:
            return frozenset()


def depth_of(node: Node | None) -> int:
    """How many relationships a tree follows."""
    match node:
        case And(parts) | Or(parts):
            return max((depth_of(part) for part in parts), default=0)
        case Linked(term=term):
            return 1 + depth_of(term)
        case _:
            return 0
