"""What the pool answers with, besides entities: the shapes that doors and the console render.

All times are microseconds since 1970 in UTC; all shapes are frozen and hold plain values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]
"""An entity as the pool keeps it (see `model.entity`): id, type, scope, createdAt, modifiedAt, attrs."""


class Held:
    """One entity of an answer: its document, read when it is asked for, and the mark of the state it is in.

    Two with one mark are equal, so what was made of one can be used for the other. An entity put together for one
    answer has no mark.
    """

    __slots__ = ("_document", "_row", "id", "mark", "modified")

    def __init__(self, document: Document, mark: tuple[int, int] | None = None) -> None:
        self.id: str = document["id"]
        self.mark = mark
        self.modified: int = document.get("modifiedAt", 0)  # microseconds since 1970
        self._document: Document | None = document
        self._row: tuple[Callable[[str, int, int], Document], str, int, int] | None = None

    @classmethod
    def stored(cls, row: Sequence[Any], read: Callable[[str, int, int], Document]) -> "Held":
        """An entity's row: key, id, document, created, modified, version; `read` makes a document of those between."""
        found = cls.__new__(cls)
        key, found.id, text, created, found.modified, version = row
        found.mark = (key, version)
        found._document = None
        found._row = read, text, created, found.modified
        return found

    @property
    def size(self) -> int:
        """Characters of the stored document, 0 where there is none."""
        return 0 if self._row is None else len(self._row[1])

    @property
    def document(self) -> Document:
        if self._document is None and self._row is not None:
            read, text, created, modified = self._row
            self._document = read(text, created, modified)
        assert self._document is not None
        return self._document


@dataclass(frozen=True)
class Page:
    """One page of a query's answer. `next` and `previous` are the cursors of the pages around it, None at an end."""

    held: tuple[Held, ...]
    next: str | None
    count: int | None = None
    previous: str | None = None

    @property
    def documents(self) -> tuple[Document, ...]:
        return tuple(one.document for one in self.held)


@dataclass(frozen=True)
class TypeSummary:
    """One type of a tenant: how many entities it has, which attributes (stored names) and where it lies."""

    type: str
    entities: int
    attributes: tuple[str, ...]
    located: bool


@dataclass(frozen=True)
class AttributeSummary:
    """One attribute of a tenant: the types of entities that have it, its kinds (Property, ...), and how many."""

    name: str
    types: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class TypeDetail:
    """One type of a tenant: how many entities it has, and its attributes with the kinds they are of."""

    type: str
    entities: int
    attributes: tuple[AttributeSummary, ...]


@dataclass(frozen=True)
class EntityMap:
    """Which entities a query found, once and for all its pages (NGSI-LD 5.2.39).

    `entities`: id -> where it is (`@none`: here). `expires` in microseconds since 1970.
    """

    id: str
    expires: int
    entities: Mapping[str, Sequence[str]]
    linked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """Where one instance came from.

    `owner` is a source's name or `api`. For a source: run, row, place ("admin.csv line 12") and, for operators and
    stewards, `raw` with the source row as it was. For a client: `actor` and `request`.
    `standing` says what the instance is: `value` (the only one), `chosen` (by the rule), `claim` (one source's),
    `pin` (a client's write that stands over the rule), `instance` (a datasetId of its own).
    """

    entity: str
    attribute: str
    dataset_id: str | None
    value: object
    standing: str
    owner: str
    commit: int
    recorded: int
    observed_at: int | None
    stale: bool = False
    holds_until: int | None = None
    run: int | None = None
    row: int | None = None
    place: str | None = None
    mapping: str | None = None
    raw: Mapping[str, object] | None = None
    actor: str | None = None
    request: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Point:
    """One recorded instance of a series, newest last."""

    time: int  # observedAt where there is one, else the recorded time
    recorded: int
    value: object
    owner: str
    dataset_id: str | None
    deleted: bool = False


@dataclass(frozen=True)
class Link:
    """A relationship that points at an entity: which entity, by which attribute."""

    entity: str
    type: str
    attribute: str


@dataclass(frozen=True)
class Said:
    """What one source said in a disagreement."""

    source: str
    value: object
    observed_at: int


@dataclass(frozen=True)
class Disagreement:
    """An interval of observed time in which claims that hold differ by more than is tolerated (`until` None: still)."""

    entity: str
    attribute: str
    since: int
    until: int | None
    values: tuple[Said, ...]


@dataclass(frozen=True)
class RunRecord:
    """One run of a source. `state` is running, done, unchanged or failed; `reason` says why it failed."""

    source: str
    run: int
    started: int
    ended: int | None
    state: str
    reason: str | None
    rows: int  # read from the source
    mapped: int  # rows that the mapping made of them
    unchanged: int  # mapped rows equal to the last pull's
    repeated: int  # rows with a key and values met before in this pull
    conflicting: int  # rows with a key met before in this pull and other values
    rejected: int
    entities: int  # created
    instances: int  # recorded
    gone: int  # entities that lost this source's instances
    notes: tuple[str, ...] = ()
    expectations: tuple[Mapping[str, Any], ...] = ()  # {name, column, passed, failed, detail}
    erased: int = 0  # mapped rows left out because what they are about was erased


@dataclass(frozen=True)
class SourceState:
    """A source as the console shows it: its declaration and its last runs."""

    name: str
    kind: str
    title: Mapping[str, str]
    owner: str
    licence: str
    schedule: str | None
    types: tuple[str, ...]
    attributes: tuple[str, ...]
    last: RunRecord | None
    last_good: RunRecord | None
    rejects: int
    next_due: int | None = None
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # language -> its own texts -> in the language
    judged: RunRecord | None = None  # the last run that read rows: an unchanged one judges none


@dataclass(frozen=True)
class RejectGroup:
    """Rejected rows of one source with one reason."""

    source: str
    reason: str
    count: int
    examples: tuple[Mapping[str, Any], ...]  # {place, row}


@dataclass(frozen=True)
class Change:
    """What one commit changed, for live pages: entity ids at most, `more` when there were more."""

    commit: int
    recorded: int
    tenant: str
    types: tuple[str, ...]
    entities: tuple[str, ...]
    more: bool
