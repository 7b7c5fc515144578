"""One entity on its way to its next state: client instances put and taken, sources' own kept from clients' hands.

Nothing is written here: an edit lies on its commit's desk (see `pool.desk`), which saves all of them at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from landbridge.errors import InvalidEntity, Refused
from landbridge.model.answer import Document
from landbridge.model.claim import DATASET, Claims
from landbridge.model.entity import (
    API,
    PROVENANCE,
    SIMPLE,
    Instance,
    Instances,
    in_order,
    in_shape,
    instance_of,
    provenance,
    without_provenance,
)
from landbridge.model.instant import parse_instant
from landbridge.model.temporal import ENTITY
from landbridge.pool.erased import NOTHING, Erased
from landbridge.pool.pin import with_pin, without_pin
from landbridge.store.contract import Entry, Stored

ORDINARY = "Write a value over it instead; the source's is kept beside it."


class Note(NamedTuple):
    """A line for the journal: an instance that is set, or None for one that is gone."""

    attribute: str
    dataset: str | None
    owner: str
    instance: Instance | None


class Mark(NamedTuple):
    """Where an edit stood, to go back to when one of a batch's changes fails half way."""

    document: Document
    notes: int
    changed: bool


@dataclass
class Edit:
    """One entity on its way to its next state, with what the journal will say of it.

    `stored`: its row before, None where it is new. `document` may be changed at its top and in `attrs`; the lists of
    instances are replaced, never changed, for `before` shares them.
    """

    tenant: str
    claims: Claims
    number: int
    recorded: int
    document: Document
    stored: Stored | None = None
    notes: list[Note] = field(default_factory=list)
    changed: bool = False
    gone: bool = False
    erased: Erased = NOTHING  # what must not come back
    was: dict[str, Any] = field(init=False)  # what the entity itself was before

    def __post_init__(self) -> None:
        self.was = about_of(self.document)

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def types(self) -> list[str]:
        found: list[str] = self.document["type"]
        return found

    def instances(self, attribute: str) -> Instances:
        found: Instances = self.document["attrs"].get(attribute, [])
        return found

    def instance(self, attribute: str, dataset: str | None) -> Instance | None:
        return instance_of(self.instances(attribute), dataset)

    def mark(self) -> Mark:
        return Mark({**self.document, "attrs": dict(self.document["attrs"])}, len(self.notes), self.changed)

    def back_to(self, mark: Mark) -> None:
        self.document, self.changed = mark.document, mark.changed
        del self.notes[mark.notes :]

    def keep(self, attribute: str, instances: Instances) -> None:
        if instances:
            self.document["attrs"][attribute] = instances
        else:
            self.document["attrs"].pop(attribute, None)

    def note(self, attribute: str, dataset: str | None, owner: str, instance: Instance | None) -> None:
        """Add a line to the journal."""
        self.notes.append(Note(attribute, dataset, owner, instance))
        self.changed = True

    def put(self, attribute: str, given: Instance) -> None:
        """Write a client's instance in place of the one with its datasetId. Refused where a source owns that."""
        self.erased.require_instance(self.tenant, self.id, attribute, given, self.recorded)
        dataset = given.get("datasetId")
        require_own(self, attribute, dataset)
        before = self.instances(attribute)
        old = instance_of(before, dataset)
        created = provenance(old).created if old else self.recorded
        plain = {name: member for name, member in given.items() if name != SIMPLE}
        stamped = in_shape({**plain, PROVENANCE: [API, self.number, created, self.recorded, None, None]})
        if dataset is None:
            self.keep(attribute, with_pin(before, stamped))
        else:
            self.keep(attribute, in_order([*(one for one in before if one is not old), stamped]))
        self.note(attribute, dataset, API, stamped)

    def remove(self, attribute: str, dataset: str | None) -> None:
        """Take a client's instance away; under a pin the rule applies again. Refused where it is a source's."""
        before = self.instances(attribute)
        there = instance_of(before, dataset)
        if there is not None and (owner := provenance(there).owner) != API:
            raise refused(attribute, owner, self.id, ORDINARY)
        self.note(attribute, dataset, API, None)
        if dataset is not None:
            self.keep(attribute, [one for one in before if one.get("datasetId") != dataset])
            return
        rivals = self.claims.rivals(self.tenant, self.types, attribute)
        rule = self.claims.rule(self.types, attribute)
        after = without_pin(before, self.claims, rivals, rule, self.recorded)
        self.keep(attribute, after)
        chosen = instance_of(after, None)
        if chosen is not None and not rivals:  # the rule's choice is no entry of its own: it follows from the claims
            self.note(attribute, None, provenance(chosen).owner, chosen)

    def remove_own(self, attribute: str) -> bool:
        """Take all of a client's instances away; whether there were any."""
        own = [one.get("datasetId") for one in self.instances(attribute) if provenance(one).owner == API]
        for dataset in sorted(own, key=lambda dataset: dataset is None):
            self.remove(attribute, dataset)
        return bool(own)

    def owner(self) -> tuple[str, str] | None:
        """An attribute that a source keeps here, and that source; None where all is the clients'."""
        for attribute, instances in self.document["attrs"].items():
            for one in instances:
                if (owner := provenance(one).owner) != API:
                    return attribute, owner
        return None

    def describe(self, name: str, value: object) -> None:
        """Set a member of the entity itself (type, scope, expiresAt), or take it away with None."""
        if self.document.get(name) == value:
            return
        self.changed = True
        if value is None:
            self.document.pop(name, None)
        else:
            self.document[name] = value

    def entries(self, key: int, first: int) -> list[Entry]:
        """What the journal is to say, its lines numbered from `first`; what befell the entity itself comes last."""
        found = [entry(key, ordinal, note) for ordinal, note in enumerate(self.notes, first)]
        befell = self.befell()
        if befell is not None:
            found.append(about(key, first + len(found), API, *befell))
        return found

    def befell(self) -> tuple[str, dict[str, Any]] | None:
        """What befell the entity itself, as an operation of the journal; None where its attributes' lines say it all.

        A new entity of one type with nothing but attributes is made by the first of their lines.
        """
        if self.gone:
            return "delete", {}
        now = about_of(self.document)
        if self.stored is None:
            plain = self.document["attrs"] and len(self.types) == 1 and len(now) == 1
            return None if plain else ("create", now)
        return None if now == self.was else ("describe", now)


