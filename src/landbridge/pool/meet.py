"""Rows of a bulk load that meet entities already there: most documents are rewritten as columns of text (`pool.weave`).

The others are read, changed and written one by one, as single rows are (`Absorber.place`), with the same result:
late values, rules that ask for more than the sources' ranks, pins, sub-attributes, changed scopes and places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
import polars as pl

from landbridge.model.entity import API, PROVENANCE, Instance
from landbridge.model.slot import LOOK, Slot, slot_of
from landbridge.pool.absorb import Absorber, Item, Standing
from landbridge.pool.edit import about_of
from landbridge.pool.render import Rendered, slots
from landbridge.pool.single import LOCATION, Draft, stored_row
from landbridge.pool.told import ANNOUNCED, Told
from landbridge.pool.weave import Saying, Woven, weave
from landbridge.store.cell import cells
from landbridge.store.contract import Kind, Row, Stored
from landbridge.store.document import CHOSEN, CLAIM, folded, is_marked, unfold, unfolded
from landbridge.store.transaction import SqliteTransaction

Ints = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

MET = 4_096  # entities met together: as many as the store's cache holds between reading and writing


@dataclass
class Voice:
    """What a delivery says of one attribute: `index` gives the row that stands of each entity, -1 where nothing does.

    `anew`: entities of which the delivery says something without a time, so that nothing there counts as later.
    """

    absorber: Absorber
    standing: Standing
    rendered: Rendered
    index: Ints
    rows: pl.Series
    anew: Flags | None
    types: tuple[str, ...]
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.rendered.name

    @cached_property
    def quick(self) -> bool:
        """Whether the rule need but compare this with the claim that was chosen before."""
        rivals = self.standing.rivals
        distinct = len(set(self.ranks.values())) == len(rivals)
        if rivals and (self.standing.lapsing or not distinct or self.absorber.owner not in rivals):
            return False
        return self.rule is not None

    @cached_property
    def rule(self) -> str | None:
        """The rule as it is for such values, None where it need look at all claims: among texts the ranks decide."""
        rule = self.standing.rule.rule if self.standing.rivals else "priority"
        if rule in ("priority", "newest"):
            return rule
        plain, kind = self.rendered.plan.value.reading == "plain", self.rendered.values.dtype
        if plain and kind == pl.String:
            return "priority"
        return rule if plain and kind.is_numeric() and rule != "median" else None

    @property
    def placed(self) -> bool:
        """Whether this says where entities lie, otherwise than by one point of one source's."""
        point = self.rendered.plan.value.reading == "point"
        return self.name == LOCATION and (not point or bool(self.standing.rivals))

    @cached_property
    def ranks(self) -> dict[str, int]:
        return {source: self.standing.rule.rank(source) for source in self.standing.rivals}

    @cached_property
    def saying(self) -> Saying:
        """What is said, as columns for all entities."""
        at, rendered, absorber = self.places(slice(None)), self.rendered, self.absorber
        tails = [] if rendered.tail is None else [rendered.tail.gather(at)]
        row = self.rows.gather(at).cast(pl.String).fill_null("null")
        front = pl.select(pl.concat_str(rendered.head.gather(at), *tails, pl.lit(absorber.before))).to_series()
        back = pl.select(pl.concat_str(pl.lit(f",{absorber.recorded},{absorber.run},"), row)).to_series()
        observed = None if rendered.observed is None else rendered.observed.gather(at)
        if observed is not None and self.anew is not None:
            observed = observed.set(pl.Series(self.anew), None)
        rule = self.rule or ""
        return Saying(self.name, absorber.owner, front, back, observed, self.ranks, rule, self.score(at))

    def score(self, at: pl.Series) -> pl.Series | None:
        """What the rule looks at before the ranks."""
        if self.rule == "newest":
            observed = self.rendered.observed
            if observed is None:
                return pl.repeat(self.absorber.recorded, len(at), dtype=pl.Int64, eager=True)
            return observed.gather(at).fill_null(self.absorber.recorded)
        if self.rule in ("highest", "lowest"):
            return self.rendered.values.gather(at).cast(pl.Float64)
        return None

    def said_of(self, part: slice) -> Saying:
        """What is said of some of the entities."""
        whole = self.saying
        observed, score = (None if one is None else one[part] for one in (whole.observed, whole.score))
        return replace(whole, front=whole.front[part], back=whole.back[part], observed=observed, score=score)

    def places(self, part: slice | Ints) -> pl.Series:
        """The rows that stand, null where nothing is said."""
        at = pl.Series(self.index[part])
        return at.set(at < 0, None)

    def values(self, places: Ints) -> list[Slot]:
        """The narrow column's values where this is said, and is all that there is."""
        if self.standing.rivals:
            return [LOOK] * len(places)
        return slots(self.rendered, pl.Series(self.index[places]))

    def whereabouts(self, places: Ints) -> tuple[list[Any], ...]:
        """Longitudes, latitudes and cells of the points that are said."""
        assert self.rendered.position is not None, "only points are woven"
        lon, lat = (one.gather(pl.Series(self.index[places])) for one in self.rendered.position)
        return lon.to_list(), lat.to_list(), cells(lon.to_numpy(), lat.to_numpy()).tolist()

    def items(self, places: Ints) -> Iterator[Item | None]:
        """What is said of these entities as single rows say it."""
        rendered, at = self.rendered, self.places(places)
        count = len(places)
        heads = rendered.head.gather(at).to_list()
        tails = [""] * count if rendered.tail is None else rendered.tail.gather(at).to_list()
        times = [None] * count if rendered.observed is None else rendered.observed.gather(at).to_list()
        values, numbers = rendered.values.gather(at).to_list(), self.rows.gather(at).to_list()
        anew = [False] * count if self.anew is None else self.anew[places].tolist()
        for time, head, tail, value, number, since in zip(times, heads, tails, values, numbers, anew, strict=True):
            yield None if head is None else Item(self.name, None, time, head, tail, value, number, since)

    def put(self, attrs: dict[str, Any], item: Item) -> bool:
        """Bring an item into a stored document's attributes; whether anything current changed."""
        stored: list[Any] = attrs.get(self.name) or []
        if stored and not self.standing.rivals and self.put_value(stored, item):
            return True
        if self.standing.rivals and all(map(is_marked, stored)) and (not stored or stored[0][PROVENANCE][-1] == CHOSEN):
            return self.put_claim(attrs, stored, item)
        instances = unfolded(stored) if any(map(is_marked, stored)) else stored
        placed = self.absorber.place(self.types, instances, item)
        whole = instances if placed is None else orjson.loads(orjson.dumps(placed))
        attrs[self.name] = folded(whole)
        return placed is not None

    def put_claim(self, attrs: dict[str, Any], stored: list[Instance], item: Item) -> bool:
        """Put a claim among others as they are stored, the chosen one first."""
        absorber, owner = self.absorber, self.absorber.owner
        own = next((one for one in stored if one[PROVENANCE][0] == owner), None)
        if own is not None and absorber.is_late(own, item):
            return False
        others = [one for one in stored if one is not own]
        chosen = absorber.best(self.standing, others, item) if others else None
        created = absorber.recorded if own is None else own[PROVENANCE][2]
        row = "null" if item.row is None else item.row
        mark = CHOSEN if chosen is None else CLAIM
        stamp = f'{absorber.before}{created},{absorber.recorded},{absorber.run},{row},"{mark}"]}}'
        placed: list[tuple[bool, str, Any]] = [
            (chosen is not None, owner, orjson.Fragment(str(item.head) + item.tail + stamp))
        ]
        for one in others:
            one[PROVENANCE][-1] = CHOSEN if one is chosen else CLAIM
            placed.append((one is not chosen, one[PROVENANCE][0], one))
        placed.sort(key=itemgetter(0, 1))
        attrs[self.name] = [one for _, _, one in placed]
        return True

    def put_value(self, instances: list[Any], item: Item) -> bool:
        """Put the one value in place of an older one; False where that is not all there is to do."""
        first = instances[0]
        owner, _, created, *_ = first[PROVENANCE]
        if len(instances) > 1 or "datasetId" in first or owner == API or is_marked(first):
            return False
        if self.absorber.is_late(first, item):
            return False
        absorber = self.absorber
        row = "null" if item.row is None else item.row
        stamp = f"{absorber.before}{created},{absorber.recorded},{absorber.run},{row}]}}"
        instances[0] = orjson.Fragment(str(item.head) + item.tail + stamp)
        return True


