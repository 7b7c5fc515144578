"""Several sources' parts of one entity, put together (NGSI-LD 4.5.5, 4.3.6).

Of two instances with one `datasetId` the one observed later stands, else the one modified later, else the one named
first. What an exclusive or redirect source offers comes from nobody else; what an auxiliary one offers only fills gaps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from landbridge.federation.offer import Names
from landbridge.model.answer import Document
from landbridge.model.entity import Instance, Instances, in_order, provenance
from landbridge.model.instant import parse_instant


@dataclass(frozen=True)
class Part:
    """What one source has of an entity. `names`: the attributes that it offers (None: all)."""

    document: Document
    mode: str
    names: Names = None


def united(local: Document | None, parts: Sequence[Part]) -> Document | None:
    """The entity that the parts make; None where nobody has anything."""
    alone = {name for part in parts if part.mode == "exclusive" for name in part.document["attrs"]}
    held = [] if local is None else [local]
    proxied = [part.document for part in parts if part.mode == "redirect"]
    beside = [part.document for part in parts if part.mode == "inclusive"]
    only = [part.document for part in parts if part.mode == "exclusive"]
    aside = [part.document for part in parts if part.mode == "auxiliary"]
    whole = joined([without(document, alone) for document in (*held, *proxied, *beside)] + only)
    for document in aside:
        whole = filled(whole, document)
    return whole


def without(document: Document, names: Iterable[str]) -> Document:
    """A document without attributes that others own."""
    gone = set(names)
    if not gone & document["attrs"].keys():
        return document
    return {**document, "attrs": {name: one for name, one in document["attrs"].items() if name not in gone}}


def joined(documents: Sequence[Document]) -> Document | None:
    if not documents:
        return None
    whole = documents[0]
    for document in documents[1:]:
        whole = both(whole, document)
    return whole


def both(one: Document, other: Document) -> Document:
    """Two documents of one entity as one."""
    attrs = dict(one["attrs"])
    for name, instances in other["attrs"].items():
        attrs[name] = latest(attrs[name], instances) if name in attrs else instances
    return described(one, other) | {"attrs": attrs}


def filled(one: Document | None, other: Document) -> Document:
    """A document, and of the other only attributes that it lacks."""
    if one is None:
        return other
    return described(one, other) | {"attrs": {**other["attrs"], **one["attrs"]}}


def described(one: Document, other: Document) -> dict[str, Any]:
    """What stands beside the attributes: types and scopes of both, made first, modified last."""
    found: dict[str, Any] = {name: value for name, value in one.items() if name != "attrs"}
    found["type"] = list(dict.fromkeys([*one["type"], *other["type"]]))
    if "scope" in one or "scope" in other:
        found["scope"] = list(dict.fromkeys([*one.get("scope", ()), *other.get("scope", ())]))
    for name, choose in (("createdAt", min), ("modifiedAt", max)):
        times = [document[name] for document in (one, other) if name in document]
        if times:
            found[name] = choose(times)
    return found


def latest(one: Instances, other: Instances) -> Instances:
    """The instances of both, of each dataset the later one."""
    found: dict[str | None, Instance] = {instance.get("datasetId"): instance for instance in one}
    for instance in other:
        dataset = instance.get("datasetId")
        if dataset not in found or later(instance, found[dataset]):
            found[dataset] = instance
    return in_order(list(found.values()))


def later(one: Instance, other: Instance) -> bool:
    """Whether one instance stands over another (4.5.5.3): by its time of observation, else of modification."""
    for read in (observed, modified):
        mine, theirs = read(one), read(other)
        if mine != theirs and (mine is not None or theirs is not None):
            return theirs is None or (mine is not None and mine > theirs)
    return False


def observed(instance: Mapping[str, Any]) -> int | None:
    return parse_instant(instance["observedAt"]) if "observedAt" in instance else None


def modified(instance: Mapping[str, Any]) -> int | None:
    return provenance(instance).modified if "@" in instance else None
