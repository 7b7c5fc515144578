"""What is stored, brought in line with the city's folder: sources that came or went, rules that changed.

An attribute that one source fed gets claims side by side when a second one maps it, and is a plain value again when
only one is left. Claims of a source that no longer maps an attribute are withdrawn, as recorded deletions; where no
source maps it any more the last values stay. Each step is a commit of its own and may be repeated, so a kill in
between does no harm: the folder's claims are saved as the last step.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from landbridge.governance.policy import Actor
from landbridge.history.lake import Lake
from landbridge.model.claim import Claims, dataset_of
from landbridge.model.entity import API, PROVENANCE, Instance, Instances, in_order
from landbridge.model.instant import parse_instant
from landbridge.pool import disagree
from landbridge.pool.absorb import is_pinned, marked, unmarked
from landbridge.pool.as_of import claims_name
from landbridge.pool.edit import about
from landbridge.pool.pin import choice
from landbridge.pool.single import LOCATION, Draft, stored_row
from landbridge.store import reading
from landbridge.store.contract import Entry, Kind, Stored
from landbridge.store.document import unfold
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

CLAIMS = "claims"
COMMIT = 2_000  # entities of one commit
Feeds = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]  # attribute -> sources before, sources now


def convert(store: SqliteStore, claims: Claims, actor: Actor, lake: Lake | None = None) -> int:
    """Convert what is stored to these claims; the number of entities that changed.

    Also finds the disagreements that killed runs left undone, so call it whenever a pool is opened for writing.
    `lake`: where what the store has no more of what was claimed lies.
    """
    before = stored_claims(store)
    changed = 0
    if before is None or before.to_json() != claims.to_json():
        touched = disagree.Touched()
        for kind, feeds in affected(store, before or Claims(), claims):
            changed += convert_kind(store, claims, actor, kind, feeds)
            for attribute in feeds:
                touched.add(disagree.named("", 0), kind.num, (attribute,), [])
        save(store, claims, actor, before, touched)
    disagree.heal(store, claims, actor, lake=lake)
    return changed


def stored_claims(store: SqliteStore) -> Claims | None:
    """The claims to which the pool was last converted."""
    with store.reader() as connection:
        text = reading.meta(connection, CLAIMS)
    return Claims.from_json(orjson.loads(text)) if text else None


def save(store: SqliteStore, claims: Claims, actor: Actor, before: Claims | None, touched: disagree.Touched) -> None:
    """Save the claims; sources that lost claims send everything again; disagreements are to be found anew."""
    lost = {
        source
        for key, sources in (before.feeds if before else {}).items()
        for source in sources
        if len(sources) > 1 and source not in claims.feeds.get(key, ())
    }

    def job(transaction: SqliteTransaction) -> None:
        told = orjson.dumps(claims.to_json()).decode()
        transaction.put_meta(CLAIMS, told)
        transaction.put_meta(claims_name(transaction.number), told)  # for whoever asks what was known then
        for source in lost:
            transaction.save_seen(source, 0, None)
            transaction.save_source(source, cursor=None, fingerprint=None)
        touched.mark(transaction)

    store.write(job, actor=actor.name, request=actor.request)


def affected(store: SqliteStore, before: Claims, now: Claims) -> Iterator[tuple[Kind, Feeds]]:
    """The kinds with attributes whose sources, rule or times of holding changed."""
    by_type: dict[tuple[str, str], dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for tenant, type_, attribute in sorted({*before.feeds, *now.feeds}):
        key = (tenant, type_, attribute)
        old, new = before.feeds.get(key, ()), now.feeds.get(key, ())
        held = any(before.holds.get(source) != now.holds.get(source) for source in new)
        ruled = before.rule((type_,), attribute) != now.rule((type_,), attribute)
        if (old != new and max(len(old), len(new)) > 1) or (len(new) > 1 and (held or ruled)):
            by_type.setdefault((tenant, type_), {})[attribute] = (old, new)
    for (tenant, type_), feeds in by_type.items():
        yield from ((kind, feeds) for kind in store.kinds(tenant) if kind.type == type_)


def convert_kind(store: SqliteStore, claims: Claims, actor: Actor, kind: Kind, feeds: Feeds) -> int:
    """Convert the entities of a kind, some in each commit; how many changed."""
    changed = after = 0
    while True:

        def job(transaction: SqliteTransaction, after: int = after) -> tuple[int, int]:
            keys = transaction.keys_of(kind, after, COMMIT)
            done = sum(
                convert_entity(transaction, claims, kind, feeds, stored) for stored in list(transaction.load(keys))
            )
            if done:
                transaction.announce({"types": [kind.type], "entities": [], "more": True})
            return done, keys[-1] if keys else 0

        done, after = store.write(job, tenant=kind.tenant, actor=actor.name, request=actor.request)
        changed += done
        if not after:
            return changed


def convert_entity(transaction: SqliteTransaction, claims: Claims, kind: Kind, feeds: Feeds, stored: Stored) -> bool:
    """Convert one entity; whether it changed."""
    draft = Draft(unfold(stored.doc), stored, stored.key)
    attrs, entries = draft.document["attrs"], list[Entry]()
    for attribute in [name for name in feeds if name in attrs]:
        before: Instances = attrs[attribute]
        after = restand(before, *feeds[attribute], claims, draft.types, attribute, transaction.recorded)
        if after == before:
            continue
        draft.moved |= attribute == LOCATION
        entries += moves(transaction, stored.key, attribute, before, after, len(entries))
        if after:
            attrs[attribute] = after
        else:
            del attrs[attribute]
    if not entries:
        return False
    if not attrs:
        entries.append(about(stored.key, len(entries), entries[-1].owner, "delete", {}))
    transaction.record(entries)
    if attrs:
        kinds = {type_: transaction.kind(kind.tenant, type_) for type_ in draft.types}
        transaction.update([stored_row(draft, kinds, transaction)])
    else:
        transaction.delete(kind.tenant, [stored])
    return True


def restand(
    instances: Sequence[Instance],
    old: tuple[str, ...],
    new: tuple[str, ...],
    claims: Claims,
    types: Sequence[str],
    attribute: str,
    now: int,
) -> Instances:
    """An attribute's instances as these sources and this rule have them."""
    if not new:
        return list(instances)
    gone = {source for source in old if source not in new}
    pin = instances[0] if is_pinned(instances) else None
    others = [one for one in instances if "datasetId" in one]
    first = instances[0] if instances and "datasetId" not in instances[0] and pin is None else None
    owner = first[PROVENANCE][0] if first is not None else API
    if first is not None and not any(one["datasetId"] == dataset_of(owner) for one in others):
        others.append(marked(first, dataset_of(owner)))
    others = [one for one in others if one["datasetId"] not in {dataset_of(source) for source in gone}]
    if pin is not None:
        return in_order([pin, *others])
    if len(new) > 1:
        chosen = choice(others, claims, claims.rule(types, attribute), now)
        return in_order([*([chosen] if chosen else []), *others])
    own = next((one for one in others if one["datasetId"] == dataset_of(new[0])), None)
    return in_order([unmarked(own), *(one for one in others if one is not own)] if own else others)


