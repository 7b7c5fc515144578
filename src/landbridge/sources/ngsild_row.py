"""An NGSI-LD entity as rows whose columns have a mapping's own names.

    Property          pm25             a number, text or boolean; JSON where entities differ or it holds lists, objects
    Relationship      refArea.object   LanguageProperty  name.languageMap   VocabProperty  category.vocab
    JsonProperty      raw.json         ListProperty      x.valueList        ListRelationship  x.objectList
    GeoProperty       location.geojson
    what adds to one  pm25.unitCode    pm25.observedAt   pm25.datasetId
    a sub-attribute   pm25.accuracy    pm25.accuracy.unitCode    pm25.providedBy.object    x.sub(object)

What a row cannot say is counted and told in the run's notes: sub-attributes of sub-attributes and their times, names
with a dot in them (IRIs), further types of an entity with several. What only a broker can say (`createdAt`, ...) and
@context go without a note.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pyarrow as pa

from landbridge.errors import Invalid
from landbridge.model.column import META_SUFFIXES, ROW_COLUMNS, VALUE_SUFFIXES

Row = dict[str, Any]
# NGSI-LD type -> its member, the suffix of its column ("" is none)
KINDS: dict[str, tuple[str, str]] = {
    "Property": ("value", ""),
    "GeoProperty": ("value", "geojson"),
    "Relationship": ("object", "object"),
    "LanguageProperty": ("languageMap", "languageMap"),
    "VocabProperty": ("vocab", "vocab"),
    "JsonProperty": ("json", "json"),
    "ListProperty": ("valueList", "valueList"),
    "ListRelationship": ("objectList", "objectList"),
}
CONCISE = {member: kind for kind, (member, _) in KINDS.items() if kind != "GeoProperty"}
SHAPES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)
SYSTEM = frozenset(
    {"@context", "createdAt", "modifiedAt", "deletedAt", "instanceId", "previousValue", "previousObject", "expiresAt"}
    | {"previousLanguageMap", "previousVocab", "previousJson", "previousValueList", "previousObjectList"}
    | {"entity", "entityList", "objectType"}
)
ALWAYS_JSON = frozenset({"languageMap", "json", "valueList", "objectList"})
ALWAYS_TEXT = frozenset({"unitCode", "observedAt", "datasetId", "geojson"})
TAKEN = frozenset(name.lower() for name in ROW_COLUMNS)  # SQL sees no difference between `Type` and `type`
NULL = "urn:ngsi-ld:null"
JSON = pa.json_(pa.utf8())


def rows_of(entity: Any, relationships: frozenset[str], left: Counter[str]) -> list[Row]:
    """An entity as rows, the further instances of its attributes in further ones; raises Invalid with the reason."""
    if not isinstance(entity, dict):
        raise Invalid("The entity is no object.")
    if entity.get("type") == "Feature" and isinstance(entity.get("properties"), dict):
        entity = {"id": entity.get("id"), **entity["properties"]}
    head, types = entity.get("id", entity.get("@id")), entity.get("type", entity.get("@type"))
    if not isinstance(head, str) or not head:
        raise Invalid("The entity has no id.")
    named = types if isinstance(types, list) else [types]
    if not named or not all(isinstance(one, str) and one for one in named):
        raise Invalid("The entity has no type.")
    if len(named) > 1:
        left[f"an entity's further types are left out: {', '.join(named[1:])[:100]}"] += 1
    rows: list[Row] = [{"id": head, "type": named[0]}]
    if scope := entity.get("scope"):
        rows[0]["scope"] = scopes(scope)
    for name, value in entity.items():
        if name in ("id", "@id", "type", "@type", "scope") or name in SYSTEM:
            continue
        if reason := unnameable(name):
            left[reason] += 1
            continue
        for place, instance in enumerate(instances(value)):
            if place == len(rows):
                rows.append({"id": head, "type": named[0]})
            rows[place] |= cells(name, instance, name in relationships, left)
    return rows


def scopes(value: Any) -> list[str]:
    """A scope or several as a list; raises Invalid."""
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in found):
        raise Invalid("The entity's scope is no text.")
    return found


def unnameable(name: str) -> str | None:
    """Why a mapping has no column for this attribute, or None."""
    if not name or "." in name or name.lower() in TAKEN:
        return f"the attribute '{name[:80]}' is left out: a mapping has no column of that name"
    return None


def instances(value: Any) -> list[Any]:
    """The instances of an attribute: those of a list of attributes, or the one."""
    several = isinstance(value, list) and value and all(isinstance(one, dict) and kind_of(one) for one in value)
    return value if several else [value]


def kind_of(instance: Mapping[str, Any]) -> str | None:
    """The NGSI-LD type of a normalized or concise attribute; None for a plain value."""
    kind = instance.get("type", instance.get("@type"))
    if isinstance(kind, str) and kind in KINDS and KINDS[kind][0] in instance:
        return kind
    found = next((CONCISE[member] for member in CONCISE if member in instance), None)
    if found is None or "type" in instance:
        return None
    return "GeoProperty" if found == "Property" and is_shape(instance["value"]) else found


def is_shape(value: Any) -> bool:
    """Whether a value is a GeoJSON geometry."""
    kind = value.get("type") if isinstance(value, dict) else None
    return isinstance(kind, str) and kind in SHAPES and ("coordinates" in value or "geometries" in value)


def cells(name: str, instance: Any, related: bool, left: Counter[str]) -> Row:
    """The columns of one instance of an attribute."""
    kind = kind_of(instance) if isinstance(instance, dict) else None
    if kind is None:
        suffix = "geojson" if is_shape(instance) else ("object" if related else "")
        return {column(name, suffix): None if instance == NULL else instance}
    member, suffix = KINDS[kind]
    row: Row = {column(name, suffix): None if instance[member] == NULL else instance[member]}
    for part, value in instance.items():
        if part in META_SUFFIXES:
            row[f"{name}.{part}"] = value
        elif part not in ("type", "@type", member) and part not in SYSTEM:
            row |= sub_cells(name, part, value, left)
    return row


def sub_cells(name: str, part: str, value: Any, left: Counter[str]) -> Row:
    """The columns of a sub-attribute."""
    kind = kind_of(value) if isinstance(value, dict) else None
    if isinstance(value, list) and any(isinstance(one, dict) and kind_of(one) for one in value):
        left[f"the sub-attribute '{name}.{part}' is left out: it has several instances"] += 1
        return {}
    if "." in part or not part:
        left[f"the sub-attribute '{name}.{part[:80]}' is left out: a mapping has no column of that name"] += 1
        return {}
    called = f"sub({part})" if part in VALUE_SUFFIXES or part in META_SUFFIXES or part in ROW_COLUMNS else part
    if kind is None:
        return {column(f"{name}.{called}", "geojson" if is_shape(value) else ""): value}
    member, suffix = KINDS[kind]
    row: Row = {column(f"{name}.{called}", suffix): value[member]}
    for deeper, told in value.items():
        if deeper == "unitCode":
            row[f"{name}.{called}.unitCode"] = told
        elif deeper not in ("type", "@type", member) and deeper not in SYSTEM:
            left[f"'{deeper[:80]}' of the sub-attribute '{name}.{part}' is left out: a mapping has one level"] += 1
    return row


def column(name: str, suffix: str) -> str:
    return f"{name}.{suffix}" if suffix else name


class Columns:
    """The columns of all entities of a file, each with the kind that holds all its values."""

    def __init__(self, always: Iterable[str] = ()) -> None:
        self.types: dict[str, set[type]] = {"id": {str}, "type": {str}}
        self.types.update((name, set()) for name in always)
        self.counts: Counter[str] = Counter(always)
        self.kinds: dict[str, pa.DataType] = {}
        self.chosen: dict[str, str] = {}  # the one value column of each attribute and sub-attribute

    def learn(self, row: Row) -> None:
        """Remember the types of a row's cells."""
        for name, value in row.items():
            kind = type(value) if type(value) is not int or -(2**63) <= value < 2**63 else dict
            self.types.setdefault(name, set()).add(kind)
            self.counts[name] += 1

    def settle(self, where: str) -> None:
        """Choose each column's kind, and for each attribute the NGSI-LD type that most entities give it."""
        capitals: dict[str, str] = {}
        self.kinds, self.chosen = {}, {}
        for name in sorted(self.types, key=lambda name: -self.counts[name]):
            if (value := value_of(name)) is not None:
                self.chosen.setdefault(value, name)
        for name, types in self.types.items():
            value = value_of(name)
            if value is not None and self.chosen[value] != name:
                continue
            other = capitals.setdefault(name.lower(), name)
            if other != name:
                raise Invalid(f"The attributes '{other}' and '{name}' differ in capitals alone.", where=where,
                              hint="SQL sees no difference: rename one of them in the file.")  # fmt: skip
            self.kinds[name] = kind_for(name, types - {type(None)})

    def fitted(self, row: Row) -> Row:
        """The row, if its attributes are of the chosen types; raises Invalid."""
        for name in row:
            if name not in self.kinds:
                value = value_of(name) or name
                said = f"{value} is written as '{name}' here and as '{self.chosen.get(value)}' in most entities"
                raise Invalid(f"{said}; put them in a source of their own")
        return row

    def arrow(self, rows: list[Row]) -> pa.RecordBatch:
        """The rows as Arrow."""
        arrays = [array([row.get(name) for row in rows], kind) for name, kind in self.kinds.items()]
        return pa.RecordBatch.from_arrays(arrays, names=list(self.kinds))


