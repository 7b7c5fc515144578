"""Which members of an entity are shown, and of the entities linked to it (NGSI-LD 4.21, `pick` and `omit`)."""

from dataclasses import dataclass
from functools import cached_property

CORE_MEMBERS = frozenset({"id", "type", "scope"})


@dataclass(frozen=True)
class Projection:
    """Members by stored name; of a relationship also which members of the entities that it points at."""

    members: tuple[tuple[str, "Projection | None"], ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """All members that are named."""
        return frozenset(name for name, _ in self.members)

    @cached_property
    def whole(self) -> frozenset[str]:
        """The members that are named themselves, not just members of what they point at."""
        return frozenset(name for name, below in self.members if below is None)

    def below(self, name: str) -> "Projection | None":
        """What is named of the entities that a relationship points at."""
        return dict(self.members).get(name)

    @property
    def depth(self) -> int:
        """How many relationships are followed."""
        return max((1 + below.depth for _, below in self.members if below is not None), default=0)
