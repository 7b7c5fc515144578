"""Which instance stands for an attribute: a client's pin, the rule's choice among claims, or the only value.

A client's write to the default instance stands over rule and source until a client deletes it (a pin). What the
sources say meanwhile is kept under `urn:ngsi-ld:Dataset:{source}`, also where one source alone feeds the attribute.
"""

from collections.abc import Iterable, Mapping, Sequence

from landbridge.model.claim import FOREVER, Claim, ClaimRule, Claims, choose, dataset_of
from landbridge.model.entity import API, Instance, Instances, in_order, in_shape, instance_of, provenance, value_of
from landbridge.model.instant import parse_instant


def since_of(instance: Mapping[str, object]) -> int:
    """When a claim begins: its observedAt, else when it was recorded."""
    observed = instance.get("observedAt")
    return parse_instant(observed) if isinstance(observed, str) else provenance(instance).modified


def holds_until(instance: Mapping[str, object], claims: Claims) -> int | None:
    """When a source's value lapses by its declared duration; None where it holds until the source's next."""
    hold = claims.holds.get(provenance(instance).owner)
    return None if hold is None else since_of(instance) + hold


def is_claim(instance: Mapping[str, object]) -> bool:
    """Whether an instance is what one source claims, kept under the source's own datasetId."""
    owner = provenance(instance).owner
    return owner != API and instance.get("datasetId") == dataset_of(owner)


def choice(instances: Iterable[Instance], claims: Claims, rule: ClaimRule, now: int) -> Instance | None:
    """The claim that the rule chooses now, as a default instance; None where there is no claim."""
    said: dict[str, Instance] = {provenance(one).owner: one for one in instances if is_claim(one)}
    if not said:
        return None
    offered = []
    for source, one in said.items():
        until = holds_until(one, claims)
        offered.append(Claim(source, value_of(one), since_of(one), FOREVER if until is None else until))
    return without_dataset(said[choose(offered, rule, now).source])


def without_dataset(instance: Instance) -> Instance:
    return {name: member for name, member in instance.items() if name != "datasetId"}


def with_pin(instances: Sequence[Instance], pin: Instance) -> Instances:
    """Put a client's default instance over what is there; a source's value goes under its own datasetId."""
    default = instance_of(instances, None)
    others = [one for one in instances if one is not default]
    if (
        default is not None
        and (owner := provenance(default).owner) != API
        and not instance_of(others, dataset_of(owner))
    ):
        others.append(in_shape({**default, "datasetId": dataset_of(owner)}))
    return in_order([pin, *others])


def without_pin(
    instances: Sequence[Instance], claims: Claims, rivals: Sequence[str], rule: ClaimRule, now: int
) -> Instances:
    """Lift a pin: the rule chooses again among the claims, or the one source's value is the default again."""
    default = instance_of(instances, None)
    others = [one for one in instances if one is not default]
    chosen = choice(others, claims, rule, now)
    if chosen is None:
        return in_order(others)
    said = [one for one in others if is_claim(one)]
    if len(said) == 1 and not rivals:
        others.remove(said[0])
    return in_order([chosen, *others])
