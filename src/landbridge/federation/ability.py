"""What a context source can be asked to do: the operations a registration may name, and the groups of them.

NGSI-LD 4.20: the names of operations (table 4.20-1) and of their groups (table 4.20-2).
"""

from collections.abc import Iterable, Mapping

TYPES = (
    "retrieveEntityTypes",
    "retrieveEntityTypeDetails",
    "retrieveEntityTypeInfo",
    "retrieveAttrTypes",
    "retrieveAttrTypeDetails",
    "retrieveAttrTypeInfo",
)
ENTITY_MAPS = ("retrieveEntityMap", "updateEntityMap", "deleteEntityMap", "createEntityMapQueryEntity")
SUBSCRIPTIONS = (
    "createSubscription", "updateSubscription", "retrieveSubscription", "querySubscription", "deleteSubscription",
)  # fmt: skip
READS = ("retrieveEntity", "queryEntity", "queryBatch")
BATCHES = ("createBatch", "upsertBatch", "updateBatch", "deleteBatch", "mergeBatch")
WRITES = (
    "createEntity", "updateEntity", "appendAttrs", "updateAttrs", "deleteAttrs", "deleteEntity", "mergeEntity",
    "replaceEntity", "replaceAttrs", "purgeEntity",
)  # fmt: skip
TEMPORAL = (
    "retrieveTemporal", "queryTemporal", "upsertTemporal", "appendAttrsTemporal", "deleteAttrsTemporal",
    "updateAttrsTemporal", "updateAttrInstanceTemporal", "deleteAttrInstanceTemporal", "deleteTemporal",
    "createEntityMapQueryTemporal",
)  # fmt: skip

GROUPS: Mapping[str, frozenset[str]] = {
    "federationOps": frozenset({*READS, *TYPES, *SUBSCRIPTIONS, *ENTITY_MAPS}),
    "associationOps": frozenset({*READS, *TYPES, *SUBSCRIPTIONS}),
    "updateOps": frozenset({"updateEntity", "updateAttrs", "replaceEntity", "replaceAttrs"}),
    "retrieveOps": frozenset({"retrieveEntity", "queryEntity"}),
    "redirectionOps": frozenset({*WRITES, "retrieveEntity", "queryEntity", *TYPES, *ENTITY_MAPS}),
}
OPERATIONS = frozenset({*READS, *TYPES, *ENTITY_MAPS, *SUBSCRIPTIONS, *BATCHES, *WRITES, *TEMPORAL})
AUXILIARY = frozenset({"retrieveEntity", "queryEntity"})  # all that an auxiliary registration may name (5.9.2.4)
USUAL = ("federationOps",)


def expanded(names: Iterable[str]) -> frozenset[str]:
    """The operations that a list of operations and groups stands for; what is unknown stands for nothing."""
    found: set[str] = set()
    for name in names:
        found |= GROUPS.get(name, {name} & OPERATIONS)
    return frozenset(found)
