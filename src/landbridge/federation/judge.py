"""Whether a registration is what a client looks for: the conditions of `q` and `csf` on its own properties, place,
scope and times. NGSI-LD 4.9, 4.10, 4.19, 4.11 and 5.12, over one document in memory.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson
import shapely

from landbridge.errors import Invalid
from landbridge.federation.pattern import matches
from landbridge.federation.registration import INTERVALS
from landbridge.model.geometry import distance, geometry_text, relates
from landbridge.model.instant import parse_instant
from landbridge.model.query import And, Between, Compare, Exists, Near, Node, OneOf, Or, Path, Scalar, Scope, Spatial

Body = Mapping[str, Any]


class Moments(NamedTuple):
    """A temporal query (NGSI-LD 4.11): `relation` to `at` (and `until`), of the interval of `property`."""

    relation: Literal["before", "after", "between"]
    at: int
    until: int | None
    property: str


# -- conditions on properties


def holds(node: Node, body: Body) -> bool:
    """Whether a condition holds for a registration's properties."""
    match node:
        case And(parts):
            return all(holds(part, body) for part in parts)
        case Or(parts):
            return any(holds(part, body) for part in parts)
        case Exists(path):
            return bool(values(path, body))
        case Compare(path, operator, value):
            found = values(path, body)
            if operator in ("!=", "!~="):
                return bool(found) and not any(compared(one, positive(operator), value) for one in found)
            return any(compared(one, operator, value) for one in found)
        case Between(path, low, high, negated):
            found = values(path, body)
            return bool(found) and any(within(one, low, high) for one in found) is not negated
        case OneOf(path, options, negated):
            found = values(path, body)
            return bool(found) and any(is_one(one, options) for one in found) is not negated
        case _:
            return False


def positive(operator: str) -> str:
    return "==" if operator == "!=" else "~="


def values(path: Path, body: Body) -> list[Any]:
    """The values that a path leads to: a bare member, a Property's value or a Relationship's object."""
    found: Any = body.get(path.attribute)
    for name in path.subs:
        found = found.get(name) if isinstance(found, Mapping) else None
    found = bare(found)
    for key in path.keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    if found is None:
        return []
    return list(found) if isinstance(found, list) else [found]


def bare(given: Any) -> Any:
    if isinstance(given, Mapping):
        return next((given[member] for member in ("value", "object", "vocab", "json") if member in given), given)
    return given


def compared(one: Any, operator: Any, value: Scalar) -> bool:
    if operator == "~=":
        return isinstance(one, str) and matches(str(value), one)
    if operator == "==":
        return bool(one == value) and isinstance(one, bool) == isinstance(value, bool)
    if isinstance(one, bool) or isinstance(value, bool) or isinstance(one, str) != isinstance(value, str):
        return False
    if not isinstance(one, str | int | float):
        return False  # an object is neither more nor less than anything
    return ORDERED[operator](one, value)


ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: bool(one < other),
    "<=": lambda one, other: bool(one <= other),
    ">": lambda one, other: bool(one > other),
    ">=": lambda one, other: bool(one >= other),
}


def within(one: Any, low: Scalar, high: Scalar) -> bool:
    return compared(one, ">=", low) and compared(one, "<=", high)


def is_one(one: Any, options: Sequence[Scalar | tuple[Scalar, Scalar]]) -> bool:
    return any(within(one, *option) if isinstance(option, tuple) else compared(one, "==", option) for option in options)


# -- place, scope, time


def lies(geo: Near | Spatial, body: Body) -> bool:
    """Whether the registration's place lies so to a geometry; one that names no place does not."""
    place = bare(body.get(geo.geoproperty))
    if not isinstance(place, Mapping):
        return False
    shape, reference = shapely.from_geojson(orjson.dumps(place)), geometry_text(geo.geometry)
    if isinstance(geo, Spatial):
        return relates(geo.relation, shape, reference)
    metres = distance(shape, reference)
    return (geo.at_most is None or metres <= geo.at_most) and (geo.at_least is None or metres >= geo.at_least)


def in_scope(scope: Scope, body: Body) -> bool:
    given = body.get("scope", ())
    own = [given] if isinstance(given, str) else given
    return any(all(any(covers(pattern, one) for one in own) for pattern in all_) for all_ in scope.alternatives)


def covers(pattern: str, scope: str) -> bool:
    """Whether a scope fits a pattern: `+` is any one step, `#` at the end anything that follows."""
    wanted, steps = pattern.split("/")[1:], scope.split("/")[1:]
    if wanted and wanted[-1] == "#":
        wanted = wanted[:-1]
        if len(steps) < len(wanted):
            return False
        steps = steps[: len(wanted)]
    return len(steps) == len(wanted) and all(own == "+" or own == step for own, step in zip(wanted, steps, strict=True))


def in_time(moments: Moments | None, body: Body) -> bool:
    """Whether the source offers something of these times; without a question, whether it offers what is now."""
    if moments is None:
        return not any(name in body for name in INTERVALS)
    interval = body.get("observationInterval" if moments.property == "observedAt" else "managementInterval")
    if interval is None:
        return False
    start = parse_instant(interval["startAt"])
    end = parse_instant(interval["endAt"]) if "endAt" in interval else None
    if moments.relation == "before":
        return start < moments.at
    if moments.relation == "after":
        return end is None or end > moments.at
    return start < (moments.until or moments.at) and (end is None or end > moments.at)


def read_moments(relation: str, at: str, until: str | None, property_: str) -> Moments:
    """Read a temporal query. Raises Invalid with what is wrong (NGSI-LD 4.11)."""
    if relation not in ("before", "after", "between"):
        raise Invalid(f"'{relation[:40]}' is no relation in time.", where="timerel", hint="before, after or between.")
    if property_ not in ("observedAt", "createdAt", "modifiedAt", "deletedAt"):
        raise Invalid(f"'{property_[:40]}' is no time of an attribute.", where="timeproperty", hint="Use observedAt.")
    if (relation == "between") != (until is not None):
        raise Invalid("'between' has an end, the others have none.", where="endTimeAt")
    first, last = parse_instant(at), None if until is None else parse_instant(until)
    if last is not None and last <= first:
        raise Invalid("The time ends before it begins.", where="endTimeAt")
    return Moments(relation, first, last, property_)  # type: ignore[arg-type] # one of its literals
