"""Where a condition looks inside the stored document: from an attribute path to the JSON values it means.

The chain of tables is one `json_each` per step: the attribute's instances, then those of each sub-attribute. The
target value of an instance is, by its kind, its value, object(s), vocab, json, list or languages (NGSI-LD 4.9).
"""

from dataclasses import dataclass
from functools import lru_cache

from landbridge.model.claim import DATASET
from landbridge.model.query import Path
from landbridge.store.fragment import Fragment, json_path, put

TEXT_MEMBERS = frozenset({"observedAt", "unitCode", "datasetId"})
DATASET_ID = (  # a claim's own follows from its owner: see `store.document`
    "coalesce({0} -> '$.datasetId', iif({0} ->> '$.\"@\"[6]' IS NULL, NULL,"
    f" json_quote('{DATASET}' || ({{0}} ->> '$.\"@\"[0]'))))"
)
TIMES = {"createdAt": '$."@"[2]', "modifiedAt": '$."@"[3]'}
META = TEXT_MEMBERS | TIMES.keys()
ANY_LANGUAGE = ("*",)

LANGUAGES = (
    "iif(json_type({0}, '$.languageMap') = 'object', (SELECT json_group_array(t.atom)"
    " FROM json_tree({0}, '$.languageMap') AS t WHERE t.atom IS NOT NULL), NULL)"
)
OBJECTS = (
    "iif(json_type({0}, '$.objectList') = 'array', (SELECT json_group_array(t.value ->> '$.object')"
    " FROM json_each({0}, '$.objectList') AS t), NULL)"
)
WHOLE = (
    "coalesce({0} -> '$.value.\"@value\"', {0} -> '$.value', {0} -> '$.object', full_names({0} -> '$.vocab'),"
    f" {{0}} -> '$.json', {{0}} -> '$.valueList', {LANGUAGES}, {OBJECTS})"
)


@dataclass(frozen=True)
class Target:
    """What a path leads to: tables to read from, and for each row of them the target.

    `value`: the target as JSON text, NULL where there is none. `time`: an integer of microseconds instead, for
    createdAt and modifiedAt. `instance`: the (sub-)instance that the target belongs to. `meta`: a member of it.
    """

    tables: Fragment
    instance: str
    value: Fragment
    time: bool = False
    meta: bool = False


@lru_cache(maxsize=1_000)
def target(path: Path) -> Target:
    """The tables and the target of a path."""
    tables = put("json_each(doc, {}) AS i0", json_path("attrs", path.attribute))
    subs = path.subs
    meta = subs[-1] if subs and subs[-1] in META else None
    for depth, sub in enumerate(subs[:-1] if meta else subs, 1):
        step, before = json_path(sub), Fragment(f"i{depth - 1}.value")
        tables = put(
            "{}, json_each(iif(json_type({}, {}) = 'array', {} -> {}, '[' || ({} -> {}) || ']')) AS i" + str(depth),
            *(tables, before, step, before, step, before, step),
        )
    instance = f"i{len(subs) - (meta is not None)}.value"
    if meta in TIMES:
        return Target(tables, instance, put(instance + " ->> {}", TIMES[meta]), time=True, meta=True)
    if meta == "datasetId" and len(subs) == 1:
        return Target(tables, instance, Fragment(DATASET_ID.format(instance)), meta=True)
    if meta:
        return Target(tables, instance, put(instance + " -> {}", json_path(meta)), meta=True)
    return Target(tables, instance, inside(instance, path.keys))


def inside(instance: str, keys: tuple[str, ...]) -> Fragment:
    """The target value of an instance, or what its keys lead to."""
    if not keys:
        return Fragment(WHOLE.format(instance))
    languages = LANGUAGES.format(instance) if keys == ANY_LANGUAGE else "NULL"
    return put(
        f"coalesce({instance} -> {{}}, {instance} -> {{}}, {instance} -> {{}}, {languages})",
        *(json_path(member, *keys) for member in ("value", "languageMap", "json")),
    )
