"""Questions to history and their answers as JSON, on their way between the serving process and the historian.

Only what the model knows can be said: a closed list of classes, each with its own fields and no others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import orjson

from landbridge.model import query, temporal
from landbridge.model.answer import Point
from landbridge.model.temporal import Bucket, Evolution, Evolutions, Moment, TemporalQuery

CLASS = "@"  # the member that names an object's class
KNOWN: Mapping[str, Any] = {
    kind.__name__: kind
    for kind in (
        query.Has, query.And, query.Or, query.Path, query.Exists, query.Compare, query.Between, query.OneOf,
        query.Linked, query.Near, query.Spatial, query.Scope, query.Order, query.Selector, query.Query,
        temporal.Span, temporal.Period, temporal.Aggregate, temporal.TemporalQuery,
    )
}  # fmt: skip


def write_question(asked: TemporalQuery) -> Any:
    """A question as plain values."""
    return plain(asked)


def read_question(told: Any) -> TemporalQuery:
    """The question that plain values say. Raises ValueError where they say none."""
    found = built(told)
    if not isinstance(found, TemporalQuery):
        raise ValueError("That is no question to history.")
    return found


def plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {CLASS: type(value).__name__} | {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {CLASS: "", "of": dict(value)}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def built(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(built(one) for one in value)
    if not isinstance(value, dict):
        return value
    told = dict(value)
    name = told.pop(CLASS)
    return told["of"] if name == "" else KNOWN[name](**{key: built(one) for key, one in told.items()})


# -- answers


def write_answer(found: Evolutions) -> bytes:
    """A page of evolutions."""
    shown = {
        "found": [write_evolution(one) for one in found.found],
        "next": found.next, "previous": found.previous, "count": found.count,
    }  # fmt: skip
    return orjson.dumps(shown, option=orjson.OPT_NON_STR_KEYS)


def write_evolution(one: Evolution) -> dict[str, Any]:
    return {
        "id": one.id, "types": one.types, "scope": one.scope, "created": one.created, "modified": one.modified,
        "deleted": one.deleted, "cut": one.cut, "kinds": one.kinds,
        "attrs": {name: [tuple(moment) for moment in moments] for name, moments in one.attrs.items()},
        "buckets": {
            name: {method: [tuple(bucket) for bucket in buckets] for method, buckets in methods.items()}
            for name, methods in one.buckets.items()
        },
        "scopes": [tuple(moment) for moment in one.scopes],
    }  # fmt: skip


def read_answer(text: bytes) -> Evolutions:
    told = orjson.loads(text)
    return Evolutions([read_evolution(one) for one in told.pop("found")], **told)


def read_evolution(told: Mapping[str, Any]) -> Evolution:
    return Evolution(
        told["id"], tuple(told["types"]), tuple(told["scope"]), told["created"], told["modified"], told["deleted"],
        {name: moments(found) for name, found in told["attrs"].items()},
        {
            name: {method: [Bucket(*bucket) for bucket in buckets] for method, buckets in methods.items()}
            for name, methods in told["buckets"].items()
        },
        None if told["cut"] is None else (told["cut"][0], told["cut"][1]), moments(told["scopes"]), told["kinds"],
    )  # fmt: skip


def moments(found: Sequence[Sequence[Any]]) -> list[Moment]:
    return [Moment(*one) for one in found]


def write_points(found: Sequence[Point]) -> bytes:
    return orjson.dumps([list(asdict(one).values()) for one in found])


def read_points(text: bytes) -> list[Point]:
    return [Point(*one) for one in orjson.loads(text)]
