"""An entity's document as the text that the store keeps: claims once each, and without what their owner tells already.

In a document each source's claim stands under `urn:ngsi-ld:Dataset:{source}`, and the rule's choice stands before them
once more as the default instance. Stored, a claim has no datasetId but a mark behind its provenance, CHOSEN or CLAIM,
and the chosen one is written once, in front. So an entity that three sources feed takes half the room, and the query
compiler finds the same instances in the same order: a default instance and its claim differ in nothing but datasetId.
Whatever is not shaped so (a client's pin, datasetIds of the mapping's own) is stored as it is.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import orjson

from landbridge.model.answer import Document
from landbridge.model.claim import DATASET
from landbridge.model.entity import API, PROVENANCE, Instance, Instances, in_shape

CHOSEN, CLAIM = "*", ""  # what follows a claim's provenance in the stored text
MARKED = 7  # members of a provenance with a mark


def fold(document: Mapping[str, Any]) -> str:
    """The text of a document: its id, types, scope and attributes."""
    kept = {name: document[name] for name in ("id", "type", "scope", "expiresAt") if name in document}
    kept["attrs"] = {name: folded(instances) for name, instances in document["attrs"].items()}
    return orjson.dumps(kept).decode()


def unfold(text: str) -> Document:
    """The document of a stored text."""
    found: Document = orjson.loads(text)
    attributes = found["attrs"]
    for name, instances in attributes.items():
        for one in instances:
            if is_marked(one):
                attributes[name] = unfolded(instances)
                break
    return found


def folded(instances: Sequence[Instance]) -> Sequence[Instance]:
    """An attribute's instances as they are stored."""
    if len(instances) == 1 and "datasetId" not in instances[0]:
        return instances
    own = [is_own(one) for one in instances]
    if not any(own):
        return instances
    named = [one["datasetId"] for one in instances if "datasetId" in one]
    if any(before >= after for before, after in pairwise(named)):
        return instances  # their order could not be told from the stored text
    first = instances[0]
    stored = [short(one, CLAIM) if its_own else one for one, its_own in zip(instances, own, strict=True)]
    if "datasetId" in first:
        return stored
    for place in range(1, len(instances)):
        if own[place] and same_but_dataset(first, instances[place]):
            return [short(instances[place], CHOSEN), *stored[1:place], *stored[place + 1 :]]
    return stored


def is_marked(one: Mapping[str, Any]) -> bool:
    """Whether an instance is a claim as it is stored."""
    return len(one.get(PROVENANCE, ())) == MARKED


def is_own(one: Instance) -> bool:
    """Whether an instance is a claim under its source's own datasetId."""
    provenance = one.get(PROVENANCE)
    if provenance is None or len(provenance) != MARKED - 1 or provenance[0] == API:
        return False
    return bool(one.get("datasetId") == f"{DATASET}{provenance[0]}")


def same_but_dataset(default: Instance, claim: Instance) -> bool:
    if default.get(PROVENANCE) != claim[PROVENANCE] or len(default) != len(claim) - 1:
        return False
    return orjson.dumps(default) == orjson.dumps({name: claim[name] for name in claim if name != "datasetId"})


def short(claim: Instance, mark: str) -> Instance:
    """A claim as it is stored."""
    found = dict(claim)
    del found["datasetId"]
    found[PROVENANCE] = [*found.pop(PROVENANCE), mark]
    return found


def unfolded(instances: Instances) -> Instances:
    """The instances that a stored list means."""
    found: Instances = []
    default = None
    for one in instances:
        provenance = one.get(PROVENANCE, ())
        if len(provenance) != MARKED:
            found.append(one)
            continue
        *plain, mark = provenance
        if mark == CHOSEN:
            default = {**one, PROVENANCE: plain}
        found.append(long(one, plain))
    if default is None:
        return found
    found.sort(key=lambda one: str(one["datasetId"]))
    return [default, *found]


def long(claim: Instance, provenance: list[Any]) -> Instance:
    """A claim under its datasetId, its members in their order."""
    last = PROVENANCE
    for last in claim:
        if last not in ("type", "value", "object", "unitCode", "observedAt"):
            break
    if last == PROVENANCE:
        del claim[PROVENANCE]
        claim["datasetId"] = f"{DATASET}{provenance[0]}"
        claim[PROVENANCE] = provenance
        return claim
    return in_shape({**claim, "datasetId": f"{DATASET}{provenance[0]}", PROVENANCE: provenance})
