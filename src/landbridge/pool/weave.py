"""What a bulk load says, put into the documents of entities that are there, a column of texts at a time.

Most documents of a delivery have one layout: the same attributes with the same sources' claims, as the bulk road and
single writes leave them. Those are taken apart at their provenances, which every instance has once, and put together
again with what is said in its place, without being read as JSON. What is not of plain values, or asks for more than a
comparison with the claim that was chosen before, is left to `pool.meet`, which looks at each document; both give the
same text.

Why the cuts are sound: a document qualifies if its braces are those of itself, its attributes and as many instances as
there are provenances, and its brackets those of its types, scopes, attributes and provenances. An object or a list in
a value, or a brace in a text, makes one of the counts too large, and a quote in a text is escaped; so what looks like
a provenance is one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import polars as pl

from landbridge.model.entity import API, PROVENANCE
from landbridge.store.document import CHOSEN, CLAIM

Ints = np.ndarray[Any, np.dtype[np.int64]]
Texts = list["pl.Expr | str"]

OWNER = f'"{PROVENANCE}":["'
POINT, LANGUAGES = '"value":{"type":"Point","coordinates":[', '"languageMap":{"'  # objects that hide nothing
MOST = 64  # instances of a document that is taken apart
FEW = 8  # documents of one layout that are not worth it
BETWEEN = "\x1f"  # which no JSON text has in it
PLAIN = "-"  # the mark of an instance that is no claim
MOMENT = r',"observedAt":"([^"]*)",$'
NUMBER = r'^\{"type":"Property","value":(-?[0-9][0-9.eE+-]*),'
EXACT = 2.0**53  # numbers beyond it may be told apart as JSON and not here


@dataclass(frozen=True)
class Saying:
    """What is said of one attribute, an entry for each document (null: nothing).

    An instance is `front`, the time it is there since, `back`, and a mark where several sources feed the attribute;
    `ranks` are theirs, each another, empty where there is one source. `observed`: microseconds, where the same
    source's later value stands; None or null where nothing is late. `rule`: of the claims' rules one that compares two
    claims. `score`: what it looks at before the ranks: since when this holds, or its value; None: nothing.
    """

    name: str
    owner: str
    front: pl.Series
    back: pl.Series
    observed: pl.Series | None
    ranks: Mapping[str, int]
    rule: str = "priority"
    score: pl.Series | None = None

    @property
    def key(self) -> str:
        return orjson.dumps(self.name).decode()


@dataclass(frozen=True)
class Woven:
    """Documents that are done: their places, ascending; their texts; and of which sayings (a bit each) they had had
    no attribute, or have another single value now."""

    places: Ints
    docs: list[str]
    news: Ints

    def rest(self, count: int) -> Ints:
        """The places that are not done."""
        left = np.ones(count, bool)
        left[self.places] = False
        return np.flatnonzero(left)


@dataclass
class Shown:
    """An instance in a layout: whose it is, its mark, and the columns that its text is made of."""

    owner: str
    mark: str
    start: pl.Expr
    provenance: pl.Expr

    def text(self, mark: str) -> Texts:
        """Its text with this mark."""
        kept: Texts = [self.provenance]
        if mark != self.mark:
            kept = [self.provenance.str.strip_suffix(f'"{self.mark}"'), f'"{mark}"']
        return [self.start, OWNER, *kept, "]}"]


@dataclass
class Layout:
    """The attributes of documents with their instances, in order; and what becomes of them."""

    names: list[str]
    instances: list[list[Shown]]
    made: list[list[Texts]]
    news: int = 0
    needs: list[pl.Expr] = field(default_factory=list)  # what must hold, else a document is not for this road

    @classmethod
    def read(cls, signature: str) -> "Layout":
        """The layout of a signature: the first attribute, then owner, mark and what follows, again and again."""
        name, *told = signature.split(BETWEEN)
        names, instances = [name], [list[Shown]()]
        for number, (owner, mark, following) in enumerate(zip(told[::3], told[1::3], told[2::3], strict=True), 1):
            before = pl.col(f"rest{number - 1}")
            opening = "," if instances[-1] else f"{'],' if number > 1 else ''}{names[-1]}:["
            shown = Shown(owner, mark, before.str.strip_prefix(opening), pl.col(f"from{number}"))
            instances[-1].append(shown)
            if following.startswith('"'):
                names.append(following)
                instances.append([])
        return cls(names, instances, [[one.text(one.mark) for one in some] for some in instances])

    def outcome(self, saying: Saying, number: int) -> pl.Expr | None:
        """Whether what is said is chosen, where the document tells; None where that is so, or not so, for all."""
        if saying.score is None or saying.key not in self.names:
            return None
        first, *_ = shown = self.instances[self.names.index(saying.key)]
        if first.owner == saying.owner or first.owner not in saying.ranks:
            return None
        mine, theirs = pl.col(f"score{number}"), score_of(first, saying.rule)
        ahead = mine < theirs if saying.rule == "lowest" else mine > theirs
        if saying.ranks[saying.owner] < saying.ranks[first.owner]:
            ahead |= mine == theirs
        known = pl.all_horizontal(comparable(one, saying.rule) for one in shown) if saying.rule != "newest" else True
        return pl.when(known & (saying.rule == "newest" or mine.abs() < EXACT)).then(ahead)

    def say(self, saying: Saying, number: int, recorded: str, ahead: bool | None) -> bool:
        """Put what is said in its place; False where that is not for this road. `ahead`: its outcome."""
        front, back = pl.col(f"front{number}"), pl.col(f"back{number}")
        if saying.key not in self.names:
            mark = [f',"{CHOSEN}"'] if saying.ranks else []
            self.names.append(saying.key)
            self.instances.append([])
            self.made.append([[front, recorded, back, *mark, "]}"]])
            self.news |= 1 << number
            return True
        place = self.names.index(saying.key)
        shown = self.instances[place]
        mine = next((one for one in shown if one.owner == saying.owner or not saying.ranks), None)
        created = recorded if mine is None else mine.provenance.str.splitn(",", 4).struct.field("field_2")
        if mine is not None and mine.owner == saying.owner and saying.observed is not None:
            self.needs.append(~is_late(mine, number))
        said = [front, created, back]
        if saying.ranks:
            made = claimed(shown, saying, said, ahead)
            if saying.score is not None and mine is shown[0]:
                self.needs.append(still_first(mine, saying.rule, number))
        else:
            made = None if len(shown) > 1 or shown[0].mark != PLAIN or shown[0].owner == API else [[*said, "]}"]]
            self.news |= 1 << number
        if made is not None:
            self.made[place] = made
        return made is not None

    def text(self) -> pl.Expr:
        """The whole document."""
        parts: Texts = [pl.col("head"), '"attrs":{']
        for number, (name, made) in enumerate(zip(self.names, self.made, strict=True)):
            parts.append(f"{',' if number else ''}{name}:[")
            for at, instance in enumerate(made):
                parts += [",", *instance] if at else instance
            parts.append("]")
        return pl.concat_str([pl.lit(part) if isinstance(part, str) else part for part in [*parts, "}}"]])


def claimed(shown: Sequence[Shown], saying: Saying, said: Texts, ahead: bool | None) -> list[Texts] | None:
    """The claims with the one that is said, the chosen one first; None where they are not as the rule leaves them."""
    ranks = saying.ranks
    first, *others = shown
    if first.mark != CHOSEN or any(one.mark != CLAIM for one in others) or any(one.owner not in ranks for one in shown):
        return None
    if ahead is None:
        if saying.score is None and any(ranks[one.owner] <= ranks[first.owner] for one in others):
            return None
        ahead = ranks[saying.owner] <= ranks[first.owner] if saying.score is None else first.owner == saying.owner
    texts = {one.owner: one.text(CLAIM) for one in shown}
    texts[saying.owner] = [*said, f',"{CLAIM}"]}}']
    best = saying.owner if ahead else first.owner
    if ahead:
        chosen: Texts = [*said, f',"{CHOSEN}"]}}']
    else:
        chosen = first.text(CHOSEN)
    return [chosen, *(texts[owner] for owner in sorted(texts) if owner != best)]


def moment_of(one: Shown) -> pl.Expr:
    """When an instance was observed, in microseconds; null where it does not say."""
    text = one.start.str.extract(MOMENT)
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False).cast(pl.Int64)


def is_late(mine: Shown, number: int) -> pl.Expr:
    """Whether the same source has said something observed later."""
    return (pl.col(f"observed{number}") < moment_of(mine)).fill_null(False)


def score_of(one: Shown, rule: str) -> pl.Expr:
    """What a rule looks at: since when a claim holds (when it was recorded, if it has no time), or its value."""
    if rule == "newest":
        recorded = one.provenance.str.splitn(",", 5).struct.field("field_3").cast(pl.Int64)
        return pl.coalesce(moment_of(one), recorded)
    return one.start.str.extract(NUMBER).cast(pl.Float64, strict=False)


def comparable(one: Shown, rule: str) -> pl.Expr:
    """Whether a claim's value is a number that can be compared here."""
    return (score_of(one, rule).abs() < EXACT).fill_null(False)