def moves(
    transaction: SqliteTransaction,
    key: int,
    attribute: str,
    before: Sequence[Instance],
    after: Sequence[Instance],
    ordinal: int,
) -> list[Entry]:
    """What the journal says of it: instances that left their datasetId, then those that have a new one.

    A deletion stands at the time of what it deletes where the same source's value only moves.
    """
    staying = {one[PROVENANCE][0] for one in after}
    moved: set[str] = set()
    found: list[Entry] = []
    for one in before:
        if any(one.get("datasetId") == other.get("datasetId") for other in after):
            continue
        owner = one[PROVENANCE][0]
        moved |= {owner} & staying
        observed = observed_in(one) if owner in staying else None
        found.append(entry(key, attribute, ordinal + len(found), one, observed, None))
    for one in after:
        if one not in before or one[PROVENANCE][0] in moved:
            found.append(entry(key, attribute, ordinal + len(found), one, observed_in(one), text_of(one)))
    return found


def entry(key: int, attribute: str, ordinal: int, one: Instance, observed: int | None, text: str | None) -> Entry:
    operation = "delete" if text is None else "set"
    return Entry(key, attribute, ordinal, one.get("datasetId"), one[PROVENANCE][0], observed, operation, text)


def observed_in(instance: Mapping[str, Any]) -> int | None:
    observed = instance.get("observedAt")
    return None if observed is None else parse_instant(observed)


def text_of(instance: Instance) -> str:
    return orjson.dumps(instance).decode()
