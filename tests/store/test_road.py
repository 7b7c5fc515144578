"""Which way a question goes: by an index made on demand where few rows match, else by a walk; the answer is one."""

from collections.abc import Iterator
from pathlib import Path as File

import pytest

from landbridge.model.query import And, Compare, Has, Near, Order, Path, Query
from landbridge.store import reading, road
from landbridge.store.compile import Layout, compile_query
from landbridge.store.sqlite import SqliteStore, open_store
from store.writing import add, entity, pages, prop

COLOUR, LEVEL = Path("colour"), Path("level")
RED = Compare(COLOUR, "==", "red")


@pytest.fixture
def store(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    """Two hundred lamps: two red ones and one of two colours; a hundred is many here, and ten rows are few."""
    monkeypatch.setattr(road, "LARGE", 100)
    monkeypatch.setattr(road, "FEW", 10)
    monkeypatch.setattr(road, "FEW_ROOTS", 0.5)
    store = open_store(tmp_path / "pool.db")
    lamps = {number: prop("red" if number in (50, 150) else "blue") for number in range(200)}
    documents = [entity(f"urn:{n:03}", ["Lamp"], {"colour": lamp, "level": prop(n)}) for n, lamp in lamps.items()]
    documents[99]["attrs"]["colour"] = [prop("blue"), prop("red", datasetId="urn:d:1")]
    add(store, documents)
    yield store
    store.close()


def indexes(store: SqliteStore) -> list[str]:
    store.write(lambda _: None)  # what was asked for before is done by then
    with store.reader() as connection:
        return [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'entity_*_s*' ORDER BY 1")
        ]


def chosen(store: SqliteStore, query: Query) -> Layout:
    with store.reader() as connection:
        return road.choose(connection, query, Layout(tuple(reading.kinds(connection, ""))))


def test_a_long_walk_has_an_index_made_and_the_next_question_goes_by_it(store: SqliteStore) -> None:
    query = Query(types=Has("Lamp"), where=RED)
    before = store.version()
    assert chosen(store, query).candidates is None
    assert pages(store, query) == ["urn:050", "urn:099", "urn:150"]
    assert indexes(store) == ["entity_1_s0"]
    assert store.version() == before + 1  # of `indexes` only: making an index is no commit
    layout = chosen(store, query)
    assert len(layout.arms) == 2
    assert pages(store, query) == ["urn:050", "urn:099", "urn:150"]
    assert pages(store, Query(types=Has("Lamp"), where=RED, limit=1)) == ["urn:050", "urn:099", "urn:150"]
    assert store.query(Query(types=Has("Lamp"), where=RED, count=True, limit=0)).count == 3
    compiled = compile_query(query, layout)
    with store.reader() as connection:
        plan = " ".join(
            str(row[3]) for row in connection.execute("EXPLAIN QUERY PLAN " + compiled.sql, compiled.bindings)
        )
    assert "USING INDEX entity_1_s0" in plan or "USING COVERING INDEX entity_1_s0" in plan
    assert "SCAN entity" not in plan


def test_many_matches_are_walked_though_there_is_an_index(store: SqliteStore) -> None:
    pages(store, Query(types=Has("Lamp"), where=RED))
    assert indexes(store) == ["entity_1_s0"]
    assert chosen(store, Query(types=Has("Lamp"), where=Compare(COLOUR, "==", "blue"))).candidates is None
    both = Query(types=Has("Lamp"), where=And((Compare(LEVEL, ">", 60), RED)))
    assert chosen(store, both).arms
    assert pages(store, both) == ["urn:099", "urn:150"]


def test_a_short_walk_wishes_for_nothing(store: SqliteStore) -> None:
    store.query(Query(types=Has("Lamp"), where=Compare(COLOUR, "==", "blue"), limit=5))
    store.query(Query(types=Has("Lamp"), where=Compare(COLOUR, "!=", "blue")))
    store.query(Query(types=Has("Lamp"), where=Compare(Path("colour", ("unitCode",)), "==", "GQ")))
    assert indexes(store) == []


def test_an_order_goes_by_the_index_too(store: SqliteStore) -> None:
    query = Query(types=Has("Lamp"), where=RED, order=(Order(LEVEL, True),), limit=2)
    expected = ["urn:150", "urn:099", "urn:050"]
    assert pages(store, query) == expected
    assert indexes(store) == ["entity_1_s0"]
    assert chosen(store, query).arms
    assert pages(store, query) == expected


def test_places_go_by_cells_where_few_lie_there(store: SqliteStore) -> None:
    points = [{"type": "Point", "coordinates": [117 + n / 100, 39]} for n in range(50)]
    places = [{"type": "GeoProperty", "value": point} for point in points]
    add(store, [entity(f"urn:stop:{n:02}", ["Stop"], {"location": place}) for n, place in enumerate(places)])
    near = Query(types=Has("Stop"), geo=Near(points[3], at_most=1000))
    wide = Query(types=Has("Stop"), geo=Near(points[3], at_most=100_000))
    assert (chosen(store, near).by_place, chosen(store, wide).by_place) == (True, False)
    assert pages(store, near) == ["urn:stop:02", "urn:stop:03", "urn:stop:04"]
    assert len(pages(store, wide)) == 50


def test_a_range_that_held_many_is_not_counted_again(store: SqliteStore) -> None:
    known = road.Known()

    def counted(where: Compare) -> bool:
        """Whether choosing looks at the index's rows, however it ends."""
        statements: list[str] = []
        with store.reader() as connection:
            layout = Layout(tuple(reading.kinds(connection, "")))
            connection.set_exec_trace(lambda _, sql, __: statements.append(sql) is None)
            try:
                road.choose(connection, Query(types=Has("Lamp"), where=where), layout, known)
            finally:
                connection.set_exec_trace(None)
        return any("count(*)" in sql for sql in statements)

    pages(store, Query(types=Has("Lamp"), where=Compare(LEVEL, ">", 98)))
    assert "entity_1_s1" in indexes(store)
    assert counted(Compare(LEVEL, ">", 20))
    assert not counted(Compare(LEVEL, ">", 20))
    assert not counted(Compare(LEVEL, ">", 10))  # a wider range
    assert counted(Compare(LEVEL, ">", 30))  # a narrower one
    assert counted(Compare(LEVEL, "<", 80))
    assert counted(Compare(LEVEL, ">", "a"))  # texts are another range
    assert counted(Compare(LEVEL, "==", 3)) is False  # an index in the order of keys needs no count
