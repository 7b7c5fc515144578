"""What is to be forgotten: a subject, what belongs to it, and the mark that stands where it was named.

A subject is an entity, one of its attributes, or all that a source said; each also within a stretch of time. Pure:
where things lie is told elsewhere.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from landbridge.errors import Invalid

MARK = "urn:landbridge:erased:"  # followed by the subject's hash: what stands where others named it
GONE = "…"  # what stands for a telling value in a text
BEFORE = r"(?<![A-Za-z0-9_~%:/#@&=+$*.-])"
AFTER = r"(?![A-Za-z0-9_~%/#@&=+$*-]|[.:][A-Za-z0-9])"
FEWEST = 5  # characters of a text that tells something wherever it stands; a shorter one only in quotes


@dataclass(frozen=True)
class Subject:
    """What is to be forgotten. Either `entity` (perhaps one `attribute` of it) or `source` is given.

    `attribute` is a stored name; `since` (inclusive) and `until` (exclusive) are microseconds since 1970 of the time
    that was observed, else recorded.
    """

    tenant: str
    entity: str | None = None
    attribute: str | None = None
    source: str | None = None
    since: int | None = None
    until: int | None = None

    def __post_init__(self) -> None:
        if (self.entity is None) == (self.source is None):
            raise Invalid("Either an entity or a source is erased.", hint="Give one of --entity and --source.")
        if self.attribute is not None and self.entity is None:
            raise Invalid("An attribute is erased of an entity.", hint="Give --entity too.")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise Invalid("The stretch of time ends before it begins.", hint="Give --from before --to.")

    @property
    def timed(self) -> bool:
        """Whether only a stretch of time is meant."""
        return self.since is not None or self.until is not None

    @property
    def whole(self) -> bool:
        """Whether an entity goes with everything, so that nothing may name it any more."""
        return self.entity is not None and self.attribute is None and not self.timed

    def at(self, time: int | None) -> bool:
        """Whether a moment is meant."""
        if not self.timed:
            return True
        return (
            time is not None
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
        )

    def covers(self, attribute: str, owner: str, time: int) -> bool:
        """Whether an instance is meant, of an entity that may be."""
        return self.attribute in (None, attribute) and self.source in (None, owner) and self.at(time)

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def scope(self) -> str:
        """What kind of subject it is, for people and certificates."""
        what = "attribute" if self.attribute else "entity" if self.entity else "source"
        return f"{what} within a stretch of time" if self.timed else what


@dataclass
class Naming:
    """Finds where texts name entities that are erased whole, or tell what they said, and puts marks in their place.

    `marks`: id -> its mark; an id is found where it stands alone, not as part of a longer one. `telling`: values that
    only these entities had; they are looked for in free text alone.
    """

    marks: Mapping[str, str]
    telling: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = field(init=False)
    told: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        self.pattern = anyone(self.marks, lambda text: f"{BEFORE}{re.escape(text)}{AFTER}")
        self.told = anyone(
            self.telling,
            lambda text: re.escape(text) if len(text) >= FEWEST else f"(?<=['\"‘“]){re.escape(text)}(?=['\"’”])",
        )

    def named(self, text: str) -> str:
        """A text without the ids."""
        return text if self.pattern is None else self.pattern.sub(lambda found: self.marks[found.group()], text)

    def names(self, text: str) -> bool:
        """Whether a text names any of the entities."""
        return self.pattern is not None and self.pattern.search(text) is not None

    def free(self, text: str) -> str:
        """A text for people, also without what was told."""
        text = self.named(text)
        return text if self.told is None else self.told.sub(GONE, text)


def anyone(texts: Any, shape: Callable[[str], str]) -> re.Pattern[str] | None:
    """A pattern that finds any of some texts, the longest first."""
    some = sorted(texts, key=lambda text: (-len(text), text))
    return re.compile("|".join(map(shape, some))) if some else None


def walked(value: Any, named: Callable[[str], str], gone: Callable[[str], bool]) -> Any:
    """A JSON value with each text changed by `named`, and without objects and keys that are what is `gone`.

    Of a list the objects whose `id` is gone are left out; so are members named by such an id.
    """
    if isinstance(value, str):
        return named(value)
    if isinstance(value, list):
        return [walked(one, named, gone) for one in value if not is_gone(one, gone)]
    if isinstance(value, dict):
        return {named(name): walked(one, named, gone) for name, one in value.items() if not gone(name)}
    return value


def is_gone(value: Any, gone: Callable[[str], bool]) -> bool:
    """Whether a member of a list is an object that describes what is gone."""
    if not isinstance(value, dict):
        return False
    id_ = value.get("id", value.get("@id"))
    return isinstance(id_, str) and "type" in value and gone(id_)
