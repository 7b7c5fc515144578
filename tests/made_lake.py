"""What tests of history share: a city whose journal has lines of every form, and all lines that store and lake have."""

import random
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from feeding import ACTOR, City, micro, rivals, when
from landbridge.governance.policy import Policy
from landbridge.history.drain import Drain
from landbridge.history.lake import Lake, LakeTable
from landbridge.history.rows import ids_of, instance_in, pending
from landbridge.history.said import points
from landbridge.model.entity import without_provenance
from landbridge.pool.ingest import Ingest
from landbridge.pool.pool import Pool
from landbridge.store import drained
from landbridge.store.contract import Entry
from landbridge.store.segment import iterate, unpack
from landbridge.store.sqlite import SqliteStore

HOUR = 3_600_000_000
CHANGED = '{"type":"Property","value":"changed","datasetId":"urn:d:2"}'
TYPES = ("T", "https://uri.etsi.org/ngsi-ld/default-context/Kita 北")


class Line(NamedTuple):
    """A line of the journal, wherever it lies."""

    entity: str
    attribute: str
    dataset: str | None
    source: str
    observed: int | None
    operation: str
    instance: dict[str, Any] | None
    row: int | None = None


Lines = dict[tuple[int, int], Line]


def journalled(store: SqliteStore) -> Lines:
    """All lines that the store's own journal has, read one by one."""
    found: Lines = {}
    with store.reader() as connection:
        rows = list(
            connection.execute(
                "SELECT number, ordinal, key, attribute, dataset, owner, observed, operation, instance FROM journal"
            )
        )
        for number, ordinal, key, *told, text in rows:
            instance = None if text is None else orjson.loads(text)
            row = (instance or {}).get("@", [None] * 6)[5]
            instance = None if instance is None else without_provenance(instance)
            found[number, ordinal] = Line._make((ids_of(connection, [key])[key], *told, instance, row))
        for number, source, body in list(connection.execute("SELECT number, source, body FROM segment")):
            for line in iterate(unpack(body)):
                text = line.instance
                assert (number, line.ordinal) not in found
                found[number, line.ordinal] = Line(
                    ids_of(connection, [line.key])[line.key], line.attribute, line.dataset, source, line.observed,
                    line.operation, None if text is None else orjson.loads(text), line.row,
                )  # fmt: skip
    return found


def lake_rows(table: LakeTable) -> Iterator[dict[str, Any]]:
    """All lines of a table of the lake, times in microseconds."""
    for file in table.snapshot().files:
        yield from plain(table.read(file))


def plain(lines: pa.Table) -> list[dict[str, Any]]:
    for name in ("time", "recorded", "until"):
        lines = lines.set_column(lines.column_names.index(name), name, lines.column(name).cast(pa.int64()))
    rows: list[dict[str, Any]] = lines.to_pylist()
    return rows


def line_of(row: dict[str, Any]) -> Line:
    instance = orjson.loads(row["json"]) if row["attribute"] == "@entity" and row["json"] else instance_in(row)
    observed = row["time"] if row["timed"] else None
    return Line(
        row["entity"], row["attribute"], row["dataset"], row["source"], observed, row["operation"], instance, row["row"]
    )


def drained_lines(lake: Lake) -> Lines:
    """All lines of the lake. Fails where one is there twice."""
    found: Lines = {}
    for type_ in lake.types():
        table = lake.table(type_)
        assert table is not None
        for row in lake_rows(table):
            place = (row["commit"], row["ordinal"])
            assert place not in found, f"{place} is there twice"
            found[place] = line_of(row)
    return found


def all_lines(store: SqliteStore, lake: Lake) -> Lines:
    """What lake and store have together, each line from the one that it belongs to. Fails where one is there twice."""
    found = drained_lines(lake)
    with store.reader() as connection:
        for type_, kinds in drained.kinds(connection).items():
            table = lake.table(type_)
            after = table.snapshot().position if table else 0
            for lines in pending(connection, kinds, after):
                for row in plain(lines):
                    place = (row["commit"], row["ordinal"])
                    assert place not in found, f"{place} is there twice"
                    found[place] = line_of(row)
    return found


def drain_all(drain: Drain) -> int:
    """Drain until nothing is left; the number of lines."""
    count = 0
    while True:
        done = drain.step()
        for error in done.troubles.values():
            raise error
        count += done.count
        if not done.more:
            return count


