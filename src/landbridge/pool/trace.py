"""Where each value came from: source, run, row and place, or actor and request; and what the value stands for."""

from collections.abc import Iterator
from typing import NamedTuple

import apsw

from landbridge.errors import Missing
from landbridge.model.answer import Document, Trace
from landbridge.model.claim import Claims
from landbridge.model.entity import API, Instance, Instances, Provenance, provenance, value_of
from landbridge.model.instant import parse_instant
from landbridge.pool.pin import holds_until, is_claim
from landbridge.store import ledger, reading
from landbridge.store.raw import find_row
from landbridge.store.sqlite import SqliteStore


class Origin(NamedTuple):
    """What is known of the source row behind an instance."""

    place: str | None = None
    mapping: str | None = None
    raw: dict[str, object] | None = None


def explain(
    store: SqliteStore, claims: Claims, tenant: str, id_: str, attribute: str | None, *, inside: bool
) -> list[Trace]:
    """A trace for each instance of an entity (of one attribute where it is given).

    `inside`: the actor may see raw rows, and who wrote. Raises Missing where there is no such entity or attribute.
    """
    with store.reader() as connection:
        stored = reading.get(connection, tenant, id_)
        if stored is None:
            raise Missing("There is no such entity.", where=id_)
        document = reading.document(stored)
        attributes = document["attrs"]
        if attribute is not None and attribute not in attributes:
            raise Missing(f"The entity has no attribute '{attribute}'.", where=id_)
        return [
            trace
            for name, instances in attributes.items()
            if attribute in (None, name)
            for trace in traces(connection, claims, tenant, document, name, instances, store.clock(), inside)
        ]


def traces(
    connection: apsw.Connection,
    claims: Claims,
    tenant: str,
    document: Document,
    attribute: str,
    instances: Instances,
    now: int,
    inside: bool,
) -> Iterator[Trace]:
    fed = any((tenant, type_, attribute) in claims.feeds for type_ in document["type"])
    for instance in instances:
        origin = provenance(instance)
        until = holds_until(instance, claims) if origin.owner != API else None
        observed = instance.get("observedAt")
        place = row_behind(connection, origin, document["id"], attribute, inside)
        wrote = ledger.commit_of(connection, origin.commit) if inside and origin.owner == API else None
        yield Trace(
            entity=document["id"],
            attribute=attribute,
            dataset_id=instance.get("datasetId"),
            value=value_of(instance),
            standing=standing(instance, instances, fed),
            owner=origin.owner,
            commit=origin.commit,
            recorded=origin.modified,
            observed_at=parse_instant(observed) if observed else None,
            stale=until is not None and until <= now,
            holds_until=until,
            run=origin.run,
            row=origin.row,
            place=place.place,
            mapping=place.mapping,
            raw=place.raw,
            actor=wrote.actor if wrote else None,
            request=wrote.request if wrote else None,
            unit=instance.get("unitCode"),
        )


def standing(instance: Instance, instances: Instances, fed: bool) -> str:
    """What an instance is: value, chosen, claim, pin or instance."""
    if "datasetId" in instance:
        return "claim" if is_claim(instance) else "instance"
    rivals = any(is_claim(one) for one in instances)
    if provenance(instance).owner == API:
        return "pin" if rivals or fed else "value"
    return "chosen" if rivals else "value"


def row_behind(connection: apsw.Connection, origin: Provenance, id_: str, attribute: str, inside: bool) -> Origin:
    """Find the kept source row; its content only for whoever may see it.

    Of several mapping files that read the row, that is named which made this attribute of this entity of it.
    """
    if origin.run is None or origin.row is None:
        return Origin()
    bodies = reading.raw(connection, origin.owner, origin.run, origin.row)
    found = [row for body in bodies if (row := find_row(body, origin.row))]
    if not found:
        return Origin()
    made = [row for row in found if row.makes(id_, attribute)] or found
    mappings = ", ".join(dict.fromkeys(row.mapping for row in made))
    return Origin(made[0].place, mappings, made[0].raw if inside else None)
