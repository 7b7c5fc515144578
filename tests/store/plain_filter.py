"""The meaning of a query, said a second time in plain Python: what the store's answers are compared with.

Nothing of the store's compiler is used here; NGSI-LD 4.9, 4.10, 4.17, 4.19 and 4.23 are read anew.
"""

import math
import re
from datetime import datetime
from typing import Any

from shapely.geometry import shape

from landbridge.model.collation import parse_collation
from landbridge.model.core_context import full_name
from landbridge.model.query import And, Between, Compare, Exists, Has, Linked, Near, OneOf, Or, Query, Spatial

MISSING = object()
VALUE = {
    "Property": "value", "GeoProperty": "value", "Relationship": "object", "VocabProperty": "vocab",
    "JsonProperty": "json", "ListProperty": "valueList",
}  # fmt: skip


def answer(query: Query, entities: list[dict[str, Any]]) -> list[str]:
    """The ids in the order that the store must give; entities come in the order of their keys."""
    city = {entity["id"]: entity for entity in entities}
    found = [entity for entity in entities if matches(query, entity, city)]
    keys = []
    for order in query.order:
        if order.origin is not None:
            keys.append((order.descending, lambda entity, order=order: metres_key(order, entity)))
        descending = order.descending and order.origin is None
        keys.append((descending, lambda entity, order=order: collated(sort_key(order.path, entity), query.collation)))
    for descending, key in reversed(keys):
        known = sorted((entity for entity in found if key(entity) is not None), key=key)
        unknown = [entity for entity in found if key(entity) is None]
        found = (stable_reverse(known, key) if descending else known) + unknown
    return [entity["id"] for entity in found][query.offset :]


def metres_key(order: Any, entity: dict[str, Any]) -> float | None:
    first = next((one for one in entity["attrs"].get(order.path.attribute, []) if one["type"] == "GeoProperty"), None)
    if first is None or order.path.subs or order.path.keys:
        return None
    return round(metres(shape(first["value"]), shape(order.origin)), 6)


def collated(key: Any, collation: str | None) -> Any:
    if key is None or collation is None or key[0] != 1:
        return key
    text = key[1].decode() if isinstance(key[1], bytes) else key[1]
    return (1, parse_collation(collation).key(text))


def stable_reverse(known: list[dict[str, Any]], key: Any) -> list[dict[str, Any]]:
    groups: list[list[dict[str, Any]]] = []
    for entity in known:
        if groups and key(groups[-1][0]) == key(entity):
            groups[-1].append(entity)
        else:
            groups.append([entity])
    return [entity for group in reversed(groups) for entity in group]


def sort_key(path: Any, entity: dict[str, Any]) -> Any:
    if path.attribute == "id":
        return (1, entity["id"])
    if path.attribute == "type":
        return (1, entity["type"][0])
    values = list(targets(path, entity))
    if not values or values[0] is None:
        return None
    value = values[0].value if isinstance(values[0], Pointing) else values[0]
    if path.subs and path.subs[-1] == "observedAt":
        return (0, moment(value))
    if isinstance(value, list):
        return (3, 0)
    if isinstance(value, bool):
        return (4, value)
    if isinstance(value, dict):
        return (2, 0)
    return (0, value) if isinstance(value, int | float) else (1, value.encode())


def matches(query: Query, entity: dict[str, Any], city: dict[str, dict[str, Any]]) -> bool:
    return (
        (query.types is None or node(query.types, entity, city))
        and (not query.ids or entity["id"] in query.ids)
        and (query.id_pattern is None or re.search(query.id_pattern, entity["id"]) is not None)
        and (not query.attrs or any(name in entity["attrs"] for name in query.attrs))
        and (query.where is None or node(query.where, entity, city))
        and (query.scope is None or scope(query.scope, entity.get("scope", [])))
        and (query.geo is None or geo(query.geo, entity))
        and (not query.selectors or any(selects(selector, entity, city) for selector in query.selectors))
    )


def selects(selector: Any, entity: dict[str, Any], city: dict[str, dict[str, Any]]) -> bool:
    return (
        (selector.types is None or node(selector.types, entity, city))
        and (not selector.ids or entity["id"] in selector.ids)
        and (selector.id_pattern is None or re.search(selector.id_pattern, entity["id"]) is not None)
    )


def node(tree: Any, entity: dict[str, Any], city: dict[str, dict[str, Any]]) -> bool:
    if isinstance(tree, Has):
        return tree.type in entity["type"]
    if isinstance(tree, And):
        return all(node(part, entity, city) for part in tree.parts)
    if isinstance(tree, Or):
        return any(node(part, entity, city) for part in tree.parts)
    if isinstance(tree, Exists):
        return any(True for _ in targets(tree.path, entity))
    if isinstance(tree, Linked):
        return any(
            (not tree.types or set(tree.types) & set(city[id_]["type"])) and node(tree.term, city[id_], city)
            for id_ in pointed_at(entity["attrs"].get(tree.relationship, []))
            if id_ in city
        )
    return any(compare(tree, value) for value in targets(tree.path, entity))


def pointed_at(instances: list[dict[str, Any]]) -> Any:
    for instance in instances:
        if instance["type"] == "Relationship":
            yield from instance["object"] if isinstance(instance["object"], list) else [instance["object"]]
        if instance["type"] == "ListRelationship":
            yield from (one["object"] for one in instance["objectList"])


class Many(list[Any]):
    """The values of several languages, or the objects of a list of relationships: a list that is none in JSON."""


class Pointing:
    """The value of a relationship: only == and != can be asked of it."""

    def __init__(self, value: Any) -> None:
        self.value = value


