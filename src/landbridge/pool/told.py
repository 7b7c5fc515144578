"""What a commit did, counted on the way, and the word that it leaves for whoever listens."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

ANNOUNCED = 100  # entities that a commit's announcement names; beyond them it says that there are more


@dataclass
class Told:
    """Counts of one commit: entities made, instances recorded, of these in the past; and what changed now."""

    entities: int = 0
    instances: int = 0
    past: int = 0
    befell: int = 0  # lines of the journal about entities themselves
    types: dict[str, None] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    more: bool = False

    @property
    def ordinal(self) -> int:
        """The place of the next line in the commit."""
        return self.instances + self.befell

    def touch(self, id_: str, types: Iterable[str]) -> None:
        """Note that an entity's current values changed."""
        self.types.update(dict.fromkeys(types))
        if len(self.ids) < ANNOUNCED:
            self.ids.append(id_)
        else:
            self.more = True

    def touch_all(self, ids: Iterable[str], types: Iterable[str], count: int) -> None:
        """Note many at once; `ids` gives as many as can be announced, `count` says how many there are."""
        self.types.update(dict.fromkeys(types))
        named = list(ids)[: ANNOUNCED - len(self.ids)]
        self.ids += named
        self.more |= count > len(named)

    def announcement(self) -> dict[str, Any] | None:
        """The outbox's body; None where nothing current changed."""
        if not self.ids and not self.more:
            return None
        return {"types": list(self.types), "entities": self.ids, "more": self.more}
