"""One changed entity as a subscription is to see it: attributes that are gone as NGSI-LD Null, values that were before.

NGSI-LD 5.8.6 (what is notified), 5.2.14 (showChanges, sysAttrs, pick, omit), 4.5.5 (datasetId), 4.5.0 (Null).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from landbridge.model.answer import Document
from landbridge.model.entity import KINDS, PROVENANCE, Instance, Instances, in_order, instance_of
from landbridge.model.instant import format_instant
from landbridge.model.subscription import Change, Moved, Shape, Subscription
from landbridge.model.terms import Terms

NULL = "urn:ngsi-ld:null"
NULLS: Mapping[str, Any] = {
    "LanguageProperty": {"@none": NULL},
    "ListProperty": [NULL],
    "ListRelationship": [{"object": NULL}],
}
NONE = "@none"  # the datasetId of instances that have none
PREVIOUS = {member: "previous" + member[0].upper() + member[1:] for member in dict.fromkeys(KINDS.values())}
HEAD = ("id", "type", "scope", "createdAt", "modifiedAt", "deletedAt")

Place = tuple[str, str | None]  # attribute, datasetId


@dataclass
class View:
    """A document to render, and what is added to its attributes once they are rendered."""

    document: Document
    previous: dict[Place, Instance] = field(default_factory=dict)
    deleted: set[Place] = field(default_factory=set)
    gone: int | None = None  # when the entity was deleted


def view_of(subscription: Subscription, change: Change, moved: Sequence[Moved]) -> View:
    """What one change looks like to a subscription."""
    shape = subscription.shape
    document = dict(change.document)
    document["createdAt"], document["modifiedAt"] = change.created, change.modified
    attrs = {} if change.after is None else {name: list(found) for name, found in document["attrs"].items()}
    found = View(document, gone=change.recorded if change.after is None else None)
    for one in moved:
        if one.kind == "deleted" and shows_deleted(subscription, change, one):
            put_null(found, attrs, one)
        if shape.changes and one.before is not None:
            found.previous[one.attribute, one.dataset] = one.before
    if shape.changed_only:
        names = {one.attribute for one in moved}
        attrs = {name: instances for name, instances in attrs.items() if name in names}
    document["attrs"] = chosen(attrs, shape)
    return found


def plain_view(document: Document, shape: Shape) -> View:
    """An entity as it is, in which nothing changed: what a periodic notification shows."""
    return View({**document, "attrs": chosen(document["attrs"], shape)})


def shows_deleted(subscription: Subscription, change: Change, one: Moved) -> bool:
    """Whether an attribute that is gone is shown as Null."""
    if subscription.watched and one.attribute not in subscription.watched:
        return False
    if change.after is None and subscription.shape.changes:
        return True
    triggers = subscription.triggers
    return "attributeDeleted" in triggers or ("entityUpdated" in triggers and change.after is not None)


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


def chosen(attrs: Mapping[str, Instances], shape: Shape) -> dict[str, Instances]:
    """The attributes and instances that are wanted."""
    found: dict[str, Instances] = {}
    for name, instances in attrs.items():
        if shape.attributes is not None and name not in shape.attributes:
            continue
        if (shape.pick and name not in shape.pick) or name in shape.omit:
            continue
        kept = [one for one in instances if not shape.datasets or one.get("datasetId", NONE) in shape.datasets]
        if kept:
            found[name] = kept
    return found


# -- after rendering


def decorate(shown: dict[str, Any], view: View, shape: Shape, terms: Terms) -> None:
    """Add to rendered members what was before and when it went; leave out of the head what is not picked."""
    for (name, dataset), before in view.previous.items():
        one = rendered(shown, terms.compact(name), dataset, view.document["attrs"].get(name, ()))
        if one is not None:
            member = KINDS[before["type"]]
            one[PREVIOUS[member]] = before[member] if member != "vocab" else words(before[member], terms)
    if view.gone is not None:
        shown["deletedAt"] = format_instant(view.gone)
        for name, dataset in view.deleted if shape.system else ():
            one = rendered(shown, terms.compact(name), dataset, view.document["attrs"].get(name, ()))
            if one is not None:
                one["deletedAt"] = shown["deletedAt"]
    elif shape.system:
        mark_deleted(shown, view, terms)
    for name in HEAD:
        if (shape.pick and name not in shape.pick) or name in shape.omit:
            shown.pop(name, None)


def mark_deleted(shown: dict[str, Any], view: View, terms: Terms) -> None:
    """Say of each attribute that is gone when it went: with the change that is told."""
    for name, dataset in view.deleted:
        one = rendered(shown, terms.compact(name), dataset, view.document["attrs"].get(name, ()))
        if one is not None:
            one["deletedAt"] = format_instant(view.document["modifiedAt"])


def words(given: Any, terms: Terms) -> Any:
    return [terms.compact(word) for word in given] if isinstance(given, list) else terms.compact(given)


def rendered(
    shown: dict[str, Any], name: str, dataset: str | None, instances: Sequence[Instance]
) -> dict[str, Any] | None:
    """The rendered instance of an attribute; a bare value of the concise form becomes an object. None: not shown."""
    if name not in shown or instance_of(instances, dataset) is None:
        return None
    found = shown[name]
    if isinstance(found, list) and len(instances) > 1:
        found = next((one for one in found if one.get("datasetId") == dataset), None)
        return found if isinstance(found, dict) else None
    if not is_member(found):
        found = shown[name] = {"value": found}
    return found if isinstance(found, dict) else None


def is_member(given: Any) -> bool:
    """Whether something rendered is an attribute with its members, not a bare value."""
    return isinstance(given, dict) and any(member in given for member in PREVIOUS)