def still_first(mine: Shown, rule: str, number: int) -> pl.Expr:
    """Whether a claim that was chosen stays so in any case: its score is none the worse."""
    now, before = pl.col(f"score{number}"), score_of(mine, rule)
    if rule == "newest":
        return now >= before
    better = now <= before if rule == "lowest" else now >= before
    return (better & (now.abs() < EXACT) & (before.abs() < EXACT)).fill_null(False)


def weave(docs: Sequence[str], sayings: Sequence[Saying], recorded: int) -> Woven:
    """Put what is said into as many of these documents as this road can."""
    frame = pl.DataFrame({"doc": pl.Series(docs, dtype=pl.String)}).with_row_index("place")
    frame = frame.with_columns(
        *columns(sayings),
        braces=pl.col("doc").str.count_matches("{", literal=True).cast(pl.Int64),
        brackets=pl.col("doc").str.count_matches("[", literal=True).cast(pl.Int64),
    )
    done = list(woven(frame, sayings, str(recorded)))
    left = frame.join(pl.concat([one.select("place") for one in done]), on="place", how="anti") if done else frame
    left = harmless(left) if left.height >= FEW else left.clear()
    done += woven(left, sayings, str(recorded))
    if not done:
        return Woven(np.empty(0, np.int64), [], np.empty(0, np.int64))
    found = pl.concat(done).sort("place")
    return Woven(found["place"].to_numpy().astype(np.int64), found["text"].to_list(), found["news"].to_numpy())


