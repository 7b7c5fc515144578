"""What each writing operation does to one entity, by its clause; the desk saves it, alone or with a batch's others.

Clients own the instances they write. What a source owns by `datasetId` is refused with the reason; a client's
default instance over a source's is a pin (see `pool.pin`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from landbridge.errors import Missing
from landbridge.model.answer import Document
from landbridge.model.entity import API, NULL, Instance, Instances, deletes, instance_of, provenance
from landbridge.model.merge import Merging, merged, updated
from landbridge.pool.desk import Desk
from landbridge.pool.edit import Edit, refused, require_apart

Attributes = Mapping[str, Sequence[Instance]]
SCOPE = "scope"
THERE = "The instance exists, and is not to be overwritten."
NOT_THERE = "The entity has no such instance."
NO_SCOPE = "The entity has no scope."


@dataclass(frozen=True)
class Fragment:
    """A part of an entity: attributes, types that it has besides, scopes and expiry (NULL takes these away)."""

    attrs: Attributes
    types: Sequence[str] = ()
    scope: Sequence[str] | str | None = None
    expires_at: str | None = None


@dataclass
class Outcome:
    """Which attributes a change wrote, and which it left alone with the reason."""

    updated: dict[str, None] = field(default_factory=dict)
    left: list[tuple[str, str]] = field(default_factory=list)


def fill(edit: Edit, document: Document) -> Outcome:
    """Give a new entity all that it is to have (NGSI-LD 5.6.1)."""
    for name in (SCOPE, "expiresAt"):
        if name in document:
            edit.describe(name, document[name])
    return put_all(edit, document["attrs"])


def put_all(edit: Edit, attrs: Attributes) -> Outcome:
    outcome = Outcome()
    for attribute, instances in attrs.items():
        require_apart(edit.id, attribute, instances)
        for instance in instances:
            edit.put(attribute, instance)
        outcome.updated[attribute] = None
    return outcome


def replace(edit: Edit, document: Document) -> Outcome:
    """Put a document in place of what clients wrote; creation stays, and what sources say (NGSI-LD 5.6.18).

    Types change where the document says any, and no source keeps anything here.
    """
    attrs: Mapping[str, Instances] = document["attrs"]
    for attribute in list(edit.document["attrs"]):
        for dataset in own_datasets(edit.instances(attribute)):
            if instance_of(attrs.get(attribute, ()), dataset) is None:
                edit.remove(attribute, dataset)
    given = document.get("type", edit.types)
    edit.describe("type", given if edit.owner() is None else union(edit.types, given))
    for name in (SCOPE, "expiresAt"):
        edit.describe(name, document.get(name))
    edit.changed = True
    return put_all(edit, attrs)


def own_datasets(instances: Sequence[Instance]) -> list[str | None]:
    """The datasetIds of what clients wrote, the default instance last, so that lifting a pin finds the others gone."""
    own = [one.get("datasetId") for one in instances if provenance(one).owner == API]
    return sorted(own, key=lambda dataset: dataset is None)


def append(edit: Edit, given: Fragment, *, overwrite: bool = True) -> Outcome:
    """Add instances; those that are there are replaced, or left where `overwrite` is False (NGSI-LD 5.6.3, 5.6.9).

    Scopes are replaced, or added to what is there (4.18). Types are added (4.16). A Null deletes its instance.
    """
    outcome = Outcome()
    edit.describe("type", union(edit.types, given.types))
    if given.scope == NULL:
        edit.describe(SCOPE, None)
    elif given.scope is not None:
        edit.describe(SCOPE, list(given.scope) if overwrite else union(edit.document.get(SCOPE, ()), given.scope))
    put_expiry(edit, given)
    for attribute, instances in given.attrs.items():
        require_apart(edit.id, attribute, instances)
        for instance in instances:
            if reason := put_one(edit, attribute, instance, overwrite):
                outcome.left.append((attribute, reason))
            else:
                outcome.updated[attribute] = None
    return outcome


def put_one(edit: Edit, attribute: str, instance: Instance, overwrite: bool) -> str | None:
    """Put an instance, or delete what a Null names; the reason where neither is done."""
    there = edit.instance(attribute, instance.get("datasetId")) is not None
    if deletes(instance):
        if not there:
            return NOT_THERE
        edit.remove(attribute, instance.get("datasetId"))
    elif there and not overwrite:
        return THERE
    else:
        edit.put(attribute, instance)
    return None


def update(edit: Edit, given: Fragment) -> Outcome:
    """Replace instances whole, and add those that are not there; scopes are replaced only (NGSI-LD 5.6.2, 4.18)."""
    if given.scope is None or SCOPE in edit.document:
        return append(edit, given)
    outcome = append(edit, Fragment(given.attrs, given.types, None, given.expires_at))
    outcome.left.append((SCOPE, NO_SCOPE))
    return outcome


def put_expiry(edit: Edit, given: Fragment) -> None:
    if given.expires_at is not None:
        edit.describe("expiresAt", None if given.expires_at == NULL else given.expires_at)


def merge(edit: Edit, given: Fragment, how: Merging) -> Outcome:
    """Merge a fragment into the entity, down to the members of values (NGSI-LD 5.6.17, 5.5.12)."""
    outcome = Outcome()
    edit.describe("type", union(edit.types, given.types))
    if given.scope is not None:
        edit.describe(SCOPE, None if given.scope == NULL else list(given.scope))
    put_expiry(edit, given)
    for attribute, parts in given.attrs.items():
        require_apart(edit.id, attribute, parts)
        for part in parts:
            dataset = part.get("datasetId")
            old = edit.instance(attribute, dataset)
            new = merged(old, part, how, attribute)
            if new is not None:
                edit.put(attribute, new)
            elif old is not None:
                edit.remove(attribute, dataset)
            outcome.updated[attribute] = None
    return outcome


def update_attribute(edit: Edit, attribute: str, part: Instance) -> Outcome:
    """Put the members that are given in place of those of one instance (NGSI-LD 5.6.4, 5.5.8). Raises Missing."""
    dataset = part.get("datasetId")
    new = updated(instance_at(edit, attribute, dataset), part, attribute)
    if new is None:
        edit.remove(attribute, dataset)
    else:
        edit.put(attribute, new)
    return Outcome({attribute: None})


def replace_attribute(edit: Edit, attribute: str, instances: Sequence[Instance]) -> Outcome:
    """Put instances in place of those with their datasetIds (NGSI-LD 5.6.19). Raises Missing where one is not there."""
    for instance in instances:
        instance_at(edit, attribute, instance.get("datasetId"))
    return put_all(edit, {attribute: instances})


def delete_attribute(edit: Edit, attribute: str, dataset: str | None, everything: bool) -> Outcome:
    """Delete a client's instance of an attribute, or all of its instances (NGSI-LD 5.6.5); also the scope (4.18).

    Lifting a pin lets the rule apply again. Raises Missing where there is nothing, Refused where all is a source's.
    """
    if attribute == SCOPE:
        if SCOPE not in edit.document:
            raise Missing(NO_SCOPE, where=edit.id)
        edit.describe(SCOPE, None)
        return Outcome({SCOPE: None})
    if not everything:
        instance_at(edit, attribute, dataset)
        edit.remove(attribute, dataset)
        return Outcome({attribute: None})
    if not edit.instances(attribute):
        raise no_instance(edit, attribute, None)
    if not edit.remove_own(attribute):
        owner = provenance(edit.instances(attribute)[0]).owner
        raise refused(attribute, owner, edit.id, "Write a value over it instead; the source's is kept beside it.")
    return Outcome({attribute: None})


def delete(desk: Desk, edit: Edit) -> Outcome:
    """Delete an entity that clients made; its history stays (NGSI-LD 5.6.6). Refused while a source keeps anything."""
    if (found := edit.owner()) is not None:
        raise refused(*found, edit.id, "It goes when the source withdraws its row.")
    for attribute, instances in edit.document["attrs"].items():
        for one in instances:
            edit.note(attribute, one.get("datasetId"), API, None)
    edit.changed = True
    desk.drop(edit)
    return Outcome(dict.fromkeys(edit.document["attrs"]))


def instance_at(edit: Edit, attribute: str, dataset: str | None) -> Instance:
    """The instance with this datasetId. Raises Missing."""
    found = edit.instance(attribute, dataset)
    if found is None:
        raise no_instance(edit, attribute, dataset)
    return found


def no_instance(edit: Edit, attribute: str, dataset: str | None) -> Missing:
    what = f"'{attribute}'" + (f" with datasetId {dataset}" if dataset else "")
    return Missing(f"The entity has no attribute {what}.", where=edit.id)


def union(some: Sequence[str], others: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*some, *others]))
