"""The EntitySelectors of a question: what of them one source is asked for, and which entities they select.

NGSI-LD 5.2.33, 5.7.2.4. A source is asked for the selectors that are about what it offers, as one question that may
find more than they do; what comes is looked at again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from landbridge.federation.offer import Offer, Types
from landbridge.federation.pattern import matches
from landbridge.model.query import And, Has, Or, Query, Selector


def plain(query: Query, offer: Offer) -> Query | None:
    """The question without selectors, as far as it is about what a source offers; None where it is not."""
    if not query.selectors:
        return query
    meant = [
        one
        for selector in query.selectors
        if (one := among(selector, query.ids)) is not None
        and offer.narrowed(one.types, one.ids, one.id_pattern, query.attrs) is not None
    ]
    if not meant:
        return None
    first = meant[0]
    ids = [id_ for one in meant for id_ in one.ids] if all(one.ids for one in meant) else []
    pattern = first.id_pattern if all(one.id_pattern == first.id_pattern for one in meant) else None
    return replace(
        query,
        selectors=(),
        types=any_of([one.types for one in meant]),
        ids=tuple(dict.fromkeys(ids)),
        id_pattern=pattern,
    )


def among(selector: Selector, ids: Sequence[str]) -> Selector | None:
    """The selector of these ids alone (none given: of all); None where it selects none of them."""
    if not ids:
        return selector
    own = [id_ for id_ in ids if not selector.ids or id_ in selector.ids]
    return replace(selector, ids=tuple(own)) if own else None


def any_of(types: Sequence[Types]) -> Types:
    """An expression of types that holds where one of these does."""
    found = tuple(dict.fromkeys(one for one in types if one is not None))
    if len(found) < len(set(types)):
        return None
    return found[0] if len(found) == 1 else Or(found)


def selects(selectors: Sequence[Selector], document: Mapping[str, Any]) -> bool:
    """Whether one of the selectors selects an entity; none at all select any."""
    return not selectors or any(selected(one, document["id"], document["type"]) for one in selectors)


def selected(selector: Selector, id_: str, types: Sequence[str]) -> bool:
    if not is_of(types, selector.types):
        return False
    if selector.ids:  # they stand over a pattern
        return id_ in selector.ids
    return selector.id_pattern is None or matches(selector.id_pattern, id_)


def is_of(types: Sequence[str], wanted: Types) -> bool:
    """Whether these types are what an expression of types asks for."""
    match wanted:
        case Has(name):
            return name in types
        case And(parts):
            return all(is_of(types, part) for part in parts)  # type: ignore[arg-type] # a tree of types has types only
        case Or(parts):
            return any(is_of(types, part) for part in parts)  # type: ignore[arg-type] # as above
    return True
