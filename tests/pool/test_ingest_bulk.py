"""The bulk road and the road of single rows give the same state and journal, whatever the rows are."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeding import City, Rows, bare, delivery, rivals
from landbridge.model.claim import Claims
from landbridge.pool import bulk, ingest

TYPES = {
    "n": pa.float64(), "n.unitCode": pa.string(), "text": pa.string(), "whole": pa.int64(), "flag": pa.bool_(),
    "text.accuracy": pa.float64(), "ref.object": pa.string(), "scope": pa.string(), "where.point": pa.string(),
    "location.point": pa.string(), "area.geojson": pa.string(), "names.languageMap": pa.string(),
    "list.valueList": pa.string(), "refs.objectList": pa.string(), "any.json": pa.string(),
    "text.accuracy.unitCode": pa.string(), "word.vocab": pa.string(), "text.sub(object).object": pa.string(),
    "late.observedAt": pa.timestamp("us", tz="UTC"), "late": pa.int64(), "type": pa.string(), "id": pa.string(),
}  # fmt: skip
START = datetime(2020, 1, 1, tzinfo=UTC)
TIMES = st.one_of(
    st.none(),
    st.integers(0, 5).map(lambda hours: START + timedelta(hours=hours)),
    st.sampled_from([timedelta(microseconds=1), timedelta(milliseconds=20), timedelta(days=-9000)]).map(START.__add__),
)
TEXTS = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=8), st.just("x" * 300), st.just('a"\\\n'))
NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([1.0, 2.0, 3.0]))
POINTS = st.one_of(
    st.none(),
    st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(
        lambda at: f'{{"type":"Point","coordinates":[{at[0]},{at[1]}]}}'
    ),
)
POLYGON = '{"type":"Polygon","coordinates":[[[1.0,2.0],[3.0,2.0],[3.0,4.0],[1.0,2.0]]]}'
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "observedAt": TIMES,
    "n": NUMBERS,
    "n.unitCode": st.sampled_from([None, "GQ", "GP"]),
    "text": TEXTS,
    "text.accuracy": NUMBERS,
    "text.accuracy.unitCode": st.sampled_from([None, "P1"]),
    "text.sub(object).object": st.sampled_from([None, "urn:x:z"]),
    "whole": st.one_of(st.none(), st.integers(-(1 << 63), (1 << 63) - 1)),
    "flag": st.one_of(st.none(), st.booleans()),
    "ref.object": st.sampled_from([None, "urn:x:other"]),
    "word.vocab": st.sampled_from([None, "green", "red"]),
    "scope": st.sampled_from([None, "/a", "/a/b"]),
    "location.point": POINTS,
    "where.point": POINTS,
    "area.geojson": st.sampled_from([None, POLYGON]),
    "names.languageMap": st.sampled_from([None, '{"en": "Sea",  "zh": "海"}']),
    "list.valueList": st.sampled_from([None, "[1, 2.50]"]),
    "refs.objectList": st.sampled_from([None, '["urn:x:1", {"object": "urn:x:2"}]']),
    "any.json": st.sampled_from([None, "null", "3", '{"a": [1]}', '"t"', "true"]),
    "late": st.one_of(st.none(), st.integers(0, 9)),
    "late.observedAt": TIMES,
}
ATTRIBUTES = [name for name in COLUMNS if "." not in name and name not in ("observedAt", "scope")]


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """A few deliveries of rows about few entities, with some of the columns."""
    chosen = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, unique=True))
    names = {
        "id",
        "type",
        *chosen,
        *(name.partition(".")[0] for name in chosen if name.startswith(("n.", "text.", "late."))),
    }
    if "text.accuracy.unitCode" in names:
        names.add("text.accuracy")
    if names <= {"id", "type", "observedAt", "scope"}:
        names.add("n")
    ordered = ["id", "type", *(name for name in COLUMNS if name in names)]
    row = st.fixed_dictionaries(
        {"id": st.integers(1, 6).map(lambda number: f"urn:x:{number}"), "type": st.sampled_from(["T", "T", "U"])}
        | {name: COLUMNS[name] for name in ordered[2:]}
    )
    return draw(st.lists(st.lists(row, min_size=1, max_size=12), min_size=1, max_size=3))


@contextmanager
def few(rows: int) -> Iterator[None]:
    """Write one by one what has at most so many rows; the others in small slices."""
    before = ingest.FEW, bulk.SLICE
    ingest.FEW, bulk.SLICE = rows, 4
    try:
        yield
    finally:
        ingest.FEW, bulk.SLICE = before


def fed(city: City, given: list[list[dict[str, Any]]], sources: list[str]) -> City:
    for source in sources:
        run = city.open(source)
        for rows in given:
            run.write([delivery(rows, types=TYPES)])
        run.finish()
    return city


def columns(city: City) -> list[Any]:
    with city.store.reader() as connection:
        rows = list(connection.execute("SELECT * FROM entity"))
        slots = dict(connection.execute("SELECT num, slots FROM kind"))
    return sorted((row[1], row[6:9], row[9:], slots[row[0] >> 40]) for row in rows)


def shown(city: City) -> Any:
    ids = [f"urn:x:{number}" for number in range(1, 7)]
    documents = [bare(city.document(id_)) for id_ in ids]
    kept = list(city.store.reader().__enter__().execute("SELECT kind, key FROM extra_type ORDER BY 1, 2"))
    return (
        documents,
        city.journal(),
        sorted(city.disagreements(), key=repr),
        len(kept),
        [(kind.type, kind.entities, kind.located) for kind in city.store.kinds("")],
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deliveries(), st.booleans())
def test_columns_write_what_single_rows_write(given: list[list[dict[str, Any]]], disputed: bool) -> None:
    names = sorted({name.partition(".")[0] for name in COLUMNS} - {"observedAt", "scope"})
    claims = rivals("b", "a", attributes=names, rule="priority") if disputed else Claims()
    with few(-1):
        columnar = fed(City(claims=claims), given, ["a", "b"])
    with few(10_000):
        single = fed(City(claims=claims), given, ["a", "b"])
    try:
        assert shown(columnar) == shown(single)
        assert columns(columnar) == columns(single)
    finally:
        columnar.close()
        single.close()


def test_a_large_delivery_takes_the_bulk_road(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: Rows = [{"id": f"urn:x:{n:05}", "type": "T", "n": n / 4} for n in range(1000)]
    taken = []
    write = bulk.write
    monkeypatch.setattr(bulk, "write", lambda *given: write(*given, *taken.append(1) or ()))
    city = City()
    record = city.pull("a", rows)
    assert (record.entities, record.instances, taken) == (1000, 1000, [1])
    assert city.values("urn:x:00999", "n") == [(None, 249.75, None)]
    with city.store.reader() as connection:
        assert list(connection.execute("SELECT count(*), sum(rows) FROM segment")) == [(1, 1000)]
    city.close()