def targets(path: Any, entity: dict[str, Any]) -> Any:
    """The target value of each instance that has one."""
    instances = entity["attrs"].get(path.attribute, [])
    subs = list(path.subs)
    meta = subs.pop() if subs and subs[-1] in ("observedAt", "unitCode", "datasetId") else None
    for sub in subs:
        instances = [
            deeper
            for instance in instances
            if sub in instance
            for deeper in (instance[sub] if isinstance(instance[sub], list) else [instance[sub]])
        ]
    for instance in instances:
        if meta:
            if meta in instance:
                yield instance[meta]
            continue
        value = target(instance, path.keys)
        if value is not MISSING:
            yield value


def target(instance: dict[str, Any], keys: tuple[str, ...]) -> Any:
    kind = instance["type"]
    if kind == "LanguageProperty":
        languages = instance["languageMap"]
        if keys in ((), ("*",)):
            return Many(
                text for value in languages.values() for text in (value if isinstance(value, list) else [value])
            )
        return languages.get(keys[0], MISSING) if len(keys) == 1 else MISSING
    if kind in ("Relationship", "ListRelationship"):
        if keys:
            return MISSING
        return Pointing(
            instance["object"] if kind == "Relationship" else Many(each["object"] for each in instance["objectList"])
        )
    value = instance[VALUE[kind]]
    if kind == "VocabProperty" and not keys:
        return [full_name(word) for word in value] if isinstance(value, list) else full_name(value)
    if keys and kind not in ("Property", "GeoProperty", "JsonProperty"):
        return MISSING
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    if not keys and kind == "Property" and isinstance(value, dict) and "@value" in value:
        return value["@value"]
    return value


def compare(leaf: Any, value: Any) -> bool:
    equality = not isinstance(leaf, Compare) or leaf.operator in ("==", "!=")
    if isinstance(value, Pointing):
        if not equality:
            return False
        value = value.value
    elements = value if isinstance(value, list) else [value]
    if isinstance(leaf, Between):
        return any(between(each, leaf.low, leaf.high) for each in elements) != leaf.negated
    if isinstance(leaf, OneOf):
        return any(one_of(each, leaf.values) for each in elements) != leaf.negated
    if leaf.operator == "!=":
        return not any(holds("==", each, leaf.value) for each in elements)
    if leaf.operator in ("~=", "!~="):
        texts = [each for each in elements if isinstance(each, str)]
        hit = any(re.search(leaf.value, text) for text in texts)
        return hit if leaf.operator == "~=" else bool(texts) and not hit
    return any(holds(leaf.operator, each, leaf.value) for each in elements)


def one_of(element: Any, values: Any) -> bool:
    return any(
        between(element, *value) if isinstance(value, tuple) else holds("==", element, value) for value in values
    )


def between(element: Any, low: Any, high: Any) -> bool:
    both = kind_of(low) == kind_of(high) != "boolean"  # a range is of numbers or of texts (4.9, ComparableValue)
    if both and moment(low) is not None and moment(high) is not None and moment(element) is not None:
        return bool(moment(low) <= moment(element) <= moment(high))
    return both and kind_of(element) == kind_of(low) and plain(">=", element, low) and plain("<=", element, high)


def holds(operator: str, element: Any, value: Any) -> bool:
    if kind_of(element) != kind_of(value) or kind_of(value) == "other":
        return False
    if isinstance(value, bool):
        return operator == "==" and element == value
    if moment(value) is not None and moment(element) is not None:
        return plain(operator, moment(element), moment(value))
    return plain(operator, element, value)


def plain(operator: str, left: Any, right: Any) -> bool:
    if isinstance(left, str):
        left, right = left.encode(), right.encode()
    return bool(
        {"==": left == right, "<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]
    )


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"


def moment(value: Any) -> float | None:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$", value):
        return None
    return datetime.fromisoformat(value).timestamp()


def scope(asked: Any, scopes: list[str]) -> bool:
    return any(
        all(any(in_scope(pattern, each) for each in scopes) for pattern in every) for every in asked.alternatives
    )


def in_scope(pattern: str, given: str) -> bool:
    wanted, levels = pattern[1:].split("/"), given[1:].split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(one in ("+", other) for one, other in zip(wanted, levels, strict=True))


def geo(asked: Near | Spatial, entity: dict[str, Any]) -> bool:
    shapes = [
        shape(each["value"]) for each in entity["attrs"].get(asked.geoproperty, []) if each["type"] == "GeoProperty"
    ]
    reference = shape(asked.geometry)
    if isinstance(asked, Spatial):
        return any(getattr(each, asked.relation)(reference) for each in shapes)
    return any(
        (asked.at_most is None or metres(each, reference) <= asked.at_most)
        and (asked.at_least is None or metres(each, reference) > asked.at_least)
        for each in shapes
    )


def metres(one: Any, other: Any) -> float:
    """Metres between two points, by the spherical law of cosines; for shapes the nearest of many points on them."""
    return min(arc(a, b) for a in sampled(one) for b in sampled(other)) if not one.intersects(other) else 0.0


def sampled(one: Any) -> list[tuple[float, float]]:
    if one.geom_type == "Point":
        return [(one.x, one.y)]
    line = one.boundary if one.geom_type == "Polygon" else one
    return [(p.x, p.y) for p in (line.interpolate(n / 400, normalized=True) for n in range(401))]


def arc(one: tuple[float, float], other: tuple[float, float]) -> float:
    (a, b), (c, d) = (map(math.radians, one), map(math.radians, other))
    cosine = math.sin(b) * math.sin(d) + math.cos(b) * math.cos(d) * math.cos(a - c)
    return 6_371_008.8 * math.acos(max(-1.0, min(1.0, cosine)))
