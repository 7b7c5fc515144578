"""What a subscriber asks for, and what happened to an entity: the closed shapes that matching works on.

NGSI-LD 5.2.12 (Subscription), 5.2.14 (NotificationParams), 5.2.15 (Endpoint), 5.8.6 (notification behaviour). Names of
types and attributes are stored names; durations are seconds, moments microseconds since 1970.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from landbridge.model.answer import Document
from landbridge.model.entity import Instance, Instances, instance_of, without_provenance
from landbridge.model.projection import Projection
from landbridge.model.query import Near, Node, Scope, Selector, Spatial
from landbridge.model.renderer import Form
from landbridge.model.version import Version

TRIGGERS = (
    "entityCreated", "entityUpdated", "entityDeleted", "attributeCreated", "attributeUpdated", "attributeDeleted",
)  # fmt: skip
USUAL_TRIGGERS = ("attributeCreated", "attributeUpdated")
#: what entityUpdated is equivalent to (table 5.2.12-1)
ENTITY_UPDATED = frozenset({"attributeCreated", "attributeUpdated", "attributeDeleted"})
SYSTEM_TIMEOUT = 10.0
Kind = Literal["created", "updated", "deleted"]


@dataclass(frozen=True)
class Endpoint:
    """Where notifications go. `receiver`: headers for the receiver; `notifier`: how MQTT is spoken."""

    uri: str
    accept: str = "application/json"
    receiver: tuple[tuple[str, str], ...] = ()
    notifier: tuple[tuple[str, str], ...] = ()
    timeout: float = SYSTEM_TIMEOUT
    cooldown: float = 0.0


@dataclass(frozen=True)
class Shape:
    """How the entities of a notification look. `context` is the @context that its names are compacted with."""

    form: Form = "normalized"
    attributes: tuple[str, ...] | None = None
    pick: Projection | None = None
    omit: Projection | None = None
    datasets: tuple[str, ...] | None = None
    languages: tuple[str, ...] = ()
    system: bool = False
    changes: bool = False  # with previous values
    changed_only: bool = False  # without attributes that stayed as they were
    join: str | None = None
    join_level: int = 1
    context: Any = None
    version: Version | None = None  # of NGSI-LD, that the receiver knows (ngsildConformance)


@dataclass(frozen=True)
class Subscription:
    """A subscription as matching and delivery need it. `since`: the commit from which on changes count."""

    tenant: str
    id: str
    endpoint: Endpoint
    selectors: tuple[Selector, ...] = ()
    watched: frozenset[str] = frozenset()
    triggers: frozenset[str] = frozenset(USUAL_TRIGGERS)
    where: Node | None = None
    geo: Near | Spatial | None = None
    scope: Scope | None = None
    shape: Shape = field(default_factory=Shape)
    interval: float | None = None
    throttling: float = 0.0
    expires: int | None = None
    active: bool = True
    since: int = 0

    @property
    def awaited(self) -> frozenset[str]:
        """The triggers, with those that entityUpdated stands for."""
        return self.triggers | ENTITY_UPDATED if "entityUpdated" in self.triggers else self.triggers

    def status(self, now: int) -> str:
        """active, paused or expired (5.2.12)."""
        if self.expires is not None and self.expires <= now:
            return "expired"
        return "active" if self.active else "paused"


class Moved(NamedTuple):
    """One attribute instance that a commit made, changed or removed. `before` None: it was not there."""

    attribute: str
    dataset: str | None
    kind: Kind
    before: Instance | None


@dataclass(frozen=True)
class Change:
    """What one commit did to one entity. `after` None: it is deleted; `modified` is when it was written last.

    `rank` grows with the commits and with the order within one; `rank >> 24` is the commit's number.
    """

    rank: int
    tenant: str
    id: str
    recorded: int
    created: int
    modified: int
    before: Document | None
    after: Document | None

    @property
    def commit(self) -> int:
        return self.rank >> 24

    @property
    def document(self) -> Document:
        """The entity as it is now, or as it was last."""
        found = self.after if self.after is not None else self.before
        assert found is not None
        return found

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(self.document["type"])

    def moved(self) -> list[Moved]:
        """The instances that are not as they were, by attribute."""
        before: Mapping[str, Instances] = self.before["attrs"] if self.before else {}
        after: Mapping[str, Instances] = self.after["attrs"] if self.after else {}
        found: list[Moved] = []
        for name in {**after, **before}:
            found += moved_in(name, before.get(name, []), after.get(name, []))
        return found

    @property
    def reshaped(self) -> bool:
        """Whether the entity stays, with other types or scopes."""
        if self.before is None or self.after is None:
            return False
        return any(self.before.get(name) != self.after.get(name) for name in ("type", "scope"))


def moved_in(name: str, before: Sequence[Instance], after: Sequence[Instance]) -> list[Moved]:
    """What happened to one attribute's instances."""
    if before == after:
        return []
    found: list[Moved] = []
    for one in after:
        dataset = one.get("datasetId")
        old = instance_of(before, dataset)
        if old is None:
            found.append(Moved(name, dataset, "created", None))
        elif differs(old, one):
            found.append(Moved(name, dataset, "updated", old))
    for old in before:
        if instance_of(after, old.get("datasetId")) is None:
            found.append(Moved(name, old.get("datasetId"), "deleted", old))
    return found


def differs(old: Instance, new: Instance) -> bool:
    """Whether an instance was updated: some member of it, or of what is below, has another value (5.8.6)."""
    return old != new and without_provenance(old) != without_provenance(new)


def fires(subscription: Subscription, change: Change, moved: Sequence[Moved]) -> bool:
    """Whether what happened is what the subscription waits for (5.2.12, notificationTrigger and watchedAttributes).

    Another type or scope is no change of an attribute; who waits for entityUpdated is told of it all the same.
    """
    watched, triggers = subscription.watched, subscription.awaited
    seen = [one for one in moved if not watched or one.attribute in watched]
    if not seen and (watched or (change.before is not None and change.after is not None and not change.reshaped)):
        return False
    if change.before is None and "entityCreated" in triggers:
        return True
    if change.after is None and "entityDeleted" in triggers:
        return True
    if change.reshaped and "entityUpdated" in triggers:
        return True
    return any(f"attribute{one.kind.capitalize()}" in triggers for one in seen)
