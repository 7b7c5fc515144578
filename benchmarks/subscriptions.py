"""What subscriptions cost: CPU microseconds of a write that ten of them match, whether there are ten or a hundred
thousand; and of a bulk load that nobody, somebody else, or somebody subscribes to.

Usage: python benchmarks/subscriptions.py [SUBSCRIPTIONS]        (100,000 by default; two minutes)

The CPU time is that of the process: the write, its commit, matching, rendering and handing over. The receivers take
everything at once, so what HTTP costs is not in it.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from landbridge.api.ngsild.subscription_body import new_body
from landbridge.api.ngsild.subscription_sense import understand
from landbridge.governance.policy import Actor, Role
from landbridge.model.parser import parse_entity
from landbridge.model.terms import Contexts
from landbridge.pool.pool import Pool
from landbridge.pool.subscription import subscriptions_of
from landbridge.publish.publisher import Publisher
from landbridge.store.sqlite import SqliteStore, open_store

OPERATOR = Actor("bench", Role.OPERATOR)
CONTEXTS = Contexts()
MATCHING = 10
WRITES = 2_000
BATCH = 20_000
ENDPOINT = {"endpoint": {"uri": "http://receiver.example/notify"}}
PLACE = [117.7, 39.0]

Json = dict[str, Any]
Kind = Callable[[int], Json]  # the number of a subscription -> its members; those below MATCHING match


def by_value(number: int) -> Json:
    return {"q": f"group=={0 if number < MATCHING else number}"}


def by_bound(number: int) -> Json:
    return {"q": f"level>{0 if number < MATCHING else 10 + number}"}


def by_id(number: int) -> Json:
    return {"entities": [{"type": "Lamp", "id": f"urn:ngsi-ld:Lamp:{0 if number < MATCHING else number}"}]}


def by_place(number: int) -> Json:
    away = 0.0 if number < MATCHING else 1 + number % 1000 / 10
    return {
        "geoQ": {"georel": "near;maxDistance==500", "geometry": "Point", "coordinates": [PLACE[0] - away, PLACE[1]]}
    }


def by_type(number: int) -> Json:
    return {"entities": [{"type": "Lamp" if number < MATCHING else f"Thing{number % 1000}"}]}


KINDS: dict[str, Kind] = {
    "by value": by_value, "by bound": by_bound, "by id": by_id, "by place": by_place, "by type": by_type,
}  # fmt: skip


def subscribe(pool: Pool, kind: Kind, count: int) -> None:
    """Keep so many subscriptions, a few thousand in each commit."""
    subscriptions = subscriptions_of(pool)
    for first in range(0, count, 5_000):

        def job(transaction: Any, first: int = first) -> None:
            for number in range(first, min(first + 5_000, count)):
                id_ = f"urn:ngsi-ld:Subscription:{number}"
                members = {"entities": [{"type": "Lamp"}], **kind(number)}
                told = {"id": id_, "type": "Subscription", "notification": ENDPOINT, **members}
                body = new_body(told, CONTEXTS.core, CONTEXTS, "", id_)
                subscriptions.put(transaction, "", id_, None, body)

        pool.store.write(job)


def lamp(number: int = 0) -> Json:
    return {
        "id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp", "group": 0, "level": 1,
        "location": {"type": "Point", "coordinates": PLACE},
    }  # fmt: skip


def single_writes(kind: Kind, count: int) -> None:
    """Write one entity again and again while so many subscribe; print the CPU time of a write."""
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(open_store(Path(folder) / "pool.db"))
        pool.create(OPERATOR, parse_entity(lamp(), CONTEXTS.core))
        subscribe(pool, kind, count)
        arrived, through = [0], threading.Event()
        wanted = [-1]

        def call(target: object, body: bytes) -> None:
            arrived[0] += 1
            if arrived[0] >= wanted[0] >= 0:
                through.set()

        publisher = Publisher(
            subscriptions_of(pool),
            lambda tenant, id_, body: understand(tenant, id_, body, CONTEXTS),
            CONTEXTS.terms,
            call,
        )
        publisher.start()
        try:
            while len(publisher.roster.index) < count:
                time.sleep(0.01)
            told = min(count, MATCHING) * WRITES
            wanted[0] = told
            begun, clock = time.process_time(), time.monotonic()
            for value in range(WRITES):
                given = parse_entity({"id": lamp()["id"], "type": "Lamp", "power": value}, CONTEXTS.core)
                pool.append(OPERATOR, lamp()["id"], given["attrs"])
            if told and not through.wait(300):
                raise SystemExit(f"{arrived[0]} of {told} notifications arrive")
            used, took = time.process_time() - begun, time.monotonic() - clock
        finally:
            publisher.close()
            pool.close()
    print(f"{used / WRITES * 1e6:10.0f} {WRITES / took:10.0f} {told / took:12.0f}", flush=True)


def bulk(name: str, interest: tuple[str, str, str] | None, rows: int) -> None:
    """Insert entities as bulk loads do, with this interest; print the CPU time of one."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "pool.db")
        try:
            if interest is not None:
                store.write(lambda transaction: transaction.connection.execute(
                    "INSERT INTO interest VALUES ('', ?, ?, ?, 1)", interest
                ))  # fmt: skip
            begun = time.process_time()
            for first in range(0, rows, BATCH):
                store.write(lambda transaction, first=first: insert(transaction, first))
            used = time.process_time() - begun
            found = records(store)
        finally:
            store.close()
    print(f"{name:44} {used / rows * 1e6:10.2f} {found:10,}", flush=True)


def insert(transaction: Any, first: int) -> None:
    kind = transaction.kind("", "Lamp", ["level"])
    ids = [f"urn:ngsi-ld:Lamp:{first + number:08}" for number in range(BATCH)]
    stamp = ["bench", transaction.number, transaction.recorded, transaction.recorded, 1, 1]
    docs = [
        orjson.dumps({"id": id_, "type": ["Lamp"], "attrs": {"level": [{"type": "Property", "value": 1, "@": stamp}]}})
        for id_ in ids
    ]
    columns = {
        "key": list(transaction.take_keys(kind, BATCH)), "id": ids, "doc": [doc.decode() for doc in docs],
        "s0": [1] * BATCH,
    }  # fmt: skip
    transaction.insert_columns("", kind, columns)


def records(store: SqliteStore) -> int:
    with store.reader() as connection:
        return int(connection.execute("SELECT count(*) FROM change").get)


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(f"{'a single write, 10 subscriptions match':44} {'CPU us':>10} {'writes/s':>10} {'told/s':>12}")
    print(f"{'nobody subscribes':44}", end=" ")
    single_writes(by_value, 0)
    for name, kind in KINDS.items():
        for count in (MATCHING, most):
            print(f"{f'{count:,} subscriptions, {name}':44}", end=" ")
            single_writes(kind, count)
    rows = BATCH if most < 10_000 else 10 * BATCH
    print(f"\n{f'a bulk load of {rows:,} new entities':44} {'CPU us':>10} {'records':>10}")
    for name, interest in (
        ("nobody subscribes", None),
        ("to another type", ("Thing", "", "")),
        ("to one entity of the type", ("Lamp", "urn:ngsi-ld:Lamp:00000007", "")),
        ("to another attribute of the type", ("Lamp", "", "colour")),
        ("to the type", ("Lamp", "", "")),
    ):
        bulk(name, interest, rows)


if __name__ == "__main__":
    main()
