"""JSON Schemas of evolutions, and of the questions to them (NGSI-LD 5.2.20, 5.2.21, 5.2.44, 4.5.6 to 4.5.9, 4.5.19)."""

from collections.abc import Mapping

from landbridge.api.ngsild.shape import Schema, any_of, fixed, listed, one_word, record, ref
from landbridge.api.ngsild.temporal_question import METHODS, PROPERTIES, RELATIONS
from landbridge.model.chapter import SIMPLIFIED

MOMENT: Schema = {"type": "string", "format": "date-time", "examples": ["2020-04-02T00:00:00Z"]}
URI: Schema = {"type": "string", "format": "uri", "minLength": 1}
NAME: Schema = {"type": "string", "minLength": 1}
NAMES: Schema = any_of(NAME, {**listed(NAME), "minItems": 1})
CONTEXT: Schema = any_of({"type": "string", "format": "uri"}, {"type": "object"}, {"type": "array"})
PAIR: Schema = {"type": "array", "minItems": 2, "maxItems": 2}
TRIPLE: Schema = {"type": "array", "minItems": 3, "maxItems": 3}
READINGS = [
    {"type": "Property", "value": 40, "unitCode": "WTT", "observedAt": "2020-04-02T00:00:00Z"},
    {"type": "Property", "value": 42, "unitCode": "WTT", "observedAt": "2020-04-02T01:00:00Z"},
]
HEAD: Mapping[str, Schema] = {
    "id": {**URI, "examples": ["urn:ngsi-ld:Lamp:1"]},
    "type": any_of({**NAME, "examples": ["Lamp"]}, {**listed(NAME), "minItems": 1}),
    "scope": any_of(NAME, listed(any_of(NAME, {"type": "object"})), {"type": "object"}),
    "@context": CONTEXT,
}
ASKED: Mapping[str, Schema] = {
    "timerel": one_word(*RELATIONS), "timeAt": MOMENT, "endTimeAt": MOMENT, "timeproperty": one_word(*PROPERTIES),
    "lastN": {"type": "integer", "minimum": 1}, "aggrMethods": any_of(NAME, listed(one_word(*METHODS))),
    "aggrPeriodDuration": {**NAME, "examples": ["PT1H"]},
}  # fmt: skip

TEMPORAL: Mapping[str, Schema] = {
    "AttributeEvolution": {
        "description": "An attribute over time: its instances, or pairs of values and times (NGSI-LD 4.5.7, 4.5.9).",
        "anyOf": [
            {**listed(ref("AttributeInstances")), "minItems": 1}, ref("AttributeInstances"),
            record(
                {"type": one_word(*SIMPLIFIED), "datasetId": URI,
                 **{member: listed(PAIR) for member, _ in SIMPLIFIED.values()}},
                "Pairs of values and times.", required=("type",),
            ),
            listed({"type": "object"}),
        ],
        "examples": [READINGS],
    },
    "AttributeAggregates": record(
        {"type": one_word("Property", "Relationship"), **{method: listed(TRIPLE) for method in METHODS}},
        "Of each method its values, each with the start and the end of its period (NGSI-LD 4.5.19).",
        required=("type",),
        examples=[{"type": "Property", "avg": [[41, "2020-04-02T00:00:00Z", "2020-04-03T00:00:00Z"]]}],
    ),
    "EntityTemporal": record(
        dict(HEAD), "The evolution of an entity (NGSI-LD 5.2.20).", required=("id", "type"),
        more=ref("AttributeEvolution"),
        examples=[{"id": "urn:ngsi-ld:Lamp:1", "type": "Lamp", "power": READINGS}],
    ),
    "EntityTemporalFragment": record(
        dict(HEAD), "What is added to the evolution of an entity.", more=ref("AttributeEvolution"),
        examples=[{"power": READINGS}],
    ),
    "EntityTemporalAnswer": record(
        {**HEAD, "createdAt": MOMENT, "modifiedAt": MOMENT, "deletedAt": MOMENT},
        "The evolution of an entity in the form that was asked for; its other members are attributes.",
        more=any_of(ref("AttributeEvolution"), ref("AttributeAggregates")),
    ),
    "EntityTemporalList": listed(ref("EntityTemporalAnswer")),
    "TemporalQuery": record(
        ASKED, "Which stretch of time, and how much of it (NGSI-LD 5.2.21).", required=("timerel", "timeAt"), more=True,
    ),
    "AggregationParams": record(
        {name: ASKED[name] for name in ("aggrMethods", "aggrPeriodDuration")},
        "What to make of the instances (NGSI-LD 5.2.44).", required=("aggrMethods",), more=True,
    ),
    "TemporalQueryBody": {
        "type": "object",
        "description": "Which entities, which stretch of time, and how they are shown (NGSI-LD 5.2.23).",
        "properties": {
            "type": fixed("Query"), "entities": {**listed(ref("EntitySelector")), "minItems": 1},
            "temporalQ": ref("TemporalQuery"), "aggrParams": ref("AggregationParams"), "attrs": listed(NAME),
            "pick": NAMES, "omit": NAMES, "q": {**NAME, "examples": ["power>30"]}, "geoQ": ref("GeoQuery"),
            "scopeQ": NAME, "csf": NAME, "lang": NAME, "datasetId": NAMES, "expandValues": NAMES, "jsonKeys": NAMES,
            "entityMap": {"type": "boolean"}, "entityMapLifetime": NAME, "splitEntities": {"type": "boolean"},
            "local": {"type": "boolean"}, "ordering": {"type": "object"}, "@context": CONTEXT,
        },
        "required": ["type", "temporalQ"],
        "examples": [
            {"type": "Query", "entities": [{"type": "Lamp"}],
             "temporalQ": {"timerel": "after", "timeAt": "2020-04-01T00:00:00Z"}}
        ],
    },
}  # fmt: skip