def value_of(name: str) -> str | None:
    """The attribute or sub-attribute whose value a column holds; None for what adds to one."""
    if name in ROW_COLUMNS:
        return None
    rest = name.partition(".")[2]
    if rest in META_SUFFIXES or rest.endswith(".unitCode"):
        return None
    for suffix in VALUE_SUFFIXES:
        if rest == suffix or rest.endswith(f".{suffix}"):
            return name[: -len(suffix) - 1]
    return name


def kind_for(name: str, types: set[type]) -> pa.DataType:
    """The Arrow type of a column that holds values of these types."""
    suffix = name.rpartition(".")[2] if "." in name else ""
    if name == "scope":
        return pa.list_(pa.string())
    if suffix in ALWAYS_JSON:
        return JSON
    if suffix in ALWAYS_TEXT or name in ROW_COLUMNS or not types:
        return pa.string()
    for kind, fitting in (
        (pa.string(), {str}),
        (pa.bool_(), {bool}),
        (pa.int64(), {int}),
        (pa.float64(), {int, float}),
    ):
        if types <= fitting:
            return kind
    return JSON


def array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """A column; JSON is written everywhere in a JSON column, and in a text column where a value is no text."""
    if kind == JSON:
        texts = [None if value is None else orjson.dumps(value).decode() for value in values]
        return pa.ExtensionArray.from_storage(JSON, pa.array(texts, pa.string()))
    if kind == pa.string():
        return pa.array([as_text(value) for value in values], kind)
    return pa.array([float(v) if v is not None else v for v in values] if kind == pa.float64() else values, kind)


def as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
