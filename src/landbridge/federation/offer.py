"""What a registered source offers, ready to be matched: which entities and attributes, how, and which operations.

Matching is NGSI-LD 5.12; an entity whose type is not known matches by its id alone. Pure, but for the patterns.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from landbridge.federation.ability import USUAL, expanded
from landbridge.federation.pattern import matches
from landbridge.federation.registration import INTERVALS
from landbridge.model.instant import parse_duration, parse_instant
from landbridge.model.query import And, Has, Or

USUAL_TIMEOUT = 5.0  # seconds that a source has to answer
LONGEST_TIMEOUT = 60.0
READING = frozenset({"retrieveEntity", "queryEntity", "queryBatch"})
LONGEST_LIST = 200  # ids or names that a request to a source is narrowed to

Types = Has | And | Or | None
Names = frozenset[str] | None  # None: all of them


@dataclass(frozen=True, slots=True)
class About:
    """Which entities: of one of these types, with this id, or an id of this pattern, or any."""

    types: frozenset[str]
    id: str | None = None
    pattern: str | None = None

    def has_id(self, id_: str) -> bool:
        if self.id is not None:
            return self.id == id_
        return self.pattern is None or matches(self.pattern, id_)

    def has_pattern(self, pattern: str) -> bool:
        """Whether ids of a pattern may be among these: of two patterns that cannot be told, so they may."""
        return self.id is None or matches(pattern, self.id)


@dataclass(frozen=True, slots=True)
class Information:
    """Entities (none: any) and attributes (None: all) that a source says it has."""

    entities: tuple[About, ...]
    names: Names

    def entity(self, id_: str, types: Iterable[str] | None) -> bool:
        """Whether an entity is among them; `types` None where they are not known."""
        if not self.entities:
            return True
        known = None if types is None else frozenset(types)
        return any((known is None or about.types & known) and about.has_id(id_) for about in self.entities)

    def asked(self, types: Types, ids: Sequence[str], pattern: str | None) -> tuple[About, ...] | None:
        """The entities of it that a question is about; None where it is about none of them."""
        if not self.entities:
            return ()
        found = tuple(
            about
            for about in self.entities
            if may_have(about.types, types)
            and (not ids or any(about.has_id(id_) for id_ in ids))
            and (pattern is None or ids or about.has_pattern(pattern))
        )
        return found or None


def may_have(types: frozenset[str], asked: Types) -> bool:
    """Whether an entity with one of the types, and perhaps others, may be of an expression of types."""
    match asked:
        case None:
            return True
        case Has(name):
            return name in types
        case And(parts) | Or(parts):
            return any(may_have(types, part) for part in parts)  # type: ignore[arg-type] # types alone stand here


class Narrowed(NamedTuple):
    """What of a question a source is asked: ids, a pattern, types and attributes (None: as in the question)."""

    ids: tuple[str, ...] | None
    pattern: str | None
    types: frozenset[str] | None
    names: Names


@dataclass(frozen=True, slots=True)
class Offer:
    """One registration."""

    id: str
    tenant: str
    mode: str
    operations: frozenset[str]
    endpoint: str
    informations: tuple[Information, ...]
    body: Mapping[str, Any] = field(repr=False)
    remote_tenant: str | None = None
    alias: str | None = None
    local_only: bool = False
    timeout: float = USUAL_TIMEOUT  # seconds
    cooldown: float = 0.0  # seconds
    cache: float = 0.0  # seconds
    expires: int | None = None  # microseconds
    past: bool = False  # offers what was in an interval of time, not what is now
    pairs: Mapping[str, str] = field(default_factory=dict, repr=False)

    def may(self, *operations: str) -> bool:
        return any(one in self.operations for one in operations)

    def names_of(self, id_: str, types: Iterable[str] | None) -> Names | bool:
        """The attributes of an entity that it offers (None: all); False where the entity is not among its own."""
        found: set[str] = set()
        meant = False
        known = None if types is None else tuple(types)
        for information in self.informations:
            if information.entity(id_, known):
                meant = True
                if information.names is None:
                    return None
                found |= information.names
        return frozenset(found) if meant else False

    def names_of_types(self, types: Iterable[str]) -> Names | bool:
        """The same of an entity with any id: what a source may answer where patterns cannot be compared (5.12)."""
        known = frozenset(types)
        found = [
            information.names
            for information in self.informations
            if not information.entities or any(about.types & known for about in information.entities)
        ]
        if not found:
            return False
        return None if None in found else frozenset().union(*(names for names in found if names is not None))

    def narrowed(self, types: Types, ids: Sequence[str], pattern: str | None, attrs: Sequence[str]) -> Narrowed | None:
        """What of a question this source is to be asked; None where it offers nothing of it."""
        abouts: list[About] = []
        names: set[str] = set()
        everything = anyone = found = False
        for information in self.informations:
            meant = information.asked(types, ids, pattern)
            if meant is None or (attrs and information.names is not None and not information.names & set(attrs)):
                continue
            found = True
            anyone = anyone or not meant
            abouts += meant
            everything = everything or information.names is None
            names |= information.names or set()
        if not found:
            return None
        own = () if anyone else tuple(abouts)
        asked = frozenset(attrs) if everything or not attrs else frozenset(attrs) & names
        return Narrowed(
            narrowed_ids(own, ids),
            narrowed_pattern(own, ids, pattern),
            frozenset().union(*(about.types for about in own)) if own and types is None else None,
            asked or (None if everything else frozenset(names)),
        )


def narrowed_ids(own: Sequence[About], ids: Sequence[str]) -> tuple[str, ...] | None:
    """The ids to ask for, where the source names each of its entities, or the question does."""
    if ids:
        return tuple(id_ for id_ in ids if not own or any(about.has_id(id_) for about in own))
    if own and len(own) <= LONGEST_LIST and all(about.id is not None for about in own):
        return tuple(dict.fromkeys(about.id for about in own if about.id is not None))
    return None


def narrowed_pattern(own: Sequence[About], ids: Sequence[str], pattern: str | None) -> str | None:
    if pattern is None and not ids and len(own) == 1:
        return own[0].pattern
    return pattern


# -- from what is kept


def offer_of(id_: str, tenant: str, body: Mapping[str, Any]) -> Offer:
    """A kept registration, ready to be matched."""
    management = body.get("management", {})
    mode = body.get("mode", "inclusive")
    operations = expanded(body.get("operations", USUAL))
    return Offer(
        id=id_,
        tenant=tenant,
        mode=mode,
        operations=operations & READING if mode == "auxiliary" else operations,
        endpoint=body["endpoint"].rstrip("/"),
        informations=tuple(map(information_of, body["information"])),
        body=body,
        remote_tenant=body.get("tenant"),
        alias=body.get("contextSourceAlias") or body.get("hostAlias"),
        local_only=bool(management.get("localOnly", body.get("localOnly", False))),
        timeout=min(management.get("timeout", USUAL_TIMEOUT * 1000) / 1000, LONGEST_TIMEOUT),
        cooldown=management.get("cooldown", 0) / 1000,
        cache=parse_duration(management["cacheDuration"]) / 1e6 if "cacheDuration" in management else 0.0,
        expires=parse_instant(body["expiresAt"]) if "expiresAt" in body else None,
        past=any(name in body for name in INTERVALS),
        pairs={pair["key"]: pair["value"] for pair in body.get("contextSourceInfo", ())},
    )


def information_of(given: Mapping[str, Any]) -> Information:
    named = [name for member in ("propertyNames", "relationshipNames") for name in given.get(member, ())]
    return Information(tuple(map(about_of, given.get("entities", ()))), frozenset(named) if named else None)


def about_of(given: Mapping[str, Any]) -> About:
    types = given["type"]
    return About(frozenset([types] if isinstance(types, str) else types), given.get("id"), given.get("idPattern"))


class Register:
    """The offers of one tenant, found by type."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self.offers = tuple(offers)
        self.by_type: dict[str, list[Offer]] = {}
        self.untyped: list[Offer] = []
        for offer in self.offers:
            if any(not information.entities for information in offer.informations):
                self.untyped.append(offer)
                continue
            for type_ in {name for one in offer.informations for about in one.entities for name in about.types}:
                self.by_type.setdefault(type_, []).append(offer)

    def __bool__(self) -> bool:
        return bool(self.offers)

    def of_types(self, types: Iterable[str] | None) -> Iterator[Offer]:
        """The offers that may be about entities of one of the types; all where the types are not known."""
        if types is None:
            yield from self.offers
            return
        seen: dict[str, Offer] = {offer.id: offer for offer in self.untyped}
        for type_ in types:
            seen |= {offer.id: offer for offer in self.by_type.get(type_, ())}
        yield from seen.values()


def named_types(types: Types) -> list[str] | None:
    """Every type that an expression names; None where there is no expression."""
    match types:
        case Has(name):
            return [name]
        case And(parts) | Or(parts):
            return [name for part in parts for name in named_types(part) or ()]  # type: ignore[arg-type] # types alone
    return None
