"""What the console needs from the rest: the pool's reading side, the city's facts, and functions handed in by `app`.

The console sits above the pool and beside the APIs, so what lives elsewhere (live changes, replay, tokens) comes
in as plain functions.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from starlette.requests import Request

from landbridge.governance.policy import Actor, Policy
from landbridge.model.answer import (
    Change,
    Disagreement,
    Document,
    Link,
    Page,
    Point,
    RejectGroup,
    RunRecord,
    SourceState,
    Trace,
    TypeSummary,
)
from landbridge.model.query import Query
from landbridge.model.temporal import Evolution, Evolutions, TemporalQuery

if TYPE_CHECKING:  # the console is loaded without the writing side of the pool
    from landbridge.pool.dead_letter import DeadLetter


class Reading(Protocol):
    """The part of the pool that the console reads. Times are microseconds since 1970."""

    def entity(self, actor: Actor, id: str, *, tenant: str = "") -> Document: ...
    def query(self, actor: Actor, query: Query) -> Page: ...
    def types(self, actor: Actor, *, tenant: str = "") -> Sequence[TypeSummary]: ...
    def explain(self, actor: Actor, id: str, attribute: str | None = None, *, tenant: str = "") -> Sequence[Trace]: ...
    def series(
        self, actor: Actor, id: str, attribute: str, *, limit: int = 200, since: int | None = None, tenant: str = ""
    ) -> Sequence[Point]: ...
    def evolution(self, actor: Actor, id: str, question: TemporalQuery) -> Evolution: ...
    def evolutions(self, actor: Actor, question: TemporalQuery) -> Evolutions: ...
    def links(self, actor: Actor, id: str, *, limit: int = 100, tenant: str = "") -> Sequence[Link]: ...
    def disagreements(
        self,
        actor: Actor,
        *,
        entity: str | None = None,
        attribute: str | None = None,
        limit: int = 1000,
        tenant: str = "",
    ) -> Sequence[Disagreement]: ...
    def sources(self, actor: Actor) -> Sequence[SourceState]: ...
    def runs(self, actor: Actor, source: str, limit: int = 20) -> Sequence[RunRecord]: ...
    def rejects(self, actor: Actor, source: str | None = None, *, examples: int = 3) -> Sequence[RejectGroup]: ...
    def reject_rows(
        self, actor: Actor, source: str, reason: str, limit: int = 100, offset: int = 0
    ) -> Sequence[Mapping[str, Any]]: ...
    def search(self, actor: Actor, text: str, *, limit: int = 20, tenant: str = "") -> Sequence[Document]: ...
    def version(self) -> int: ...


@dataclass(frozen=True)
class City:
    """The city as `landbridge.toml` tells it: name by language, the people's time zone, the tenant that is shown."""

    name: Mapping[str, str]
    time_zone: str = "UTC"
    tenant: str = ""


class Letters(Protocol):
    """Notifications that were given up, as `pool.dead_letter` has them."""

    def listed(self, actor: Actor, limit: int = 100, offset: int = 0) -> "tuple[Sequence[DeadLetter], int]": ...
    def replay(self, actor: Actor, subscription: str | None = None, notification: str | None = None) -> int: ...
    def drop(self, actor: Actor, subscription: str | None = None, notification: str | None = None) -> int: ...


def no_replay(source: str, reason: str) -> str:
    """Stand in where nothing replays: say so."""
    return ""


@dataclass(frozen=True)
class Doors:
    """Functions handed in by `app`.

    `actor_of`: who asks, without a session (raises Unauthenticated where nobody is known).
    `sign_in`: the actor that a token speaks for, None where it is unknown.
    `live`: changes from a commit number on, as they come.
    `replay`: map the rejected rows of (source, reason) again; gives a sentence for people.
    `letters`: notifications that were given up.
    """

    actor_of: Callable[[Request], Actor]
    sign_in: Callable[[str], Actor | None]
    live: Callable[[int], AsyncIterator[Change]]
    replay: Callable[[str, str], object] = no_replay
    letters: Letters | None = None
    policy: Policy = field(default_factory=Policy)
    clock: Callable[[], float] = time.time  # seconds since 1970, for "5 minutes ago"
