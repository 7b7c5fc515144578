"""Who gets what of a write: the sources that hold an entity or some of its attributes, and what stays here.

NGSI-LD 4.3.6.2 and 4.3.6.3: an exclusive source takes its attributes away, redirect sources take theirs away together,
an inclusive one gets a copy of what is left, an auxiliary one nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from landbridge.federation.offer import Names, Offer


@dataclass(frozen=True)
class Share:
    """What one source gets: attributes by their stored names (None: the entity as a whole)."""

    offer: Offer
    names: Names
    able: bool
    looping: bool = False

    @property
    def alone(self) -> bool:
        """Whether nobody but this kind of source holds it."""
        return self.offer.mode in ("exclusive", "redirect")


@dataclass(frozen=True)
class Division:
    """The shares of a write, and what is done here: the attributes that are left (None: all), or nothing at all."""

    shares: tuple[Share, ...]
    rest: Names
    here: bool = True


def divided(
    offers: Sequence[Offer],
    operations: Sequence[str],
    id_: str,
    types: Iterable[str] | None,
    names: Iterable[str] | None,
    via: Iterable[str] = (),
    back: bool = False,
) -> Division:
    """Divide a write on one entity.

    `operations`: one of them makes a source able. `names`: the attributes that it is about, None where it is about
    the entity as a whole. `via`: brokers that the request has passed; `back`: this one is among them.
    """
    known = None if types is None else tuple(types)
    meant = [(offer, own) for offer in offers if (own := offer.names_of(id_, known)) is not False]
    came = frozenset(via)
    whole = names is None
    rest = frozenset(names or ())
    shares: list[Share] = []
    taken = False
    for mode in ("exclusive", "redirect", "inclusive"):
        left = rest
        for offer, own in meant:
            mine = rest & own if isinstance(own, frozenset) else rest
            if offer.mode != mode or not (whole or mine or (own is None and not rest and not taken)):
                continue
            looping = back or (offer.alias is not None and offer.alias in came)
            able = offer.may(*operations)
            if mode == "inclusive" and (looping or not able):
                continue
            shares.append(Share(offer, None if whole else mine, able, looping))
            if mode != "inclusive":
                taken = True
                left -= mine
        rest = left
    return Division(tuple(shares), None if whole else rest, whole or bool(rest) or not taken)
