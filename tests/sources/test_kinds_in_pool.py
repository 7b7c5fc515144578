"""Each kind of source, pulled into a real pool through the one loop: real files and servers, database snapshots."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landbridge.model.answer import RunRecord
from landbridge.model.query import Has, Query
from landbridge.pool.pool import Pool
from landbridge.sources.contract import Source
from landbridge.sources.push import PushSource, Receipt
from landbridge.sources.run import Terms, pull
from made_source import OPERATOR, declared, opened, toml
from web_origin import Reply, web_origin

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests/data"


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = opened(tmp_path)
    yield made
    made.close()


def source(root: Path, kind: str, mapping: str, **keys: Any) -> Path:
    folder = root / "source"
    folder.mkdir(exist_ok=True)
    text = "".join(f"{key} = {toml(value)}\n" for key, value in {"kind": kind, **keys}.items())
    (folder / "source.toml").write_text(text)
    (folder / "mapping.sql").write_text(mapping)
    return folder


def pulled(pool: Pool, folder: Path) -> RunRecord:
    return pull(pool, OPERATOR, declared(folder), Terms(retries=0))


def entities(pool: Pool, kind: str) -> dict[str, dict[str, Any]]:
    documents = pool.query(OPERATOR, Query(types=Has(kind), limit=1000)).documents
    return {document["id"].rsplit(":", 1)[1]: document["attrs"] for document in documents}


def test_geojson(tmp_path: Path, pool: Pool) -> None:
    folder = source(tmp_path, "geojson", """
        select 'urn:ngsi-ld:Hospital:' || replace(name, ' ', '-') as id, 'Hospital' as type, name,
               geometry as "location.geojson" from source
        """, location=str(DATA / "geojson/charlotte_hospitals.geojson"))  # fmt: skip
    record = pulled(pool, folder)
    assert (record.state, record.rows, record.rejected) == ("done", 7, 0)
    place = entities(pool, "Hospital")["Presbyterian-Hospital"]["location"][0]
    assert place["value"] == {"type": "Point", "coordinates": [-80.824491, 35.211834]}
    assert pulled(pool, folder).state == "unchanged"
    (trace,) = pool.explain(OPERATOR, "urn:ngsi-ld:Hospital:Presbyterian-Hospital", "name")
    assert trace.place == "charlotte_hospitals.geojson feature 1"


def test_parquet(tmp_path: Path, pool: Pool) -> None:
    pq.write_table(pa.table({"n": [1, 2], "v": [1.5, None]}), tmp_path / "t.parquet")
    mapping = "select 'urn:ngsi-ld:P:' || n as id, 'P' as type, n, v from source"
    folder = source(tmp_path, "parquet", mapping, location=str(tmp_path / "t.parquet"))
    assert pulled(pool, folder).entities == 2
    assert entities(pool, "P")["1"]["v"][0]["value"] == 1.5


def test_gtfs_joins_its_tables(tmp_path: Path, pool: Pool) -> None:
    folder = source(tmp_path, "gtfs", """
        select 'urn:ngsi-ld:GtfsStop:' || s.stop_id as id, 'GtfsStop' as type, max(s.stop_name) as name,
               count(*) as visits, min(t.arrival_time) as first
        from source s join stop_times t on t.stop_id = s.stop_id group by s.stop_id
        """, location=str(DATA / "gtfs/gtfs_usf_bullrunner.zip"))  # fmt: skip
    record = pulled(pool, folder)
    assert record.state == "done" and record.entities > 100
    assert all(attrs["visits"][0]["value"] >= 1 for attrs in entities(pool, "GtfsStop").values())


def test_gtfs_realtime(tmp_path: Path, pool: Pool) -> None:
    file = ROOT / "examples/redding/sources/vehicles/gtfsrt_raba_vehicle_positions_2025-06-08.pb"
    folder = source(tmp_path, "gtfs-realtime", """
        select 'urn:ngsi-ld:Vehicle:' || vehicle_id as id, 'Vehicle' as type, speed, timestamp as "observedAt",
               point(longitude, latitude) as "location.point" from source
        """, location=str(file))  # fmt: skip
    assert pulled(pool, folder).entities == 22
    speed = entities(pool, "Vehicle")["66"]["speed"][0]
    assert speed["observedAt"] == "2025-06-08T21:08:24Z"


def test_ngsild_entities_pass_through(tmp_path: Path, pool: Pool) -> None:
    folder = source(tmp_path, "ngsild", """
        select id, 'AirQualityObserved' as type, co, "co.unitCode", address, "location.geojson",
               "refPointOfInterest.object" from source
        """, location=str(DATA / "smart_data_models/AirQualityObserved.normalized.jsonld"))  # fmt: skip
    record = pulled(pool, folder)
    assert (record.state, record.rejected) == ("done", 0)
    (document,) = pool.query(OPERATOR, Query(types=Has("AirQualityObserved"), limit=10)).documents
    attrs = document["attrs"]
    assert (attrs["co"][0]["value"], attrs["co"][0]["unitCode"]) == (500, "GP")
    assert attrs["address"][0]["value"]["addressLocality"] == "Madrid"
    assert attrs["refPointOfInterest"][0]["object"].startswith("urn:")


def test_http_pages(tmp_path: Path, pool: Pool) -> None:
    with web_origin() as web:
        pages = {"1": [{"n": 1}, {"n": 2}], "2": [{"n": 3}]}
        address = web.on("/a", lambda request: Reply(json.dumps(pages[request.query["page"]]).encode()))
        mapping = "select 'urn:ngsi-ld:N:' || n as id, 'N' as type, n from source"
        folder = source(tmp_path, "http", mapping, address=address, paging="page", page_size=2)
        assert pulled(pool, folder).entities == 3
        assert pulled(pool, folder).state == "unchanged"
        web.on("/a", lambda _: Reply(b"<html>sorry</html>", headers={"Content-Type": "text/html"}))
        failed = pulled(pool, folder)
        assert failed.state == "failed" and "web page" in str(failed.reason)
        web.on("/a", lambda _: Reply(b"[]"))
        assert "yields nothing" in str(pulled(pool, folder).reason)
        assert sorted(entities(pool, "N")) == ["1", "2", "3"]  # what was there stays


def test_an_increment_of_an_http_api(tmp_path: Path, pool: Pool) -> None:
    with web_origin() as web:
        rows = [{"n": 1, "at": "2024-01-01T00:00:00Z"}]
        address = web.on("/a", lambda request: Reply(
            json.dumps([row for row in rows if str(row["at"]) > request.query.get("since", "")]).encode()
        ))  # fmt: skip
        mapping = "select 'urn:ngsi-ld:N:' || n as id, 'N' as type, n, \"at\" as \"observedAt\" from source"
        folder = source(tmp_path, "http", mapping, address=address, since_parameter="since", since_field="at")
        assert pulled(pool, folder).entities == 1
        assert pulled(pool, folder).state == "unchanged"
        rows.append({"n": 2, "at": "2024-01-02T00:00:00Z"})
        assert pulled(pool, folder).rows == 1
        assert [request.query.get("since") for request in web.seen] == [None, rows[0]["at"], rows[0]["at"]]


def test_snapshots_of_a_database_end_what_is_gone(tmp_path: Path, pool: Pool) -> None:
    path = tmp_path / "city.db"
    with sqlite3.connect(path) as database:
        database.execute("create table t (code text, size real)")
        database.executemany("insert into t values (?, ?)", [("a", 1), ("b", 2), ("c", 3)])
    database.close()
    mapping = "select 'urn:ngsi-ld:Thing:' || code as id, 'Thing' as type, size from source"
    folder = source(tmp_path, "sql", mapping, address=f"sqlite:///{path}", table="t", gone="end")
    assert pulled(pool, folder).entities == 3
    with sqlite3.connect(path) as database:
        database.execute("delete from t where code = 'b'")
        database.execute("update t set size = 4 where code = 'c'")
    database.close()
    assert pulled(pool, folder).state == "done"
    assert {code: attrs["size"][0]["value"] for code, attrs in entities(pool, "Thing").items()} == {"a": 1, "c": 4}
    assert pulled(pool, folder).instances == 0


class Pushing:
    """A push source that runs in a thread, as the worker does it."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self.there = threading.Event()
        self.stop = threading.Event()
        self.source: PushSource
        terms = Terms(retries=0, opened=self.opened)
        self.records: list[RunRecord] = []
        self.thread = threading.Thread(
            target=lambda: self.records.append(pull(pool, OPERATOR, declared(folder), terms, stop=self.stop))
        )

    def opened(self, name: str, source: Source) -> None:
        assert isinstance(source, PushSource)
        self.source = source
        self.there.set()

    def __enter__(self) -> "Pushing":
        self.thread.start()
        assert self.there.wait(20)
        while not self.source.running:
            threading.Event().wait(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(20)


def test_a_push_is_answered_from_the_pool(tmp_path: Path, pool: Pool) -> None:
    mapping = """select 'urn:ngsi-ld:Count:' || code as id, 'Count' as type, cast(n as integer) as n,
                        cast("at" as timestamptz) as "observedAt" from source"""
    folder = source(tmp_path, "push", mapping, columns={"code": "text", "n": "text", "at": "text"})
    body = json.dumps([
        {"code": "a", "n": "1", "at": "2024-01-01T00:00:00Z"}, {"code": "b", "n": "many", "at": "2024-01-01T00:00:00Z"},
    ]).encode()  # fmt: skip
    with Pushing(pool, folder) as pushing:
        receipt = pushing.source.offer(body, key="k1", request="r1").result(20)
        assert sorted(entities(pool, "Count")) == ["a"]  # the answer comes after the commit
        assert receipt.rows == 2 and [row for row, _ in receipt.rejected] == [2] and "many" in receipt.rejected[0][1]
        assert pushing.source.offer(body, key="k1").result(20) == Receipt(0, repeated=True)
        pushing.source.offer(body).result(20)  # without a key: the same instants again change nothing
        points = pool.series(OPERATOR, "urn:ngsi-ld:Count:a", "n")
        assert [point.value for point in points] == [1]
    with Pushing(pool, folder) as pushing:  # another run, as after a kill: the key is in the cursor
        assert pushing.source.offer(body, key="k1").result(20).repeated
    assert {reject.reason.count("many") for reject in pool.rejects(OPERATOR)} == {1}