@dataclass
class Meeting:
    """Entities of one kind and type that are there, in the order of their keys, and what is said of them.

    `scopes`: the scope that each is to have (None: as it is), where the delivery says any.
    """

    transaction: SqliteTransaction
    told: Told
    kind: Kind
    keys: Ints
    ids: pl.Series
    voices: list[Voice]
    scopes: Sequence[list[str] | None] | None
    rescoped: dict[int, dict[str, Any]] = field(default_factory=dict)  # what these entities themselves are since now

    def write(self) -> None:
        """Bring what is said into the entities' rows, some at a time."""
        located = any(voice.name == LOCATION for voice in self.voices)
        woven = self.scopes is None and all(voice.quick and not voice.placed for voice in self.voices)
        for first in range(0, len(self.keys), MET):
            part = slice(first, min(first + MET, len(self.keys)))
            left = np.arange(part.start, part.stop)
            if woven:
                left = left[self.weave(part)]
            if len(left):
                self.look_at(left, located)

    def weave(self, part: slice) -> Ints:
        """Rewrite documents as columns; answers the places, in this part, that have to be looked at."""
        keys = self.keys[part]
        docs = self.transaction.documents(keys.tolist())
        found = weave(docs, [voice.said_of(part) for voice in self.voices], self.transaction.recorded)
        for news in np.unique(found.news).tolist():
            self.update(part.start, keys, found, news)
        self.touch(found.places + part.start)
        return found.rest(len(keys))

    def update(self, start: int, keys: Ints, found: Woven, news: int) -> None:
        """Write those documents of which these sayings need their slots written."""
        alike = found.news == news
        places = found.places[alike]
        docs = found.docs if alike.all() else [doc for doc, one in zip(found.docs, alike.tolist(), strict=True) if one]
        new = [voice for number, voice in enumerate(self.voices) if news >> number & 1]
        slots = {
            self.kind.slots[voice.name]: voice.values(places + start) for voice in new if voice.name in self.kind.slots
        }
        where = next((voice.whereabouts(places + start) for voice in new if voice.name == LOCATION), ())
        self.transaction.update_columns(keys[places].tolist(), docs, slots, where)

    def look_at(self, places: Ints, located: bool) -> None:
        """Look at each document by itself."""
        said = [(voice, list(voice.items(places))) for voice in self.voices]
        columns = {voice: list[Slot]() for voice in self.kind.slots if any(one.name == voice for one in self.voices)}
        keys, docs, plain, changed = list[int](), list[str](), list[Row](), list[int]()
        for number, stored in enumerate(self.transaction.load(self.keys[places].tolist())):
            document = orjson.loads(stored.doc)  # as it is stored: what is not spoken of is not unfolded
            attrs, place = document["attrs"], int(places[number])
            touched = False
            for voice, items in said:
                item = items[number]
                if item is not None and voice.put(attrs, item):
                    touched = True
            rescoped = self.scopes is not None and rescope(document, self.scopes[place])
            if not touched and not rescoped:
                continue
            changed.append(place)
            if rescoped:
                self.rescoped[stored.key] = about_of(document)
            if rescoped or located:
                plain.append(self.plain_row(stored, document, located))
                continue
            keys.append(stored.key)
            docs.append(orjson.dumps(document).decode())
            for name, column in columns.items():
                column.append(slot(attrs.get(name)))
        self.transaction.update_columns(keys, docs, {self.kind.slots[name]: column for name, column in columns.items()})
        self.transaction.update(plain)
        self.touch(np.array(changed, np.int64))

    def plain_row(self, stored: Stored, document: dict[str, Any], located: bool) -> Row:
        """A row with everything, for documents whose place or scope may have changed."""
        draft = Draft(unfold(orjson.dumps(document).decode()), stored, stored.key, moved=located)
        return stored_row(draft, {self.kind.type: self.kind}, self.transaction)

    def touch(self, places: Ints) -> None:
        """Note whose current values changed."""
        self.told.touch_all(self.ids.gather(places[:ANNOUNCED]).to_list(), (self.kind.type,), len(places))


def slot(stored: Sequence[Any] | None) -> Slot:
    """The narrow column's value for an attribute's instances as they are stored."""
    if stored is None:
        return None
    one = stored[0] if isinstance(stored[0], dict) else orjson.loads(orjson.dumps(stored[0]))
    return LOOK if len(stored) > 1 or is_marked(one) else slot_of([one])


def rescope(document: dict[str, Any], scope: list[str] | None) -> bool:
    """Give a document this scope; whether it is another than it had."""
    if scope is None or document.get("scope") == scope:
        return False
    attrs = document.pop("attrs")
    document |= {"scope": scope, "attrs": attrs}
    return True