def history(folder: Path) -> Lake:
    return Lake(str(folder / "history"))


class Remembering(City):
    """A city whose sources and readers know the lake."""

    def __init__(self, path: Path | str, lake: Lake, **more: Any) -> None:
        super().__init__(path, **more)
        self.lake = lake

    def open(self, source: str = "one", **facts: Any) -> Ingest:
        run = super().open(source, **facts)
        run.lake = self.lake
        return run

    def pool(self) -> Pool:
        pool = Pool(self.store, Policy(), self.claims)
        pool.earlier = partial(points, self.store, self.lake)
        return pool


def lively(path: Path | str, seed: int = 7, lake: Lake | None = None, small: bool = False) -> Remembering:
    """A city with lines of every form: rows, segments of both forms, claims of two sources, what clients wrote."""
    city = Remembering(path, lake or history(Path(path).parent), claims=rivals("a", "b"))
    write_more(city, seed, small)
    return city


def write_more(city: City, seed: int, small: bool = False) -> None:
    """Some commits of every form more, with thousands of lines or, where `small`, hundreds."""
    chance = random.Random(seed)
    start = micro("2026-01-01T00:00Z") + seed * 1000 * HOUR
    few = [reading(chance, f"urn:x:{n % 3}", start + n * HOUR) for n in range(9)]
    city.pull("a", few)
    city.pull("b", [{**row, "n": row["n"] + chance.choice([0, 1])} for row in few])
    many = [reading(chance, f"urn:x:{n % 40}", start + n * HOUR // 7) for n in range(130 if small else 1200)]
    city.pull("a", many)  # as columns
    odd = [
        {**row, "refPlace.object": f"urn:p:{n}", "type": TYPES[1], "id": f"urn:y:{n % 5}"} for n, row in enumerate(many)
    ]
    city.pull("c", odd[:700])
    clients_write(city, chance, start)


def reading(chance: random.Random, id_: str, time: int) -> dict[str, Any]:
    moment = when("1970-01-01T00:00Z")
    return {
        "id": id_, "type": "T", "n": chance.choice([1, 2, 3]), "text": chance.choice(["a", 'say "x"', "北", None]),
        "level": chance.choice([1.5, 2.25, None, -0.1]), "level.unitCode": "CEL",
        "on": chance.choice([True, False, None]),
        "location.point": f'{{"type":"Point","coordinates":[{chance.uniform(117, 118)},39.0]}}',
        "observedAt": moment.fromtimestamp(time / 1_000_000, moment.tzinfo),
    }  # fmt: skip


def clients_write(city: City, chance: random.Random, start: int) -> None:
    """Lines that only clients write, of every operation, at odd values."""
    values: Sequence[Any] = (
        2**53 + 1, -(2**60), 1e300, 0.1, -0.0, True, "", "2", None, [1, [2.5]], {"a": None},
        {"type": "Point", "coordinates": [1, 2.5]},
    )  # fmt: skip

    def job(transaction: Any) -> None:
        kind = transaction.kind("", "T", ())
        key = transaction.take_keys(kind, 1)[0]
        transaction.connection.execute(
            "INSERT INTO past (key, tenant, id, types, created) VALUES (?, '', ?, '[\"T\"]', 1)",
            (key, f"urn:old:{key}"),
        )
        entries = [Entry(key, "@entity", 0, None, "api", None, "create", '{"type":["T"],"scope":["/a"]}')]
        for at, value in enumerate(values, 1):
            instance = {
                "type": "GeoProperty" if isinstance(value, dict) and "type" in value else "Property",
                "value": value,
                "observedAt": chance.choice(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"]),
                "datasetId": f"urn:d:{at}",
                "sub": {"type": "Property", "value": at},
            }
            text = orjson.dumps(instance).decode()
            entries.append(Entry(key, "v", at, f"urn:d:{at}", "api", micro("2026-01-01T00:00Z"), "set", text))
        last = len(values)
        entries += [
            Entry(key, "v", last + 1, "urn:d:1", "api", None, "retract", None, (transaction.number, 1)),
            Entry(key, "v", last + 2, "urn:d:2", "api", None, "set", CHANGED, (transaction.number, 2)),
            Entry(key, "v", last + 3, "urn:d:3", "api", None, "delete", None),
            Entry(key, "@entity", last + 4, None, "api", None, "delete", None),
        ]  # fmt: skip
        transaction.record(entries)

    city.store.write(job, actor=ACTOR.name)
