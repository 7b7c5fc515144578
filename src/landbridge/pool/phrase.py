"""One mapped row as the pool reads it, in plain Python: the road of small deliveries and of unusual ones.

`pool.render` makes the same texts for whole columns at a time; a property test holds the two together.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from landbridge.model.column import RowPlan, ValueColumn
from landbridge.model.entity import KINDS
from landbridge.model.instant import format_instant
from landbridge.pool.absorb import Item

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """A value's column: its stored name, the JSON that opens it, and where its value and unit lie."""

    column: str
    name: str
    opening: str  # {"type":"Property","value":
    member: str
    reading: str
    unit: str | None


@dataclass(frozen=True)
class AttributePlan:
    """An attribute's columns with stored names. `remove`: a NULL takes the source's instance away."""

    value: Part
    observed: str | None
    dataset: str | None
    subs: tuple[Part, ...]
    remove: bool
    geometry: bool


def attribute_plans(
    plan: RowPlan, expand: Callable[[str], str], null_remove: frozenset[str]
) -> tuple[AttributePlan, ...]:
    """The attributes of a mapping, named as they are stored."""
    return tuple(
        AttributePlan(
            part(attribute.value, expand),
            attribute.observed_at or ("observedAt" if plan.observed_at else None),
            attribute.dataset_id,
            tuple(part(sub, expand) for sub in attribute.subs),
            attribute.name in null_remove,
            attribute.value.kind == "GeoProperty",
        )
        for attribute in plan.attributes
    )


def part(value: ValueColumn, expand: Callable[[str], str]) -> Part:
    member = KINDS[value.kind]
    return Part(
        value.column, expand(value.name), f'{{"type":"{value.kind}","{member}":', member, value.reading, value.unit_code
    )


def items(row: Row, plans: tuple[AttributePlan, ...], number: int | None) -> Iterator[Item]:
    """What a row says, attribute by attribute; times in microseconds. A NULL says nothing, unless it is to remove."""
    for plan in plans:
        given = row[plan.value.column]
        observed: int | None = row[plan.observed] if plan.observed else None
        dataset = row[plan.dataset] if plan.dataset else None
        name = plan.value.name
        if given is None:
            if plan.remove:
                yield Item(name, dataset, observed, None, "", None, number)
            continue
        text, value = read(plan.value, given)
        head = plan.value.opening + text + unit(plan.value, row)
        if observed is not None:
            head += f',"observedAt":"{format_instant(observed)}"'
        yield Item(name, dataset, observed, head, "".join([tail(sub, row) for sub in plan.subs]), value, number)


def read(value: Part, given: Any) -> tuple[str, Any]:
    """A cell as canonical JSON text and as the value that it means."""
    if value.reading == "plain":
        return orjson.dumps(given).decode(), given
    found = orjson.loads(given)
    if value.member == "objectList":
        found = [one if isinstance(one, dict) else {"object": one} for one in found]
    return orjson.dumps(found).decode(), found


def unit(value: Part, row: Row) -> str:
    code = row[value.unit] if value.unit else None
    return f',"unitCode":{orjson.dumps(code).decode()}' if code else ""


def tail(sub: Part, row: Row) -> str:
    """A sub-attribute as a further member; nothing where the row has none."""
    given = row[sub.column]
    if given is None:
        return ""
    return f",{orjson.dumps(sub.name).decode()}:{sub.opening}{read(sub, given)[0]}{unit(sub, row)}}}"


def scope_of(given: str | list[str] | None) -> list[str] | None:
    """The scopes of a row; None where it says none."""
    if given is None:
        return None
    return [given] if isinstance(given, str) else list(given)
