"""Whether an entity is one of those that a subscription names: by type, id or pattern (NGSI-LD 5.2.33, 4.17)."""

from collections.abc import Callable, Sequence

from landbridge.model.query import And, Has, Or, Selector
from landbridge.model.subscription import Change

Matches = Callable[[str, str], bool]  # pattern, text


def selects(selectors: Sequence[Selector], change: Change, matches: Matches) -> bool:
    """Whether one of the selectors selects the changed entity; none at all select any."""
    return not selectors or any(selected(one, change, matches) for one in selectors)


def selected(selector: Selector, change: Change, matches: Matches) -> bool:
    if selector.types is not None and not is_of(change.types, selector.types):
        return False
    if selector.ids:
        return change.id in selector.ids
    return selector.id_pattern is None or matches(selector.id_pattern, change.id)


def is_of(types: Sequence[str], wanted: Has | And | Or) -> bool:
    """Whether these types are what an expression of types asks for."""
    match wanted:
        case Has(name):
            return name in types
        case And(parts):
            return all(is_of(types, part) for part in parts)  # type: ignore[arg-type] # a tree of types has types only
        case Or(parts):
            return any(is_of(types, part) for part in parts)  # type: ignore[arg-type] # as above
