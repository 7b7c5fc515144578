"""Rows of a bulk load that meet entities already there: each document is read, changed and written, as fast as may be.

Most meetings are of two kinds: a source says again what it alone says, or adds its claim beside others' under a rule
that ranks the sources. Both are done here on the document's lists, the texts made a column at a time beforehand;
everything else goes the way of single rows (`Absorber.place`), with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import polars as pl

from landbridge.model.entity import API, PROVENANCE
from landbridge.model.slot import LOOK, slot_of
from landbridge.pool.absorb import Absorber, Item, Standing
from landbridge.pool.render import Rendered

Fragment = orjson.Fragment
Places = np.ndarray[Any, np.dtype[np.int64]]


@dataclass
class Voice:
    """What a delivery says of one attribute, an entry for each entity in the order of their keys (None: nothing)."""

    absorber: Absorber
    standing: Standing
    rendered: Rendered
    alone: list[Any]  # the instance as the default one, complete
    claims: list[Any]  # the same under the source's datasetId; empty where there are no rivals
    at: Places  # the rows of the delivery that are said
    there: Any
    rows: pl.Series
    anew: list[bool]
    items: list[Item] = field(default_factory=list)
    ranks: dict[str, int] = field(default_factory=dict)
    rank: int = 0
    quick: bool = True  # nothing but the rank of the sources decides
    name: str = ""
    mine: str = ""
    shared: bool = False

    def __post_init__(self) -> None:
        rule, rivals = self.standing.rule, self.standing.rivals
        self.ranks = {source: rule.rank(source) for source in rivals}
        self.rank = rule.rank(self.absorber.owner)
        distinct = len(set(self.ranks.values())) == len(rivals)
        self.name, self.mine, self.shared = self.rendered.name, self.standing.claim, bool(rivals)
        self.quick = not rivals or (rule.rule == "priority" and not self.standing.lapsing and distinct)

    def put(self, types: tuple[str, ...], attrs: dict[str, Any], place: int) -> bool:
        """Bring what is said into a document's attributes; whether anything current changed."""
        instances: list[Any] | None = attrs.get(self.name)
        if self.quick:
            if not instances:
                text = Fragment(self.alone[place])
                attrs[self.name] = [text, Fragment(self.claims[place])] if self.shared else [text]
                return True
            if self.put_claim(instances, place) if self.shared else self.put_value(instances, place):
                return True
        placed = self.absorber.place(types, instances or (), self.item(place))
        if placed is None:
            return False
        attrs[self.name] = placed
        return True

    def put_claim(self, instances: list[Any], place: int) -> bool:
        """Add a first claim beside the others; False where that is not all there is to do."""
        first, mine = instances[0], self.mine
        rank = self.ranks.get(first[PROVENANCE][0])
        if rank is None or "datasetId" in first or len(instances) == 1:
            return False
        at = 1
        for one in instances[1:]:
            dataset = one["datasetId"]
            if dataset >= mine:
                if dataset == mine:
                    return False
                break
            at += 1
        instances.insert(at, Fragment(self.claims[place]))
        if self.rank < rank:
            instances[0] = Fragment(self.alone[place])
        return True

    def put_value(self, instances: list[Any], place: int) -> bool:
        """Put the one value in place of an older one; False where that is not all there is to do."""
        first = instances[0]
        owner, _, created, *_ = first[PROVENANCE]
        if len(instances) > 1 or "datasetId" in first or owner == API:
            return False
        item = self.item(place)
        if self.absorber.is_late(first, item):
            return False
        absorber = self.absorber
        row = "null" if item.row is None else item.row
        stamp = f"{absorber.before}{created},{absorber.recorded},{absorber.run},{row}]}}"
        instances[0] = Fragment(str(item.head) + item.tail + stamp)
        return True

    def item(self, place: int) -> Item:
        """What is said as a single row says it; all are made when the first is asked for."""
        if not self.items:
            self.items = spread(items(self.rendered, self.at, self.rows, self.anew), self.there)
        return self.items[place]

    @property
    def always_looked_at(self) -> bool:
        """Whether the attribute has several instances wherever this is said, and it is said everywhere."""
        return self.shared and bool(self.there.all())

    def slot(self, instances: Sequence[Any] | None) -> Any:
        """The narrow column's value for these instances."""
        if instances is None or len(instances) > 1:
            return None if instances is None else LOOK
        one = instances[0]
        return slot_of([one if isinstance(one, dict) else orjson.loads(orjson.dumps(one))])


def prepare(
    absorber: Absorber,
    standing: Standing,
    rendered: Rendered,
    at: Places,
    there: Any,
    rows: pl.Series,
    anew: list[bool],
) -> Voice:
    """Prepare one attribute: `at` gives the row that stands for each entity that is `there`."""
    head = rendered.head.gather(at)
    tails = [] if rendered.tail is None else [rendered.tail.gather(at)]
    stamp = pl.lit(f"{absorber.before}{absorber.recorded},{absorber.recorded},{absorber.run},")
    row = rows.gather(at).cast(pl.String).fill_null("null")
    ending: list[Any] = [*tails, stamp, row, pl.lit("]}")]
    alone = pl.select(pl.concat_str(head, *ending)).to_series()
    claims = None
    if standing.rivals:
        claims = pl.select(pl.concat_str(head, pl.lit(absorber.marked), *ending)).to_series().to_list()
    return Voice(
        absorber,
        standing,
        rendered,
        spread(alone.to_list(), there),
        [] if claims is None else spread(claims, there),
        at,
        there,
        rows,
        anew,
    )


def items(rendered: Rendered, at: Places, rows: pl.Series, anew: list[bool]) -> list[Item]:
    """What these rows say."""
    heads = rendered.head.gather(at).to_list()
    tails = [""] * len(at) if rendered.tail is None else rendered.tail.gather(at).to_list()
    times: list[Any] = [None] * len(at) if rendered.observed is None else rendered.observed.gather(at).to_list()
    values, numbers = rendered.values.gather(at).to_list(), rows.gather(at).to_list()
    return [Item(rendered.name, None, *said) for said in zip(times, heads, tails, values, numbers, anew, strict=True)]


def spread(values: list[Any], there: Any) -> list[Any]:
    """The values at the places that are there, None at the others."""
    if there.all():
        return values
    rest = iter(values)
    return [next(rest) if here else None for here in there.tolist()]