def columns(sayings: Sequence[Saying]) -> Iterator[pl.Series]:
    """What is said, as columns beside the documents."""
    for number, saying in enumerate(sayings):
        yield saying.front.alias(f"front{number}")
        yield saying.back.alias(f"back{number}")
        if saying.observed is not None:
            yield saying.observed.alias(f"observed{number}")
        if saying.score is not None:
            yield saying.score.alias(f"score{number}")


def harmless(frame: pl.DataFrame) -> pl.DataFrame:
    """Documents with points and languages in them, these left out of the counts; only those that have some."""
    points = pl.col("doc").str.count_matches(POINT, literal=True).cast(pl.Int64)
    languages = pl.col("doc").str.count_matches(LANGUAGES, literal=True).cast(pl.Int64)
    frame = frame.with_columns(points=points, languages=languages).filter(pl.col("points") + pl.col("languages") > 0)
    return frame.with_columns(
        braces=pl.col("braces") - pl.col("points") - pl.col("languages"), brackets=pl.col("brackets") - pl.col("points")
    ).drop("points", "languages")


def woven(frame: pl.DataFrame, sayings: Sequence[Saying], recorded: str) -> Iterator[pl.DataFrame]:
    """The documents of each layout that this road can do: place, text, news."""
    for (braces,), some in frame.group_by("braces", maintain_order=True):
        count = int(str(braces)) - 2
        if not 0 < count <= MOST or some.height < FEW:
            continue
        for (signature,), alike in taken_apart(some, count, len(sayings)).group_by("signature", maintain_order=True):
            if signature is None or alike.height < FEW:
                continue
            spoken, _, told = str(signature).partition(BETWEEN)
            good = alike.filter(pl.col("brackets") == layout_lists(told) + pl.col("scoped"))
            said = {number: sayings[number] for number, bit in enumerate(spoken) if bit == "1"}
            if said:
                yield from put(good, told, said, recorded)


