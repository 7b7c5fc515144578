"""One changed entity as a subscription is to see it: attributes that are gone as NGSI-LD Null, values that were before.

NGSI-LD 5.8.6 (what is notified), 5.2.14 (showChanges, sysAttrs, pick, omit), 4.5.5 (datasetId), 4.5.0 (Null).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from landbridge.model.answer import Document
from landbridge.model.entity import KINDS, PROVENANCE, Instance, Instances, in_order, instance_of
from landbridge.model.instant import format_instant
from landbridge.model.renderer import Rendering, chosen
from landbridge.model.subscription import Change, Moved, Subscription
from landbridge.model.terms import Terms

NULL = "urn:ngsi-ld:null"
NULLS: Mapping[str, Any] = {
    "LanguageProperty": {"@none": NULL},
    "ListProperty": [NULL],
    "ListRelationship": [{"object": NULL}],
}
PREVIOUS = {member: "previous" + member[0].upper() + member[1:] for member in dict.fromkeys(KINDS.values())}

Place = tuple[str, str | None]  # attribute, datasetId


@dataclass
class View:
    """A document to render, and what is added to its attributes once they are rendered."""

    document: Document
    previous: dict[Place, Instance] = field(default_factory=dict)
    deleted: set[Place] = field(default_factory=set)
    gone: int | None = None  # when the entity was deleted
    rank: int = -1  # of the change; what two views of one rank show differs in `deleted` alone


def view_of(subscription: Subscription, change: Change, moved: Sequence[Moved]) -> View:
    """What one change looks like to a subscription."""
    shape = subscription.shape
    document = dict(change.document)
    document["createdAt"], document["modifiedAt"] = change.created, change.modified
    attrs = {} if change.after is None else {name: list(found) for name, found in document["attrs"].items()}
    found = View(document, gone=change.recorded if change.after is None else None, rank=change.rank)
    for one in moved:
        if one.kind == "deleted" and shows_deleted(subscription, change, one):
            put_null(found, attrs, one)
        if shape.changes and one.before is not None:
            found.previous[one.attribute, one.dataset] = one.before
    if shape.changed_only:
        names = {one.attribute for one in moved}
        attrs = {name: instances for name, instances in attrs.items() if name in names}
    document["attrs"] = attrs
    return found


def shows_deleted(subscription: Subscription, change: Change, one: Moved) -> bool:
    """Whether an attribute that is gone is shown as Null."""
    if subscription.watched and one.attribute not in subscription.watched:
        return False
    if change.after is None and subscription.shape.changes:
        return True
    if change.after is None and "entityDeleted" in subscription.triggers:
        return False  # the entity's deletion is what is told, and deletedAt says it
    return "attributeDeleted" in subscription.awaited


def put_null(view: View, attrs: dict[str, Instances], one: Moved) -> None:
    """Put a Null where an instance was; where all instances of an attribute are gone, one stands for all."""
    assert one.before is not None
    there = attrs.get(one.attribute, [])
    if there and all(instance_value(other) == null_of(other["type"]) for other in there) and one.dataset is not None:
        return
    kind = one.before["type"]
    gone: Instance = {"type": kind, KINDS[kind]: null_of(kind), PROVENANCE: one.before[PROVENANCE]}
    if one.dataset is not None:
        gone["datasetId"] = one.dataset
    attrs[one.attribute] = in_order([*there, gone])
    view.deleted.add((one.attribute, one.dataset))


def null_of(kind: str) -> Any:
    return NULLS.get(kind, NULL)


def instance_value(instance: Instance) -> Any:
    return instance[KINDS[instance["type"]]]


# -- after rendering


def decorate(shown: dict[str, Any], view: View, how: Rendering) -> None:
    """Add to rendered members what was before, and when what is gone went."""
    for (name, dataset), before in view.previous.items():
        one = rendered(shown, name, dataset, view, how)
        if one is not None:
            member = KINDS[before["type"]]
            one[PREVIOUS[member]] = before[member] if member != "vocab" else words(before[member], how.terms)
    went = format_instant(view.document["modifiedAt"] if view.gone is None else view.gone)
    if view.gone is not None and (how.pick is None or "deletedAt" in how.pick.names):
        shown["deletedAt"] = went
    for name, dataset in view.deleted if how.system else ():
        one = rendered(shown, name, dataset, view, how)
        if one is not None:
            one["deletedAt"] = went


def words(given: Any, terms: Terms) -> Any:
    return [terms.compact(word) for word in given] if isinstance(given, list) else terms.compact(given)


def rendered(shown: dict[str, Any], name: str, dataset: str | None, view: View, how: Rendering) -> Any:
    """The rendered instance of an attribute; a bare value of the concise form becomes an object. None: not shown."""
    compact, instances = how.terms.compact(name), chosen(view.document["attrs"].get(name, ()), how)
    if compact not in shown or how.form == "simplified" or instance_of(instances, dataset) is None:
        return None
    found = shown[compact]
    if len(instances) > 1:
        return next((one for one in found if one.get("datasetId") == dataset), None)
    if not is_member(found):
        found = shown[compact] = {"value": found}
    return found


def is_member(given: Any) -> bool:
    """Whether something rendered is an attribute with its members, not a bare value."""
    return isinstance(given, dict) and any(member in given for member in PREVIOUS)
