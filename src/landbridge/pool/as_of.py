"""The pool as it was known at some moment: its entities after a commit, made of the lines of history.

What the state was follows from the journal by the rules that the writing side keeps (DESIGN 4.2 to 4.5): of a source
the value observed last stands, of clients the one written last; a pin stands over the rule, and the rule chooses among
the claims by what the city's folder said then. The entities go into a store of their own, so every query that the pool
answers, it answers of the past too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import apsw
import orjson

from landbridge.errors import InvalidQuery
from landbridge.history.as_of import Line
from landbridge.history.rows import instance_in
from landbridge.model.answer import Document
from landbridge.model.claim import Claims, dataset_of
from landbridge.model.entity import API, PROVENANCE, Instance, in_order, in_shape
from landbridge.model.instant import format_instant
from landbridge.model.temporal import ENTITY
from landbridge.pool.absorb import marked
from landbridge.pool.pin import choice
from landbridge.store import reading

CLAIMS_THEN = "claims:"  # and the number of the commit that set them, in meta
Key = str | None  # a datasetId


@dataclass
class Said:
    """One attribute as its writers left it: sources' instances and clients' by datasetId, and when it last changed."""

    sources: dict[Key, tuple[int | None, Instance]] = field(default_factory=dict)  # each with its observed time
    clients: dict[Key, Instance] = field(default_factory=dict)
    recorded: int = 0


@dataclass
class Known:
    """An entity on its way to what it was."""

    types: list[str]
    created: int
    modified: int
    scope: list[str] | None = None
    expires: str | None = None
    attrs: dict[str, Said] = field(default_factory=dict)


def commit_at(connection: apsw.Connection, moment: int) -> int:
    """The last commit that was recorded at or before a moment. Raises InvalidQuery before the first one.

    Numbers grow with recorded times, so halving finds it.
    """
    low, high = (int(found or 0) for found in next(connection.execute("SELECT min(number), max(number) FROM commits")))
    first = connection.execute("SELECT recorded FROM commits WHERE number=?", (low,)).get
    if first is None or first > moment:
        since = "" if first is None else f", which is recorded since {format_instant(first)}"
        raise InvalidQuery(f"Nothing of this pool was known then{since}.", where="asOf", hint="Ask for a later moment.")
    while low < high:
        middle = (low + high + 1) // 2
        found = connection.execute(
            "SELECT number, recorded FROM commits WHERE number<=? ORDER BY number DESC LIMIT 1", (middle,)
        ).fetchone()
        if found is None or found[1] <= moment:
            low = middle
        else:
            high = found[0] - 1
    return int(connection.execute("SELECT max(number) FROM commits WHERE number<=?", (low,)).get)


def claims_at(connection: apsw.Connection, number: int) -> Claims:
    """Which sources fed what and which rules chose, after a commit."""
    text = connection.execute(
        "SELECT value FROM meta WHERE name BETWEEN ? AND ? ORDER BY name DESC LIMIT 1",
        (CLAIMS_THEN, claims_name(number)),
    ).get
    text = text or reading.meta(connection, "claims")
    return Claims.from_json(orjson.loads(text)) if text else Claims()


def claims_name(number: int) -> str:
    """Under which name the store keeps the claims that a commit set; names are in the order of commits."""
    return f"{CLAIMS_THEN}{number:020d}"


def documents(lines: Iterable[tuple[str, Line]], claims: Claims, tenant: str) -> list[Document]:
    """The entities that lines of history make, in the order of their ids."""
    known: dict[str, Known] = {}
    for type_, line in sorted(lines, key=lambda one: (one[1]["commit"], one[1]["ordinal"])):
        take(known, type_, line)
    return [document(id_, one, claims, tenant) for id_, one in sorted(known.items())]


def take(known: dict[str, Known], type_: str, line: Line) -> None:
    """Bring one line into what is known."""
    id_, operation, recorded = line["entity"], line["operation"], line["recorded"]
    about = line["attribute"] == ENTITY
    if about and operation == "delete":
        known.pop(id_, None)
        return
    entity = known.get(id_)
    if entity is None:
        if operation == "delete":
            return
        entity = known[id_] = Known([type_], first_of(line), recorded)
    entity.modified = max(entity.modified, recorded)
    entity.created = min(entity.created, first_of(line))
    if about:
        told = orjson.loads(line["json"])
        entity.types, entity.scope, entity.expires = told["type"], told.get("scope"), told.get("expiresAt")
        return
    if type_ not in entity.types:
        entity.types.append(type_)
    say(entity.attrs.setdefault(line["attribute"], Said()), line)


def first_of(line: Line) -> int:
    return int(line["first"] if line["operation"] == "set" else line["recorded"])


def say(said: Said, line: Line) -> None:
    """Bring an attribute's line to what its writers left."""
    dataset, owner = line["dataset"], line["source"]
    instance = instance_in(line)
    if owner == API:
        said.recorded = line["recorded"]
        if instance is None:
            said.clients.pop(dataset, None)
        else:
            before = said.clients.get(dataset)
            created = before[PROVENANCE][2] if before else line["recorded"]
            said.clients[dataset] = stamped(instance, line, created)
        return
    observed = line["time"] if line["timed"] else None
    since, there = said.sources.get(dataset, (None, None))
    own = there is not None and there[PROVENANCE][0] == owner
    if instance is None:
        if own:
            del said.sources[dataset]
            said.recorded = line["recorded"]
        return
    if own and since is not None and observed is not None and observed < since:
        return  # late: it belongs to history alone
    created = first_of(line) if there is None else there[PROVENANCE][2]
    said.sources[dataset] = observed, stamped(instance, line, created)
    said.recorded = line["recorded"]


def stamped(instance: Mapping[str, Any], line: Line, created: int) -> Instance:
    origin = [line["source"], line["commit"], created, line["recorded"], line["run"], line["row"]]
    return in_shape({**instance, PROVENANCE: origin})


def document(id_: str, entity: Known, claims: Claims, tenant: str) -> Document:
    """An entity as the store has it."""
    found: Document = {"id": id_, "type": list(dict.fromkeys(entity.types))}
    if entity.scope:
        found["scope"] = entity.scope
    if entity.expires:
        found["expiresAt"] = entity.expires
    found["createdAt"], found["modifiedAt"] = entity.created, entity.modified
    found["attrs"] = {}
    for name, said in entity.attrs.items():
        if instances := standing(said, claims, tenant, tuple(entity.types), name):
            found["attrs"][name] = instances
    return found


def standing(said: Said, claims: Claims, tenant: str, types: tuple[str, ...], name: str) -> list[Instance]:
    """An attribute's instances: the pin or the rule's choice in front, each source's claim, clients' own."""
    rivals = claims.rivals(tenant, types, name)
    pin = said.clients.get(None)
    own = [one for dataset, one in said.clients.items() if dataset is not None]
    sources: dict[str, Instance] = {}
    plain: Instance | None = None
    for dataset, (_, one) in said.sources.items():
        if dataset is not None:
            sources[dataset] = one
        elif rivals or pin is not None:
            own_name = dataset_of(one[PROVENANCE][0])
            sources.setdefault(own_name, marked(one, own_name))
        else:
            plain = one
    others = [*sources.values(), *own]
    if pin is not None:
        return in_order([pin, *others])
    if rivals:
        chosen = choice(sources.values(), claims, claims.rule(types, name), said.recorded)
        return in_order([*([chosen] if chosen is not None else []), *others])
    return in_order([*([plain] if plain is not None else []), *others])
