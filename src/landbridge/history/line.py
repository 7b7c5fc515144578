"""A line of history as the reader has it, wherever it lies, and which of them stand.

Nothing recorded is ever changed: what was wrong is hidden by later lines. So which lines stand depends on the time of
the knowledge: now, or as of some recorded time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from landbridge.model.entity import API, HISTORY, PROVENANCE
from landbridge.model.instant import parse_instant
from landbridge.model.temporal import ENTITY, Moment, TimeProperty, instance_id

CLIENTS = (API, HISTORY)  # owners whose lines take another one's place only where they say so
OBSERVED, NUMBER, ORDINAL = 2, 4, 5  # places in a line
SAYS = ("set", "delete")  # operations of lines that are instances
Place = tuple[int, int]  # commit and ordinal


class Line(NamedTuple):
    """One line. Times in microseconds; `said`: its instance, as JSON or as an object, without provenance or with it.

    `until`: since that recorded time another line stands in its place, as far as a compaction knows.
    """

    attribute: str
    dataset: str | None
    observed: int | None
    recorded: int
    number: int
    ordinal: int
    owner: str
    operation: str
    said: str | Mapping[str, Any] | None
    replaces: Place | None = None
    until: int | None = None

    @property
    def time(self) -> int:
        return self.recorded if self.observed is None else self.observed

    @property
    def place(self) -> Place:
        return self.number, self.ordinal

    @property
    def instance(self) -> Mapping[str, Any] | None:
        """Its instance without provenance; None for a deletion."""
        if self.said is None:
            return None
        found = orjson.loads(self.said) if isinstance(self.said, str) else self.said
        if PROVENANCE in found:
            return {name: member for name, member in found.items() if name != PROVENANCE}
        return found

    @property
    def kept(self) -> Mapping[str, Any]:
        """Its instance where that may carry the name and the creation of another one; else nothing."""
        if self.replaces is None or self.said is None:
            return {}
        return self.instance or {}

    @property
    def name(self) -> str:
        given = self.kept.get("instanceId")
        return given if isinstance(given, str) else instance_id(self.number, self.ordinal)

    @property
    def created(self) -> int:
        given = self.kept.get("createdAt")
        return parse_instant(given) if isinstance(given, str) else self.recorded

    def when(self, property_: TimeProperty) -> int | None:
        """The time that is asked about; None where the line has none such (NGSI-LD 4.11)."""
        match property_:
            case "observedAt":
                return self.observed
            case "createdAt":
                return self.created if self.operation == "set" else None
            case "modifiedAt":
                return self.recorded if self.operation == "set" else None
        return self.recorded if self.operation == "delete" else None

    def rank(self, property_: TimeProperty) -> tuple[int, int, int]:
        """What puts it in order: the time that is asked about, then commits."""
        found = self.when(property_)
        return (self.time if found is None else found), self.number, self.ordinal

    def moment(self, kind: str = "Property") -> Moment:
        instance = self.instance
        kind = str(instance["type"]) if instance is not None else kind
        return Moment(
            self.time, self.observed, self.recorded, self.number, self.ordinal, self.owner, self.dataset, instance, kind
        )


def standing(lines: Sequence[Line], as_of: int | None = None) -> Sequence[Line]:
    """Those of one entity's lines that count, as known now or as of a recorded time; corrections are not among them."""
    known = lines if as_of is None else [line for line in lines if line.recorded <= as_of]
    if all(map(is_plain, known)) and len({line[:3] for line in known}) == len(known):
        return known
    hidden, cleared, latest = corrections(known)
    kept = []
    for line in known:
        if line.attribute == ENTITY:
            if line.operation != "clear" and line.number >= cleared.get((ENTITY, None), 0):
                kept.append(line)
            continue
        if line.operation not in SAYS or line.place in hidden:
            continue
        if line.until is not None and (as_of is None or line.until <= as_of):
            continue
        if line.number < max(cleared.get((ENTITY, None), 0), cleared.get((line.attribute, line.dataset), 0)):
            continue
        if latest.get(key_of(line), line.place) == line.place:
            kept.append(line)
    return kept


def is_plain(line: Line) -> bool:
    """Whether nothing but another line of its own source and time could hide it, and it hides none."""
    return line.operation == "set" and line.replaces is None and line.until is None and line.attribute != ENTITY


Key = tuple[str, str | None, str, int]
Clears = dict[tuple[str, str | None], int]


def corrections(lines: Iterable[Line]) -> tuple[set[Place], Clears, dict[Key | None, Place]]:
    """Which lines are hidden by others: places that are replaced, commits up to which series are cleared, and of what
    one source said for one observed time the place of the latest.
    """
    hidden: set[Place] = set()
    cleared: Clears = {}
    latest: dict[Key | None, Place] = {}
    for line in lines:
        if line.replaces is not None:
            hidden.add(line.replaces)
        if line.operation == "clear":
            series = (line.attribute, line.dataset if line.attribute != ENTITY else None)
            cleared[series] = max(cleared.get(series, 0), line.number)
        key = key_of(line)
        if key is not None:
            latest[key] = max(latest.get(key, line.place), line.place)
    return hidden, cleared, latest


def key_of(line: Line) -> Key | None:
    """Of two lines of a source with equal keys the later stands; None: the line takes no other one's place so."""
    if line.observed is None or line.owner in CLIENTS or line.operation not in SAYS or line.attribute == ENTITY:
        return None
    return line.attribute, line.dataset, line.owner, line.observed


def ranking(lines: Sequence[Line], property_: TimeProperty) -> Callable[[Line], tuple[int, int, int]]:
    """What puts lines in order: the time that is asked about, then commits (see `Line.rank`)."""
    if property_ == "observedAt" and all(line[OBSERVED] is not None for line in lines):
        return itemgetter(OBSERVED, NUMBER, ORDINAL)
    return lambda line: line.rank(property_)