def put(alike: pl.DataFrame, told: str, said: Mapping[int, Saying], recorded: str) -> Iterator[pl.DataFrame]:
    """Put what is said into documents of one layout, which of them are chosen as the rules have it."""
    layout = Layout.read(told)
    outcomes = {number: layout.outcome(saying, number) for number, saying in said.items()}
    told_by_row = {f"ahead{number}": ahead for number, ahead in outcomes.items() if ahead is not None}
    parts: Iterable[tuple[tuple[Any, ...], pl.DataFrame]] = [((), alike)]
    if told_by_row:
        parts = alike.with_columns(**told_by_row).drop_nulls(list(told_by_row)).group_by(list(told_by_row))
    for found, part in parts:
        layout, ahead = Layout.read(told), dict(zip(told_by_row, found, strict=True))
        if all(layout.say(one, number, recorded, ahead.get(f"ahead{number}")) for number, one in said.items()):
            good = part.filter(*layout.needs) if layout.needs else part
            yield good.select("place", text=layout.text(), news=pl.lit(layout.news, pl.Int64))


def layout_lists(told: str) -> int:
    """The lists of a layout's documents: of types, of each attribute and of each provenance."""
    parts = told.split(BETWEEN)
    return 2 + len(parts) // 3 + sum(part.startswith('"') for part in parts[3::3])


def taken_apart(frame: pl.DataFrame, count: int, sayings: int) -> pl.DataFrame:
    """Documents of `count` instances in pieces: `head`, then `rest0`, `from1`, `rest1`, ...; and their signature.

    `from` begins with the owner and ends with the mark, `rest` is what follows an instance and begins the next.
    """
    pieces = frame.with_columns(pl.col("doc").str.splitn(OWNER, count + 1).struct.unnest())
    opening = pl.col("field_0").str.splitn('"attrs":{', 2).struct
    parts = [opening.field("field_0").alias("head"), opening.field("field_1").alias("rest0")]
    for number in range(1, count + 1):
        piece = pl.col(f"field_{number}").str.splitn("]}", 2).struct
        parts += [piece.field("field_0").alias(f"from{number}"), piece.field("field_1").alias(f"rest{number}")]
    kept = [name for name in frame.columns if name != "doc"]
    found = pieces.select(*kept, *parts)
    spoken = [pl.col(f"front{number}").is_not_null().cast(pl.Int8).cast(pl.String) for number in range(sayings)]
    told = [pl.col("rest0").str.extract(r'^("[^"\\]*"):\[\{')]
    for number in range(1, count + 1):
        told += [owner_of(number), mark_of(number), following(number, number == count)]
    return found.with_columns(
        signature=pl.concat_str([pl.concat_str(spoken), *told], separator=BETWEEN),
        scoped=pl.col("head").str.contains('"scope":[', literal=True).cast(pl.Int64),
    )


def owner_of(number: int) -> pl.Expr:
    return pl.col(f"from{number}").str.splitn('"', 2).struct.field("field_0")


def mark_of(number: int) -> pl.Expr:
    provenance = pl.col(f"from{number}")
    return (
        pl.when(provenance.str.ends_with(f',"{CHOSEN}"'))
        .then(pl.lit(CHOSEN))
        .when(provenance.str.ends_with(f',"{CLAIM}"'))
        .then(pl.lit(CLAIM))
        .otherwise(pl.lit(PLAIN))
    )


def following(number: int, last: bool) -> pl.Expr:
    """What comes after an instance: another of the attribute, the next attribute's name, or the end; null: neither."""
    rest = pl.col(f"rest{number}")
    if last:
        return pl.when(rest == "]}}").then(pl.lit("]"))
    return pl.when(rest.str.starts_with(",{")).then(pl.lit(",")).otherwise(rest.str.extract(r'^\],("[^"\\]*"):\[\{'))
