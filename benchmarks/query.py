"""What a question costs: CPU microseconds per get, page, selective and unselective condition, and place.

Usage: python benchmarks/query.py [ENTITIES]        (100,000 by default; a minute)
"""

import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from landbridge.model.query import And, Compare, Has, Near, Order, Query, Spatial
from landbridge.model.query import Path as Attribute
from landbridge.store.cell import cells
from landbridge.store.sqlite import SqliteStore, open_store

BATCH = 20_000
COLOURS = 1000
SECONDS = 0.5  # how long each question is asked


def fill(store: SqliteStore, count: int) -> None:
    """Write entities of four attributes: a number from 0 to 1, a text of a thousand, a link and a place."""
    chance = random.Random(7)

    def job(transaction: Any, first: int) -> None:
        kind = transaction.kind("", "Lamp", ["level", "colour", "refArea", "location"])
        size = min(BATCH, count - first)
        ids = [f"urn:ngsi-ld:Lamp:{first + n:08}" for n in range(size)]
        levels = [chance.random() for _ in ids]
        colours = [f"colour {chance.randrange(COLOURS)}" for _ in ids]
        areas = [f"urn:ngsi-ld:Area:{chance.randrange(50)}" for _ in ids]
        lons = np.array([chance.uniform(117, 118) for _ in ids])
        lats = np.array([chance.uniform(38.5, 39.5) for _ in ids])
        documents = [
            document(*values) for values in zip(ids, levels, colours, areas, lons.tolist(), lats.tolist(), strict=True)
        ]
        transaction.insert_columns(
            "",
            kind,
            {
                "key": list(transaction.take_keys(kind, size)), "id": ids, "doc": documents,
                "lon": lons.tolist(), "lat": lats.tolist(), "cell": cells(lons, lats).tolist(),
                "s0": levels, "s1": colours, "s2": areas, "s3": [b""] * size,
            },
        )  # fmt: skip

    for first in range(0, count, BATCH):
        store.write(lambda transaction, first=first: job(transaction, first))
        store.checkpoint("PASSIVE")


def document(id_: str, level: float, colour: str, area: str, lon: float, lat: float) -> str:
    stamp = ["bench", 1, 0, 0, 1, 1]
    attrs = {
        "level": [{"type": "Property", "value": level, "unitCode": "P1", "@": stamp}],
        "colour": [{"type": "Property", "value": colour, "@": stamp}],
        "refArea": [{"type": "Relationship", "object": area, "@": stamp}],
        "location": [{"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}, "@": stamp}],
    }
    return orjson.dumps({"id": id_, "type": ["Lamp"], "attrs": attrs}).decode()


def measure(store: SqliteStore, name: str, ask: Callable[[], Any]) -> None:
    """Ask again and again, once an index that was wished for is there; print the CPU time of one."""
    for _ in range(3):
        ask()
        store.write(lambda _: None)
    begun, times = time.process_time(), 0
    while time.process_time() - begun < SECONDS:
        ask()
        times += 1
    print(f"{name:56} {(time.process_time() - begun) / times * 1e6:12,.0f} µs")


def main(count: int) -> None:
    chance = random.Random(1)
    level, colour = Attribute("level"), Attribute("colour")
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "pool.db")
        begun = time.process_time()
        fill(store, count)
        print(f"{count:,} entities written in {time.process_time() - begun:.1f} CPU seconds")

        def ask(**asked: Any) -> Callable[[], Any]:
            return lambda: store.query(Query(types=Has("Lamp"), **asked))

        measure(store, "get by id", lambda: store.get("", f"urn:ngsi-ld:Lamp:{chance.randrange(count):08}"))
        measure(store, "page of 20 by type", ask())
        deep = Query(types=Has("Lamp"), limit=1)
        cursor = [store.query(deep).next]
        middle = store.query(Query(types=Has("Lamp"), limit=count // 2)).next if count <= 200_000 else cursor[0]
        measure(store, "page of 20 by type, from the middle", ask(after=middle))
        measure(store, "page of 20 by type, counted", ask(count=True))
        for share in (0.2, 0.01, 0.001, 0.0001):
            measure(store, f"level > x, {share:.2%} match", ask(where=Compare(level, ">", 1 - share)))
        measure(store, "colour == x, 0.10 % match", lambda: store.query(
            Query(types=Has("Lamp"), where=Compare(colour, "==", f"colour {chance.randrange(COLOURS)}"))))  # fmt: skip
        measure(store, "level > x and colour == y, 0.01 % match", lambda: store.query(
            Query(types=Has("Lamp"), where=And((
                Compare(level, ">", 0.9), Compare(colour, "==", f"colour {chance.randrange(COLOURS)}")
            )))))  # fmt: skip
        measure(
            store, "level > x, 0.01 % match, no type", lambda: store.query(Query(where=Compare(level, ">", 0.9999)))
        )
        measure(
            store,
            "unitCode == x (from the document), all match",
            ask(where=Compare(Attribute("level", ("unitCode",)), "==", "P1")),
        )
        measure(
            store,
            "unitCode == x (from the document), none match",
            ask(where=Compare(Attribute("level", ("unitCode",)), "==", "X")),
        )
        point = {"type": "Point", "coordinates": [117.5, 39.0]}
        for metres in (500, 5000, 50000):
            measure(store, f"near a point, within {metres} m", ask(geo=Near(point, at_most=metres)))
        box = {
            "type": "Polygon",
            "coordinates": [[[117.4, 38.9], [117.6, 38.9], [117.6, 39], [117.4, 39], [117.4, 38.9]]],
        }
        measure(store, "within a box, 2 % match", ask(geo=Spatial("within", box)))
        measure(store, "ordered by level", ask(order=(Order(level, descending=True),)))
        store.close()
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
