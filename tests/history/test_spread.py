"""Whatever lies in the store and whatever in the lake: answers are those of a plain reader over all lines."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from feeding import ACTOR, City, micro, when
from landbridge.errors import Missing
from landbridge.history.lake import Lake
from landbridge.history.read import Question, Reader
from landbridge.history.trim import Window
from landbridge.history.upkeep import Upkeep
from landbridge.model.chapter import Chapter
from landbridge.model.entity import without_provenance
from landbridge.model.instant import format_instant
from landbridge.model.query import Compare, Has, Query
from landbridge.model.query import Path as At
from landbridge.model.temporal import Aggregate, Bucket, Evolution, Moment, Period, Span, TemporalQuery
from landbridge.pool.pool import Pool
from landbridge.store.segment import iterate, unpack

HOUR = 3_600_000_000
START = micro("2020-01-01T00:00Z")
IDS = ("urn:x:a", "urn:x:b", "urn:x:c")
NAMES = ("m", "n")


class Line(NamedTuple):
    """A line as it was written."""

    number: int
    ordinal: int
    recorded: int
    attribute: str
    dataset: str | None
    owner: str
    observed: int | None
    operation: str
    instance: dict[str, Any] | None
    replaces: tuple[int, int] | None

    @property
    def time(self) -> int:
        return self.recorded if self.observed is None else self.observed


@dataclass
class World:
    """A pool that keeps all in its store, and one of which the lake takes some; both are told the same."""

    folder: Path
    cities: list[City] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("whole", "spread"):
            (self.folder / name).mkdir()
            city = City(self.folder / name / "pool.db")
            city.store.clock = partial(getattr, city, "time")
            self.cities.append(city)
            self.pools.append(Pool(city.store))
        self.lake = Lake(str(self.folder / "history"))
        self.upkeep = Upkeep(self.cities[1].store, self.lake, Window(0, 0), grace=0)
        self.reader = Reader(self.cities[1].store, self.lake)
        self.pools[1].history = self.reader

    def close(self) -> None:
        for pool in self.pools:
            pool.close()

    def both(self, act: Callable[[City, Pool], object]) -> None:
        for city, pool in zip(self.cities, self.pools, strict=True):
            city.time += 1_000_000
            with suppress(Missing):  # there is no such evolution: in neither of them
                act(city, pool)

    # -- what may happen

    def pulled(self, rows: Sequence[tuple[int, int | None, int]]) -> None:
        """A source brings values; it may say another one for a time that it has told of before."""
        told = [
            {"id": IDS[who], "type": "T", "n": float(value), "observedAt": None if hour is None else at(hour)}
            for who, hour, value in dict.fromkeys(rows)
        ]
        self.both(lambda city, pool: city.pull("one", told, manner="stream"))

    def told(self, who: int, name: str, hours: Sequence[int], value: int, dataset: str | None) -> None:
        """A client tells history of some times."""
        more = {} if dataset is None else {"datasetId": dataset}
        instances = [
            {"type": "Property", "value": value + hour, "observedAt": format_instant(START + hour * HOUR), **more}
            for hour in hours
        ]
        self.both(lambda city, pool: pool.write_evolution(ACTOR, Chapter(IDS[who], ["T"], {name: instances})))

    def changed(self, who: int, name: str, place: int, hour: int) -> None:
        """A client puts an instance in the place of another."""
        instance = {"type": "Property", "value": 1000, "observedAt": format_instant(START + hour * HOUR)}

        def act(city: City, pool: Pool) -> None:
            found = self.some(who, name, place)
            if found is not None:
                pool.change_instance(ACTOR, IDS[who], name, (found.number, found.ordinal), dict(instance))

        self.both(act)

    def retracted(self, who: int, name: str, place: int) -> None:
        def act(city: City, pool: Pool) -> None:
            found = self.some(who, name, place)
            if found is not None:
                pool.delete_instance(ACTOR, IDS[who], name, (found.number, found.ordinal))

        self.both(act)

    def some(self, who: int, name: str, place: int) -> Line | None:
        """One of the lines that count in the pool that keeps all, found before anything changes."""
        if self.cities[0].time == self.cities[1].time + 1_000_000:  # the first of both
            counting = [
                line for line in standing(self.lines(IDS[who]), None) if line.attribute == name and line.instance
            ]
            self.found = counting[place % len(counting)] if counting else None
        return self.found

    found: Line | None = None

    def cleared(self, who: int, name: str | None) -> None:
        if name is None:
            self.both(lambda city, pool: pool.delete_evolution(ACTOR, IDS[who]))
        else:
            self.both(lambda city, pool: pool.delete_series(ACTOR, IDS[who], name, None, all=True))

    def drained(self) -> None:
        while (done := self.upkeep.step()).more or done.count:
            assert not done.troubles

    def tended(self) -> None:
        self.drained()
        while not (done := self.upkeep.tend()).idle:
            assert not done.troubles

    # -- all that was written

    def lines(self, id_: str) -> list[Line]:
        found = []
        with self.cities[0].store.reader() as connection:
            keys = {
                key for (key,) in [
                    *connection.execute("SELECT key FROM name WHERE id=?", (id_,)),
                    *connection.execute("SELECT key FROM past WHERE id=?", (id_,)),
                ]
            }  # fmt: skip
            recorded = dict(connection.execute("SELECT number, recorded FROM commits"))
            rows = list(connection.execute(
                "SELECT key, number, ordinal, attribute, dataset, owner, observed, operation, instance,"
                " replaces_number, replaces_ordinal FROM journal"
            ))  # fmt: skip
            for key, number, ordinal, *told, text, first, second in rows:
                if key in keys:
                    replaces = None if first is None else (first, second)
                    found.append(Line(number, ordinal, recorded[number], *told, instance_of(text), replaces))
            for number, source, body in list(connection.execute("SELECT number, source, body FROM segment")):
                found += [
                    Line(number, row.ordinal, recorded[number], row.attribute, row.dataset, source, row.observed,
                         row.operation, instance_of(row.instance), None)
                    for row in iterate(unpack(body)) if row.key in keys
                ]  # fmt: skip
        return found


def at(hour: int) -> Any:
    return when(format_instant(START + hour * HOUR))


def instance_of(text: str | None) -> dict[str, Any] | None:
    return None if text is None else without_provenance(orjson.loads(text))


# -- the plain reader


def standing(lines: Sequence[Line], as_of: int | None) -> list[Line]:
    known = [line for line in lines if as_of is None or line.recorded <= as_of]
    return [
        line for line in known
        if line.attribute != "@entity" and line.operation in ("set", "delete")
        and not any(hides(one, line) for one in known)
    ]  # fmt: skip


def hides(one: Line, line: Line) -> bool:
    """Whether one line keeps another from counting."""
    if one.replaces == (line.number, line.ordinal):
        return True
    if one.operation == "clear" and one.number > line.number:
        return one.attribute == "@entity" or (one.attribute, one.dataset) == (line.attribute, line.dataset)
    of_source = line.owner == "one" and line.observed is not None and one.operation in ("set", "delete")
    same = (one.attribute, one.dataset, one.owner, one.observed) == (
        line.attribute, line.dataset, line.owner, line.observed
    )  # fmt: skip
    return of_source and same and (one.number, one.ordinal) > (line.number, line.ordinal)


def within(line: Line, span: Span | None) -> bool:
    if span is None:
        return True
    time = line.observed if span.property == "observedAt" else line.recorded if line.operation == "set" else None
    if time is None:
        return False
    if span.relation == "before":
        return time < span.at
    return time >= span.at and (span.relation == "after" or span.until is None or time < span.until)


def rank(line: Line, asked: TemporalQuery) -> tuple[int, int, int]:
    recorded = asked.span is not None and asked.span.property == "modifiedAt"
    return (line.recorded if recorded else line.time, line.number, line.ordinal)


def expected(lines: Sequence[Line], asked: TemporalQuery) -> dict[str, list[tuple[int, int]]]:
    """The instances of an answer that has room for all, by attribute: their commits and ordinals in order."""
    found: dict[str, list[Line]] = {}
    for line in standing(lines, asked.as_of):
        if within(line, asked.span) and (not asked.attributes or line.attribute in asked.attributes):
            found.setdefault(line.attribute, []).append(line)
    ordered = {name: sorted(some, key=lambda line: rank(line, asked)) for name, some in found.items()}
    kept = {name: some if asked.last is None else some[-asked.last :] for name, some in ordered.items()}
    return {name: [(line.number, line.ordinal) for line in some] for name, some in sorted(kept.items())}


def shown(evolution: Evolution) -> dict[str, list[tuple[int, int]]]:
    return {name: [(one.number, one.ordinal) for one in some] for name, some in sorted(evolution.attrs.items())}


def pages(reader: Reader, id_: str, asked: TemporalQuery) -> dict[str, list[tuple[int, int]]]:
    """All instances of an entity, read page by page."""
    found: dict[str, list[tuple[int, int]]] = {}
    question = asked
    for _ in range(100):
        evolution = reader.evolution(id_, question)
        for name, some in shown(evolution).items():
            found[name] = [*some, *found.get(name, [])] if asked.last is not None else [*found.get(name, []), *some]
        if evolution.cut is None:
            return {name: some for name, some in sorted(found.items()) if some}
        first, last = evolution.cut
        assert first <= last
        more = {"before": first} if asked.last is not None else {"since": last + 1}
        question = TemporalQuery(**{**vars(asked), **more})
    raise AssertionError("the pages come to no end")


# -- what is compared

PHASES = (Phase.explicit, Phase.generate)  # a failing world is told whole: making it smaller takes too long

hours = st.integers(0, 12)
who = st.integers(0, len(IDS) - 1)
names = st.sampled_from(NAMES)
rows = st.lists(st.tuples(who, st.none() | hours, st.integers(0, 3)), min_size=1, max_size=12)
datasets = st.none() | st.just("urn:d:1")
steps = st.one_of(
    st.tuples(st.just("pulled"), rows),
    st.tuples(st.just("told"), who, names, st.lists(hours, min_size=1, max_size=6), st.integers(0, 9), datasets),
    st.tuples(st.just("changed"), who, names, st.integers(0, 20), hours),
    st.tuples(st.just("retracted"), who, names, st.integers(0, 20)),
    st.tuples(st.just("cleared"), who, st.none() | names),
    st.tuples(st.just("drained")),
    st.tuples(st.just("tended")),
)
spans = st.none() | st.builds(
    lambda relation, low, length, property_: Span(
        relation, START + low * HOUR, START + (low + length) * HOUR if relation == "between" else None, property_
    ),
    st.sampled_from(["before", "after", "between"]), hours, st.integers(0, 8),
    st.sampled_from(["observedAt", "observedAt", "modifiedAt"]),
)  # fmt: skip


@pytest.mark.timeout(900)
@settings(max_examples=40, deadline=None, phases=PHASES)
@given(st.lists(steps, min_size=3, max_size=14), st.lists(spans, min_size=1, max_size=3), st.data())
def test_answers_are_those_of_a_plain_reader(told: list[Any], asked: list[Span | None], data: st.DataObject) -> None:
    with world() as pool:
        for name, *arguments in told:
            getattr(pool, name)(*arguments)
        moments = sorted({line.recorded for id_ in IDS for line in pool.lines(id_)})
        for span in asked:
            attributes = data.draw(st.sampled_from([(), ("n",), ("m", "n")]))
            last = data.draw(st.none() | st.integers(1, 5))
            as_of = data.draw(st.none() | st.sampled_from(moments)) if moments else None
            question = TemporalQuery(Query(types=Has("T"), limit=10), span, attributes, last=last, as_of=as_of)
            compare(pool, question, data.draw(st.integers(1, 4)))


class world:
    """A world in a folder of its own."""

    def __enter__(self) -> World:
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        return self.world

    def __exit__(self, *_: object) -> None:
        self.world.close()
        self.folder.cleanup()


def compare(pool: World, asked: TemporalQuery, room: int) -> None:
    """Ask in every way, and compare with what a plain reader finds."""
    wanted = {id_: expected(pool.lines(id_), asked) for id_ in IDS}
    for id_, some in wanted.items():
        try:
            evolution = pool.reader.evolution(id_, asked)
        except Missing:
            if asked.as_of is None:
                assert not some
            continue
        assert shown(evolution) == some
        check_instances(evolution, pool.lines(id_))
        if not (asked.span is not None and asked.span.property == "modifiedAt"):
            narrow = TemporalQuery(**{**vars(asked), "most": room})
            assert pages(pool.reader, id_, narrow) == some
    there = [id_ for id_ in IDS if wanted[id_]]
    with pool.cities[1].store.reader() as connection:
        for sifted in (False, True):
            question = Question(pool.reader, connection, asked)
            if sifted:
                question.sift()
            found = [one for one in question.page().found if asked.as_of is None or wanted[one.id]]
            assert [one.id for one in found] == there
            assert all(shown(one) == wanted[one.id] for one in found)
    if asked.last is None:
        check_sums(pool, asked, there)
        check_condition(pool, asked, there)


def check_instances(evolution: Evolution, lines: Sequence[Line]) -> None:
    """Each instance is what was written."""
    by_place = {(line.number, line.ordinal): line for line in lines}
    for one in itertools.chain.from_iterable(evolution.attrs.values()):
        line = by_place[one.number, one.ordinal]
        assert one.instance == line.instance and one.observed == line.observed and one.recorded == line.recorded
        assert (one.owner, one.dataset, one.time) == (line.owner, line.dataset, line.time)


def counting(pool: World, id_: str, asked: TemporalQuery) -> Iterator[Line]:
    for line in standing(pool.lines(id_), asked.as_of):
        wanted = not asked.attributes or line.attribute in asked.attributes
        if wanted and within(line, asked.span) and line.instance is not None:
            yield line


def check_sums(pool: World, asked: TemporalQuery, there: Sequence[str]) -> None:
    """Sums over periods of five hours, and over the whole stretch."""
    for period in (Period(micros=5 * HOUR), Period(days=1), Period()):
        how = Aggregate(("totalCount", "sum", "min", "max"), period)
        question = TemporalQuery(**{**vars(asked), "aggregate": how})
        found = {one.id: one for one in pool.reader.evolutions(question).found}
        for id_ in there:
            some = list(counting(pool, id_, asked))
            if not some:
                continue
            expected_ = plain_sums(some, asked, period)
            assert told_sums(found[id_]) == expected_
            assert told_sums(pool.reader.evolution(id_, question)) == expected_


def told_sums(evolution: Evolution) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    for name, methods in evolution.buckets.items():
        rows: dict[tuple[int, int], list[Any]] = {}
        for buckets in methods.values():
            for bucket in buckets:
                assert isinstance(bucket, Bucket)
                rows.setdefault((bucket.start, bucket.end), []).append(bucket.value)
        found[name] = [(*key, *values) for key, values in sorted(rows.items())]
    return found


def plain_sums(some: Sequence[Line], asked: TemporalQuery, period: Period) -> dict[str, list[tuple[Any, ...]]]:
    span = asked.span
    times = {line: rank(line, asked)[0] for line in map(hashable, some)}
    start = span.at if span is not None and span.relation != "before" else min(times.values())
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name in sorted({line.attribute for line in some}):
        groups: dict[tuple[int, int], list[float]] = {}
        mine = [line for line in map(hashable, some) if line.attribute == name]
        last = max(times[line] for line in mine)
        end = span.at if span is not None and span.relation == "before" else span.until if span is not None else None
        length = period.micros or period.days * 24 * HOUR
        for line in mine:
            low = start if period.whole else start + (times[line] - start) // length * length
            high = (last if end is None else end) if period.whole else low + length
            groups.setdefault((low, high), []).append(line.instance)  # type: ignore[arg-type]  # its value, see below
        found[name] = [
            (*key, len(values), sum(values), min(values), max(values)) for key, values in sorted(groups.items())
        ]
    return found


def hashable(line: Line) -> Line:
    assert line.instance is not None
    return line._replace(instance=line.instance["value"])


def check_condition(pool: World, asked: TemporalQuery, there: Sequence[str]) -> None:
    """A condition that one instance within the stretch must meet."""
    query = Query(types=Has("T"), limit=10, where=Compare(At("n"), ">=", 3), count=True)
    question = TemporalQuery(**{**vars(asked), "query": query, "attributes": ("n",)})
    wanted = TemporalQuery(**{**vars(asked), "attributes": ("n",)})
    met = [
        id_ for id_ in IDS if any(line.instance["value"] >= 3 for line in counting(pool, id_, wanted) if line.instance)
    ]
    page = pool.reader.evolutions(question)
    assert [one.id for one in page.found] == met and page.count == len(met)
    with pool.cities[1].store.reader() as connection:
        sifting = Question(pool.reader, connection, question)
        sifting.sift()
        assert [one.id for one in sifting.page().found] == met


def test_a_moment_is_made_of_a_line() -> None:
    with world() as pool:
        pool.pulled([(0, 1, 2), (0, 2, 3)])
        pool.drained()
        (moment, _) = pool.reader.evolution(IDS[0], TemporalQuery(Query())).attrs["n"]
        assert isinstance(moment, Moment) and moment.instance == {
            "type": "Property", "value": 2.0, "observedAt": "2020-01-01T01:00:00Z",
        }  # fmt: skip
