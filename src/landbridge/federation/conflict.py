"""Which registrations cannot stand beside each other, or over what is here already (NGSI-LD 4.3.6.3, 5.9.2.4)."""

from collections.abc import Iterable

from landbridge.errors import Conflicting
from landbridge.federation.offer import About, Information, Offer
from landbridge.model.query import Has, Or, Query
from landbridge.pool.pool import Actor, Pool

ALONE = "exclusive"
PROXIES = frozenset({"exclusive", "redirect"})


def check_others(new: Offer, others: Iterable[Offer]) -> None:
    """Raise Conflicting where one of the two is exclusive, and the other proxies the same attributes of an entity."""
    if new.mode not in PROXIES:
        return
    for other in others:
        if other.mode in PROXIES and ALONE in (new.mode, other.mode) and overlap(new, other):
            raise Conflicting(
                f"The registration {other.id} is {other.mode}, and has the same attributes of the same entity.",
                where=new.id,
                hint="Delete it first, or register other attributes.",
            )


def overlap(one: Offer, other: Offer) -> bool:
    return any(common(mine, theirs) for mine in one.informations for theirs in other.informations)


def common(one: Information, other: Information) -> bool:
    """Whether two informations share an attribute of an entity; one of them names its entities by id."""
    if one.names is not None and other.names is not None and not one.names & other.names:
        return False
    if not one.entities or not other.entities:
        return True
    return any(same(mine, theirs) for mine in one.entities for theirs in other.entities)


def same(one: About, other: About) -> bool:
    if not one.types & other.types:
        return False
    named, against = (one, other) if one.id is not None else (other, one)
    return named.id is None or against.has_id(named.id)


def check_entities(pool: Pool, actor: Actor, offer: Offer) -> None:
    """Raise Conflicting where an entity here is already what a redirect or exclusive source is to hold alone."""
    if offer.mode not in PROXIES:
        return
    for information in offer.informations:
        for about in information.entities:
            held = pool.query(actor, question(offer, information, about)).documents
            if held:
                raise Conflicting(
                    f"The entity {held[0]['id']} is here already, and the registration is {offer.mode}.",
                    where=offer.id,
                    hint="Delete the entity or these attributes of it first.",
                )


def question(offer: Offer, information: Information, about: About) -> Query:
    """Which entities here the source would hold, too."""
    types = tuple(Has(name) for name in sorted(about.types))
    return Query(
        tenant=offer.tenant,
        types=types[0] if len(types) == 1 else Or(types),
        ids=(about.id,) if about.id is not None else (),
        id_pattern=about.pattern if about.id is None else None,
        attrs=tuple(sorted(information.names or ())),
        limit=1,
    )
