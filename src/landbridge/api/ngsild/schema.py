"""JSON Schemas (2020-12) of the bodies and answers that operations name: entities, queries, outcomes, contexts.

They describe what is read and written here, in the standard's own words (NGSI-LD 5.2), and make the OpenAPI
description. What a subscription or a registration is stands in `schema_exchange`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from landbridge.api.ngsild.schema_exchange import EXCHANGE
from landbridge.api.ngsild.schema_temporal import TEMPORAL
from landbridge.api.ngsild.shape import Schema, any_of, fixed, listed, named, one_word, record, ref

MOMENT: Schema = {"type": "string", "format": "date-time", "examples": ["2020-04-02T00:00:00Z"]}
URI: Schema = {"type": "string", "format": "uri", "minLength": 1, "examples": ["urn:ngsi-ld:Lamp:1"]}
NAME: Schema = {"type": "string", "minLength": 1}
TYPES: Schema = any_of({**NAME, "examples": ["Lamp"]}, {**listed(NAME), "minItems": 1})
ANY: Schema = {}
CONTEXT: Schema = any_of(
    {"type": "string", "format": "uri", "description": "The address of an @context."},
    {"type": "object", "description": "An @context as it is, term by term."},
    {"type": "array", "items": any_of({"type": "string", "format": "uri"}, {"type": "object"})},
)
POINT: Schema = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3}
GEOMETRY: Schema = record(
    {
        "type": one_word("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"),
        "coordinates": {"type": "array"},
    },
    "A GeoJSON geometry (RFC 7946).", required=("type", "coordinates"),
    examples=[{"type": "Point", "coordinates": [117.69, 39.03]}],
)  # fmt: skip

META: Mapping[str, Schema] = MappingProxyType(
    {"observedAt": MOMENT, "datasetId": URI, "createdAt": MOMENT, "modifiedAt": MOMENT, "instanceId": URI}
)


def attribute(kind: str, about: str, clause: str, example: Any, **members: Schema) -> Schema:
    """A kind of attribute: its own members, those of every attribute, and sub-attributes."""
    return record(
        {"type": fixed(kind), **members, **META}, f"{about} (NGSI-LD {clause}).", required=("type", *list(members)[:1]),
        more=True, examples=[example],
    )  # fmt: skip


ATTRIBUTES: Mapping[str, Schema] = {
    "Property": attribute(
        "Property", "A value", "5.2.5", {"type": "Property", "value": 41.5, "unitCode": "GQ"}, value=ANY, unitCode=NAME
    ),
    "Relationship": attribute(
        "Relationship", "A link to other entities", "5.2.6",
        {"type": "Relationship", "object": "urn:ngsi-ld:Building:1"},
        object=any_of(URI, listed(URI)), objectType=TYPES,
    ),
    "GeoProperty": attribute(
        "GeoProperty", "A place", "5.2.7",
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [117.69, 39.03]}}, value=ref("Geometry"),
    ),
    "LanguageProperty": attribute(
        "LanguageProperty", "Texts by language", "5.2.32",
        {"type": "LanguageProperty", "languageMap": {"en": "Fourth Avenue", "zh": "第四大街"}},
        languageMap={"type": "object", "additionalProperties": any_of({"type": "string"}, listed({"type": "string"}))},
    ),
    "VocabProperty": attribute(
        "VocabProperty", "A word of a vocabulary", "5.2.35", {"type": "VocabProperty", "vocab": "nonConform"},
        vocab=any_of(NAME, listed(NAME)),
    ),
    "JsonProperty": attribute(
        "JsonProperty", "JSON that is kept as it is", "5.2.38", {"type": "JsonProperty", "json": {"a": [1, None]}},
        json=ANY,
    ),
    "ListProperty": attribute(
        "ListProperty", "An ordered list of values", "5.2.36", {"type": "ListProperty", "valueList": [3, 1, 2]},
        valueList={"type": "array"},
    ),
    "ListRelationship": attribute(
        "ListRelationship", "An ordered list of links", "5.2.37",
        {"type": "ListRelationship", "objectList": ["urn:ngsi-ld:Stop:1", "urn:ngsi-ld:Stop:2"]},
        objectList={"type": "array"},
    ),
}  # fmt: skip

ENTITY_MEMBERS: Mapping[str, Schema] = {
    "id": URI,
    "type": TYPES,
    "scope": any_of({**NAME, "examples": ["/Binhai/Hebei"]}, listed(NAME)),
    "expiresAt": MOMENT,
    "@context": CONTEXT,
}
LAMP = {
    "id": "urn:ngsi-ld:Lamp:1",
    "type": "Lamp",
    "power": {"type": "Property", "value": 40, "unitCode": "WTT", "observedAt": "2020-04-02T00:00:00Z"},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [117.69, 39.03]}},
}
DIMMED = {"power": {"type": "Property", "value": 20}}


def entity(about: str, example: Mapping[str, Any], *required: str) -> Schema:
    return record(dict(ENTITY_MEMBERS), about, required=required, more=ref("AttributeGiven"), examples=[example])


ENTITIES: Mapping[str, Schema] = {
    "Geometry": GEOMETRY,
    **ATTRIBUTES,
    "AttributeGiven": {
        "description": "An attribute: normalized, concise or simplified; several instances are a list.",
        "anyOf": [*(ref(name) for name in ATTRIBUTES), {"type": "array", "minItems": 1}, ANY],
    },
    "AttributeInstances": {
        "description": "An attribute, or several instances of it with a datasetId each.",
        "anyOf": [*(ref(name) for name in ATTRIBUTES), {"type": "array", "minItems": 1}],
        "examples": [{"type": "Property", "value": 20}],
    },
    "AttributeFragment": record(
        {"type": one_word(*ATTRIBUTES), "value": ANY, "object": ANY, "unitCode": NAME, **META},
        "What changes in an attribute; urn:ngsi-ld:null removes a member (NGSI-LD 5.6.4).", more=True,
        examples=[{"value": 35}],
    ),
    "Entity": entity("An entity (NGSI-LD 5.2.4).", LAMP, "id", "type"),
    "EntityFragment": entity("Some attributes of an entity (NGSI-LD 5.4).", DIMMED),
    "EntityList": {**listed(ref("Entity")), "minItems": 1, "examples": [[LAMP]]},
    "EntityFragmentList": {
        **listed(entity("Attributes of an entity.", LAMP, "id")), "minItems": 1,
        "examples": [[{"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", **DIMMED}]],
    },
    "IdList": {**listed(URI), "minItems": 1, "examples": [["urn:ngsi-ld:Lamp:1"]]},
    "EntityAnswer": record(
        dict(ENTITY_MEMBERS), "An entity in the form that was asked for; its other members are attributes.", more=True,
        examples=[LAMP],
    ),
    "EntityAnswerList": listed(ref("EntityAnswer")),
    "Feature": record(
        {"type": fixed("Feature"), "id": URI, "geometry": any_of(ref("Geometry"), {"type": "null"}),
         "properties": {"type": "object"}, "@context": CONTEXT},
        "An entity as a GeoJSON feature (NGSI-LD 5.2.29).", required=("type", "geometry", "properties"),
    ),
    "FeatureCollection": record(
        {"type": fixed("FeatureCollection"), "features": listed(ref("Feature")), "@context": CONTEXT},
        "Entities as GeoJSON (NGSI-LD 5.2.30).", required=("type", "features"), more=True,
    ),
}  # fmt: skip

QUERIES: Mapping[str, Schema] = {
    "EntitySelector": record(
        {"id": URI, "idPattern": NAME, "type": {**NAME, "examples": ["Lamp"]}},
        "Entities by type, and by id or a pattern of ids (NGSI-LD 5.2.33).", required=("type",),
    ),
    "GeoQuery": record(
        {"georel": {**NAME, "examples": ["near;maxDistance==2000"]}, "geometry": {**NAME, "examples": ["Point"]},
         "coordinates": any_of(NAME, {"type": "array"}), "geoproperty": NAME},
        "Where they are (NGSI-LD 5.2.13).", required=("georel", "geometry", "coordinates"), more=True,
        examples=[{"georel": "near;maxDistance==2000", "geometry": "Point", "coordinates": [117.69, 39.03]}],
    ),
    "Query": record(
        {
            "type": fixed("Query"), "entities": {**listed(ref("EntitySelector")), "minItems": 1},
            "attrs": listed(NAME), "pick": any_of(NAME, listed(NAME)), "omit": any_of(NAME, listed(NAME)),
            "q": {**NAME, "examples": ["power>30"]}, "geoQ": ref("GeoQuery"), "scopeQ": NAME, "csf": NAME,
            "lang": NAME, "datasetId": any_of(NAME, listed(NAME)), "expandValues": any_of(NAME, listed(NAME)),
            "jsonKeys": any_of(NAME, listed(NAME)), "join": one_word("flat", "inline", "@none"),
            "joinLevel": {"type": "integer", "minimum": 1}, "containedBy": any_of(NAME, listed(NAME)),
            "entityMap": {"type": "boolean"}, "entityMapLifetime": NAME, "splitEntities": {"type": "boolean"},
            "local": {"type": "boolean"}, "geometryProperty": NAME, "ordering": {"type": "object"},
            "@context": CONTEXT,
        },
        "Which entities, and how they are shown (NGSI-LD 5.2.23).", required=("type",),
        examples=[{"type": "Query", "entities": [{"type": "Lamp"}], "q": "power>30"}],
    ),
    "EntityMap": record(
        {"id": URI, "type": fixed("EntityMap"), "expiresAt": MOMENT, "entityMap": {"type": "object"},
         "linkedMaps": {"type": "object"}, "@context": CONTEXT},
        "The entities of a query, as they were when it was first asked (NGSI-LD 5.2.39).",
        required=("id", "type", "expiresAt", "entityMap"), more=True,
    ),
    "EntityMapFragment": record(
        {"expiresAt": MOMENT, "@context": CONTEXT}, "Until when the map is kept.", more=True,
        examples=[{"expiresAt": "2030-01-01T00:00:00Z"}],
    ),
}  # fmt: skip

PROBLEM = record(
    {"type": named(URI, "The kind of the error."), "title": NAME, "status": {"type": "integer"},
     "detail": named({"type": "string"}, "What is wrong, where, and what to do."), "instance": URI},
    "An error (RFC 9457, NGSI-LD 5.5.3).", required=("type", "title", "detail"), more=True,
    examples=[{"type": "https://uri.etsi.org/ngsi-ld/errors/BadRequestData", "title": "Bad request data",
               "status": 400, "detail": "id: 'lamp 1' is no URI.", "instance": "urn:request:5f1c2a9b7d0e4c33"}],
)  # fmt: skip

OUTCOMES: Mapping[str, Schema] = {
    "ProblemDetails": PROBLEM,
    "UpdateResult": record(
        {
            "updated": listed(NAME),
            "notUpdated": listed(
                record({"attributeName": NAME, "reason": {"type": "string"}, "registrationId": URI},
                       "What was left alone (NGSI-LD 5.2.19).", required=("attributeName", "reason"), more=True)
            ),
        },
        "What was updated and what was not (NGSI-LD 5.2.18).", required=("updated", "notUpdated"),
    ),
    "BatchOperationResult": record(
        {
            "success": listed(URI),
            "errors": listed(
                record({"entityId": {"type": "string"}, "registrationId": URI, "error": ref("ProblemDetails")},
                       "An entity and its error (NGSI-LD 5.2.17).", required=("entityId", "error"), more=True)
            ),
        },
        "Which entities went through and which did not (NGSI-LD 5.2.16).", required=("success", "errors"),
    ),
}  # fmt: skip

DISCOVERY: Mapping[str, Schema] = {
    "EntityTypeList": any_of(
        record({"id": URI, "type": fixed("EntityTypeList"), "typeList": listed(NAME), "@context": CONTEXT},
               "The names of all types (NGSI-LD 5.2.24).", required=("id", "type", "typeList")),
        listed(
            record({"id": URI, "type": fixed("EntityType"), "typeName": NAME, "attributeNames": listed(NAME),
                    "@context": CONTEXT},
                   "A type and its attributes (NGSI-LD 5.2.25).", required=("id", "type", "typeName"))
        ),
    ),
    "EntityTypeInfo": record(
        {"id": URI, "type": fixed("EntityTypeInfo"), "typeName": NAME, "entityCount": {"type": "integer"},
         "attributeDetails": listed(ref("AttributeInfo")), "@context": CONTEXT},
        "What there is of a type (NGSI-LD 5.2.26).", required=("id", "type", "typeName", "entityCount"),
    ),
    "AttributeList": any_of(
        record({"id": URI, "type": fixed("AttributeList"), "attributeList": listed(NAME), "@context": CONTEXT},
               "The names of all attributes (NGSI-LD 5.2.27).", required=("id", "type", "attributeList")),
        listed(ref("AttributeInfo")),
    ),
    "AttributeInfo": record(
        {"id": URI, "type": fixed("Attribute"), "attributeName": NAME, "attributeCount": {"type": "integer"},
         "attributeTypes": listed(NAME), "typeNames": listed(NAME), "@context": CONTEXT},
        "What there is of an attribute (NGSI-LD 5.2.28).", required=("id", "type", "attributeName"),
    ),
    "ContextSourceIdentity": record(
        {"id": URI, "type": fixed("ContextSourceIdentity"), "contextSourceAlias": NAME, "contextSourceUptime": NAME,
         "contextSourceTimeAt": MOMENT, "@context": CONTEXT},
        "Who this is (NGSI-LD 5.2.40).", required=("id", "type", "contextSourceAlias"), more=True,
    ),
}  # fmt: skip

CONTEXTS: Mapping[str, Schema] = {
    "ContextDocument": record(
        {"@context": CONTEXT}, "An @context to be kept.", required=("@context",), more=True,
        examples=[{"@context": {"power": "https://city.example/power"}}],
    ),
    "ContextMetadata": record(
        {"URL": URI, "localId": NAME, "kind": one_word("Hosted", "Cached", "ImplicitlyCreated"), "createdAt": MOMENT,
         "lastUsage": MOMENT, "numberOfHits": {"type": "integer"}, "expiresAt": MOMENT,
         "extraInfo": {"type": "object"}},
        "What is known of an @context (NGSI-LD 5.13.3.5).", required=("URL", "localId", "kind", "createdAt"),
    ),
    "ContextList": any_of(listed(URI), listed(ref("ContextMetadata"))),
    "ContextAnswer": any_of(record({"@context": CONTEXT}, "The @context.", required=("@context",), more=True),
                            ref("ContextMetadata")),
}  # fmt: skip

#: every schema by the name that an operation gives it
SCHEMAS: Mapping[str, Schema] = {**ENTITIES, **TEMPORAL, **QUERIES, **OUTCOMES, **DISCOVERY, **CONTEXTS, **EXCHANGE}
