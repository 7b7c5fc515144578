"""JSON Schemas of what brokers and receivers exchange: subscriptions, registrations, snapshots (NGSI-LD 5.2.8 ff.)."""

from collections.abc import Mapping
from typing import Any

from landbridge.api.ngsild.shape import Schema, any_of, fixed, listed, named, one_word, record, ref

MOMENT: Schema = {"type": "string", "format": "date-time"}
URI: Schema = {"type": "string", "format": "uri", "minLength": 1}
NAME: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
SECONDS: Schema = {"type": "number", "exclusiveMinimum": 0}
COUNT: Schema = {"type": "integer", "minimum": 0}
CONTEXT: Schema = any_of({"type": "string", "format": "uri"}, {"type": "object"}, {"type": "array"})
PAIRS: Schema = {**listed(ref("KeyValuePair")), "minItems": 1}
NAMES: Schema = {**listed(NAME), "minItems": 1}

ENDPOINT = record(
    {
        "uri": named(URI, "Where notifications go: http, https, mqtt or mqtts."),
        "accept": one_word("application/json", "application/ld+json", "application/geo+json"),
        "timeout": SECONDS, "cooldown": SECONDS, "receiverInfo": PAIRS, "notifierInfo": PAIRS,
    },
    "A receiver (NGSI-LD 5.2.15).", required=("uri",), more=True,
)  # fmt: skip
NOTIFICATION = record(
    {
        "attributes": NAMES, "pick": NAMES, "omit": NAMES,
        "format": one_word("normalized", "concise", "keyValues", "simplified"),
        "endpoint": ref("Endpoint"), "sysAttrs": FLAG, "showChanges": FLAG, "onlyChangedAttributes": FLAG,
        "join": one_word("flat", "inline", "@none"), "joinLevel": {"type": "integer", "minimum": 1},
        "status": NAME, "timesSent": COUNT, "timesFailed": COUNT, "lastNotification": MOMENT, "lastSuccess": MOMENT,
        "lastFailure": MOMENT,
    },
    "What a notification says, and to whom (NGSI-LD 5.2.14).", required=("endpoint",), more=True,
)  # fmt: skip
SUBSCRIPTION: Mapping[str, Schema] = {
    "id": URI, "type": fixed("Subscription"), "subscriptionName": NAME, "description": NAME,
    "entities": {**listed(ref("EntitySelector")), "minItems": 1}, "watchedAttributes": NAMES,
    "notificationTrigger": {**listed(NAME), "minItems": 1}, "timeInterval": SECONDS, "throttling": SECONDS,
    "q": NAME, "csf": NAME, "geoQ": ref("GeoQuery"), "scopeQ": NAME, "isActive": FLAG, "expiresAt": MOMENT,
    "lang": NAME, "expandValues": NAME, "jsonKeys": NAME, "ngsildConformance": NAME,
    "datasetId": any_of(NAME, NAMES), "jsonldContext": URI, "localOnly": FLAG, "splitEntities": FLAG,
    "notification": ref("NotificationParams"), "status": NAME, "createdAt": MOMENT, "modifiedAt": MOMENT,
    "@context": CONTEXT,
}  # fmt: skip
LATER: Mapping[str, Any] = {"description": "Later"}
WATCH: Mapping[str, Any] = {
    "type": "Subscription",
    "entities": [{"type": "Lamp"}],
    "watchedAttributes": ["power"],
    "notification": {"endpoint": {"uri": "https://receiver.example/notify", "accept": "application/json"}},
}
INFORMATION = record(
    {
        "entities": {
            **listed(record({"id": URI, "idPattern": NAME, "type": any_of(NAME, NAMES)}, "Entities (NGSI-LD 5.2.8).",
                            required=("type",))),
            "minItems": 1,
        },
        "propertyNames": NAMES, "relationshipNames": NAMES,
    },
    "What a source holds (NGSI-LD 5.2.10).",
)  # fmt: skip
INTERVAL = record({"startAt": MOMENT, "endAt": MOMENT}, "A time (NGSI-LD 5.2.11).", required=("startAt",))
REGISTRATION: Mapping[str, Schema] = {
    "id": URI, "type": fixed("ContextSourceRegistration"), "registrationName": NAME, "description": NAME,
    "information": {**listed(ref("RegistrationInfo")), "minItems": 1}, "tenant": NAME,
    "observationInterval": ref("TimeInterval"), "managementInterval": ref("TimeInterval"),
    "location": {"type": "object"}, "observationSpace": {"type": "object"}, "operationSpace": {"type": "object"},
    "expiresAt": MOMENT,
    "endpoint": named(URI, "Where the source's /ngsi-ld/v1 is found."), "contextSourceInfo": PAIRS,
    "scope": any_of(NAME, NAMES), "mode": one_word("inclusive", "exclusive", "redirect", "auxiliary"),
    "operations": NAMES, "refreshRate": NAME, "management": {"type": "object"}, "datasetId": any_of(NAME, NAMES),
    "contextSourceAlias": NAME, "status": NAME, "timesSent": COUNT, "timesFailed": COUNT, "lastSuccess": MOMENT,
    "lastFailure": MOMENT, "createdAt": MOMENT, "modifiedAt": MOMENT, "@context": CONTEXT,
}  # fmt: skip
SOURCE: Mapping[str, Any] = {
    "type": "ContextSourceRegistration",
    "information": [{"entities": [{"type": "Lamp"}]}],
    "endpoint": "https://source.example",
}
SNAPSHOT: Mapping[str, Schema] = {
    "id": URI, "type": fixed("Snapshot"), "snapshotStatus": NAME, "snapshotLifetime": NAME,
    "snapshotPriority": {"type": "integer", "minimum": 1, "maximum": 10},
    "snapshotQueries": {**listed(ref("Query")), "minItems": 1}, "snapshotQueriesDetails": {"type": "array"},
    "endpoint": ref("Endpoint"), "receiverInfo": PAIRS, "createdAt": MOMENT, "expiresAt": MOMENT, "lastUsedAt": MOMENT,
    "@context": CONTEXT,
}  # fmt: skip
FREEZE: Mapping[str, Any] = {
    "type": "Snapshot",
    "snapshotQueries": [{"type": "Query", "entities": [{"type": "Lamp"}]}],
}


def family(
    name: str, members: Mapping[str, Schema], clause: str, required: tuple[str, ...], example: Any, change: Any = LATER
) -> Schema:
    """The schemas of one kind of document: whole, a fragment of it, and a list."""
    about = f"{name} (NGSI-LD {clause})."
    return {
        name: record(members, about, required=required, more=True, examples=[example]),
        f"{name}Fragment": record(members, f"What changes in a {about}", more=True, examples=[change]),
        f"{name}List": listed(ref(name)),
    }


EXCHANGE: Mapping[str, Schema] = {
    "KeyValuePair": record(
        {"key": NAME, "value": NAME}, "A pair (NGSI-LD 5.2.22).", required=("key", "value"), more=True
    ),
    "Endpoint": ENDPOINT,
    "NotificationParams": NOTIFICATION,
    "RegistrationInfo": INFORMATION,
    "TimeInterval": INTERVAL,
    **family("Subscription", SUBSCRIPTION, "5.2.12", ("type", "notification"), WATCH),
    **family("CsourceRegistration", REGISTRATION, "5.2.9", ("type", "information", "endpoint"), SOURCE),
    **family("Snapshot", SNAPSHOT, "5.2.41", ("type",), FREEZE, {"snapshotPriority": 7}),
}