def about_of(document: Document) -> dict[str, Any]:
    """What an entity is beside its attributes, as the journal tells it."""
    found: dict[str, Any] = {"type": list(document["type"])}
    return found | {name: document[name] for name in ("scope", "expiresAt") if document.get(name)}


def about(key: int, ordinal: int, owner: str, operation: str, told: Mapping[str, Any]) -> Entry:
    """A line about an entity itself: that it is made, described anew or deleted."""
    text = orjson.dumps(told).decode() if told else None
    return Entry(key, ENTITY, ordinal, None, owner, None, operation, text)


def entry(key: int, ordinal: int, note: Note) -> Entry:
    instance = note.instance
    observed = instance.get("observedAt") if instance else None
    text = orjson.dumps(without_provenance(instance)).decode() if instance else None
    return Entry(
        key, note.attribute, ordinal, note.dataset, note.owner,
        parse_instant(observed) if observed else None, "set" if instance else "delete", text,
    )  # fmt: skip


def require_apart(id_: str, attribute: str, given: Sequence[Instance]) -> None:
    """Refuse one datasetId given twice."""
    datasets = [instance.get("datasetId") for instance in given]
    if len(set(datasets)) < len(datasets):
        raise InvalidEntity(
            f"Attribute '{attribute}' has two instances with the same datasetId, or none.",
            where=id_,
            hint="Give each its own datasetId.",
        )


def require_own(edit: Edit, attribute: str, dataset: str | None) -> None:
    """Refuse an instance that a source owns by its datasetId."""
    if dataset is not None and (owner := owner_of(edit, attribute, dataset)):
        hint = "Write the instance without datasetId; it stands over the source's."
        raise refused(attribute, owner, edit.id, hint)


def owner_of(edit: Edit, attribute: str, dataset: str) -> str | None:
    """The source to which an instance belongs, by what is stored or by the city's folder."""
    there = edit.instance(attribute, dataset)
    if there is not None and provenance(there).owner != API:
        return provenance(there).owner
    source = dataset.removeprefix(DATASET)
    feeds = (edit.claims.feeds.get((edit.tenant, type_, attribute), ()) for type_ in edit.types)
    return source if dataset.startswith(DATASET) and any(source in sources for sources in feeds) else None


def refused(attribute: str, owner: str, id_: str, hint: str) -> Refused:
    return Refused(f"This instance of '{attribute}' belongs to the source '{owner}'.", where=id_, hint=hint)
