"""Which entity a client means to change: its id, and the conditions under which it is that one."""

from dataclasses import dataclass

from landbridge.errors import InvalidQuery, Missing, Outdated
from landbridge.model.query import And, Has, Or
from landbridge.pool.edit import Edit


@dataclass(frozen=True)
class Target:
    """An entity by its id.

    `types`: a selection of types that it has to meet (NGSI-LD 4.17). `seen`: the times of modification (microseconds
    since 1970) one of which it has to have, as its caller saw it (If-Match, RFC 9110 13.1.1).
    """

    id: str
    types: object = None
    seen: frozenset[int] | None = None

    def check(self, edit: Edit) -> None:
        """Raise Missing where the entity is of other types, Outdated where it has changed since it was seen."""
        if self.types is not None and not is_of(edit.types, self.types):
            raise Missing("The entity is not of this type.", where=self.id)
        if self.seen is not None and (edit.stored is None or edit.stored.modified not in self.seen):
            raise Outdated("The entity has changed since.", where=self.id, hint="Read it again.")


def is_of(types: list[str], wanted: object) -> bool:
    """Whether these types meet a selection of types (NGSI-LD 4.17)."""
    match wanted:
        case Has(name):
            return name in types
        case And(parts):
            return all(is_of(types, part) for part in parts)
        case Or(parts):
            return any(is_of(types, part) for part in parts)
        case _:
            raise InvalidQuery("This is no selection of types.", where="type")
