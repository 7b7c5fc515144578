"""How what a source says enters an entity's document: time order, claims, the rule's choice, pins.

This is the one place where DESIGN 4.2 to 4.5 become a list of instances; a stream's single message and a row of a
bulk load that meets an entity already there both come through `Absorber.place`.

The rule chooses among the claims that hold at the commit's recorded time. So data of 2020 that is pulled in 2026 is
judged as of 2026: a claim that was to hold for two days has lapsed, one that holds until its source's next has not,
and where all have lapsed those that held last are left to choose from. The choice depends on nothing but the claims
that stand and that moment, so the order in which sources were pulled leaves no trace. No clock runs in the store:
a claim that lapses later changes nothing until one of the attribute's sources speaks again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from landbridge.model.claim import FOREVER, Claim, ClaimRule, Claims, choose, dataset_of
from landbridge.model.entity import API, KINDS, PROVENANCE, Instance
from landbridge.model.instant import parse_instant

Placed = list[Any]  # instances as dicts, the one just made as an orjson.Fragment
REMEMBERED = 65_536  # times whose text has been read


class Item(NamedTuple):
    """What one row says of one attribute.

    `head` and `tail` are the instance's JSON before and after the place of its datasetId, without closing brace;
    `head` None removes the instance. `observed` in microseconds. `anew`: the same delivery has said something without
    a time just before, so that nothing from before the delivery counts as later.
    """

    attribute: str
    dataset: str | None
    observed: int | None
    head: str | None
    tail: str
    value: Any
    row: int | None
    anew: bool = False


@dataclass(frozen=True)
class Standing:
    """How an attribute of some types is kept: its rival sources (none: one value), the rule, who writes where."""

    rivals: tuple[str, ...]
    rule: ClaimRule
    claim: str  # the datasetId of the writer's own claim
    lapsing: bool  # whether any of the rivals' claims ends by itself


@dataclass
class Absorber:
    """Puts one source's items into documents, in one commit."""

    owner: str
    run: int
    number: int
    recorded: int
    claims: Claims
    tenant: str
    standings: dict[tuple[tuple[str, ...], str], Standing] = field(default_factory=dict)
    instants: dict[str, int] = field(default_factory=dict)
    before: str = field(init=False)
    marked: str = field(init=False)

    def __post_init__(self) -> None:
        self.before = f',"{PROVENANCE}":[{orjson.dumps(self.owner).decode()},{self.number},'
        self.marked = f',"datasetId":{orjson.dumps(dataset_of(self.owner)).decode()}'

    def standing(self, types: tuple[str, ...], attribute: str) -> Standing:
        """How the attribute is kept, by the city's folder alone."""
        found = self.standings.get((types, attribute))
        if found is None:
            rivals = self.claims.rivals(self.tenant, types, attribute)
            lapsing = any(self.claims.holds.get(source) is not None for source in rivals)
            found = Standing(rivals, self.claims.rule(types, attribute), dataset_of(self.owner), lapsing)
            self.standings[types, attribute] = found
        return found

    def place(self, types: tuple[str, ...], instances: Sequence[Instance], item: Item) -> Placed | None:
        """The attribute's instances with the item in its place; None where it belongs to history alone."""
        standing = self.standing(types, item.attribute)
        target = self.target(standing, instances, item)
        own = None
        for instance in instances:
            if instance.get("datasetId") == target:
                own = instance
                break
        if own is not None and self.is_late(own, item):
            return None
        if item.head is None:
            return self.without(standing, instances, own)
        created = own[PROVENANCE][2] if own is not None else self.recorded
        stamp = f"{self.before}{created},{self.recorded},{self.run},{'null' if item.row is None else item.row}]}}"
        if target is None:
            return [orjson.Fragment(item.head + item.tail + stamp), *(one for one in instances if "datasetId" in one)]
        if standing.rivals:
            return self.with_claim(standing, instances, item, stamp)
        mark = self.marked if item.dataset is None else f',"datasetId":{orjson.dumps(target).decode()}'
        made = orjson.Fragment(item.head + mark + item.tail + stamp)
        others = [one for one in instances if one is not own]
        at = sum(one.get("datasetId", "") < target for one in others)
        return [*others[:at], made, *others[at:]]

    def target(self, standing: Standing, instances: Sequence[Instance], item: Item) -> str | None:
        """The datasetId under which the item is kept."""
        if standing.rivals:
            return standing.claim
        if item.dataset is not None:
            return item.dataset
        return standing.claim if instances and is_pinned(instances) else None

    def is_late(self, own: Instance, item: Item) -> bool:
        """Whether the same source has said something observed later; without times the later recorded stands."""
        if item.observed is None or item.anew or own[PROVENANCE][0] != self.owner:
            return False
        observed = own.get("observedAt")
        return observed is not None and item.observed < self.instant(observed)

    def instant(self, text: str) -> int:
        found = self.instants.get(text)
        if found is None:
            if len(self.instants) > REMEMBERED:
                self.instants.clear()
            found = self.instants[text] = parse_instant(text)
        return found

    # -- rivals

    def with_claim(self, standing: Standing, instances: Sequence[Instance], item: Item, stamp: str) -> Placed:
        """The writer's claim among the others, and before them the rule's choice or the pin."""
        head, tail = str(item.head), item.tail
        claim = orjson.Fragment(head + self.marked + tail + stamp)
        others = self.others(standing, instances)
        at = 0
        for one in others:
            at += one["datasetId"] < standing.claim
        claims = [*others[:at], claim, *others[at:]]
        if is_pinned(instances):
            return [instances[0], *claims]
        chosen = self.choice(standing, others, item)
        if chosen is None:
            return [orjson.Fragment(head + tail + stamp), *claims]
        return [{name: member for name, member in chosen.items() if name != "datasetId"}, *claims]

    def others(self, standing: Standing, instances: Sequence[Instance]) -> list[Instance]:
        """The instances beside the writer's own; a value from before there were rivals becomes its source's claim."""
        others = [one for one in instances if "datasetId" in one and one["datasetId"] != standing.claim]
        first = instances[0] if instances else None
        if first is not None and "datasetId" not in first:
            owner = first[PROVENANCE][0]
            known = owner in (API, self.owner) or any(one["datasetId"] == dataset_of(owner) for one in others)
            if not known:
                others.append(marked(first, dataset_of(owner)))
                others.sort(key=lambda one: str(one["datasetId"]))
        return others

    def choice(self, standing: Standing, others: Sequence[Instance], item: Item | None) -> Instance | None:
        """The other claim that the rule chooses; None where the item is chosen."""
        rivals = [one for one in others if one["datasetId"] == dataset_of(one[PROVENANCE][0])]
        return self.best(standing, rivals, item) if rivals else None

    def best(self, standing: Standing, rivals: Sequence[Instance], item: Item | None) -> Instance | None:
        """Which of these claims (one at least, each of another source) the rule chooses; None: the item."""
        rule = standing.rule
        if rule.rule == "priority" and not standing.lapsing:
            best = min(rivals, key=lambda one: rule.rank(one[PROVENANCE][0]))
            rank = rule.rank(best[PROVENANCE][0])
            if item is not None and rule.rank(self.owner) < rank:
                return None
            if rank < len(rule.order):
                return best
        offered = {one[PROVENANCE][0]: one for one in rivals}
        claims = [self.claim(source, value_in(one), self.since(one)) for source, one in offered.items()]
        if item is not None:
            observed = self.recorded if item.observed is None else item.observed
            claims.append(self.claim(self.owner, item.value, observed))
        return offered.get(choose(claims, rule, self.recorded).source)

    def claim(self, source: str, value: Any, since: int) -> Claim:
        hold = self.claims.holds.get(source)
        return Claim(source, value, since, FOREVER if hold is None else since + hold)

    def since(self, instance: Mapping[str, Any]) -> int:
        """When a claim begins: its observedAt, else when it was recorded."""
        observed = instance.get("observedAt")
        return int(instance[PROVENANCE][3]) if observed is None else self.instant(observed)

    # -- taking away

    def without(self, standing: Standing, instances: Sequence[Instance], own: Instance | None) -> Placed:
        """The instances without this one of the writer's; the rule chooses among what is left."""
        if own is None or own[PROVENANCE][0] != self.owner:
            return list(instances)
        left = [one for one in instances if one is not own]
        if not standing.rivals or is_pinned(instances):
            return left
        others = [one for one in left if "datasetId" in one]
        chosen = self.choice(standing, others, None)
        return others if chosen is None else [unmarked(chosen), *others]


def is_pinned(instances: Sequence[Instance]) -> bool:
    """Whether a client's value stands as the default."""
    first = instances[0] if instances else None
    return first is not None and "datasetId" not in first and first[PROVENANCE][0] == API


def value_in(instance: Mapping[str, Any]) -> Any:
    return instance[KINDS[instance["type"]]]


def marked(instance: Instance, dataset: str) -> Instance:
    """An instance under a datasetId, its members in their order."""
    before = ("type", *KINDS.values(), "unitCode", "observedAt")
    found = {name: member for name, member in instance.items() if name in before}
    found["datasetId"] = dataset
    return found | {name: member for name, member in instance.items() if name not in found}


def unmarked(instance: Instance) -> Instance:
    return {name: member for name, member in instance.items() if name != "datasetId"}
