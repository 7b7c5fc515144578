"""A small city in a real pool, as pulls would leave it: areas, stations, rival counts, rejects, runs, a quarrel.

Everything is written through the store's own transactions, so pages read what they would read after a pull.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from landbridge.governance.policy import Actor, Policy, Role, Rule, default_rules
from landbridge.model.claim import ClaimRule, Claims, dataset_of
from landbridge.model.instant import format_instant, parse_instant
from landbridge.pool.pool import Pool
from landbridge.pool.row import row_of
from landbridge.store.contract import Entry
from landbridge.store.raw import blocks
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

NOW = parse_instant("2020-04-08T04:00:00Z")
HOUR = 3_600_000_000
SOURCES = ("health-commission", "newsroom")
CLAIMS = Claims(
    feeds={("", "EpidemicSituation", "confirmedCases"): SOURCES},
    rules={("EpidemicSituation", "*"): ClaimRule("priority", SOURCES)},
    holds={"health-commission": 2 * 24 * HOUR, "newsroom": None},
)
AREAS = (("120116", "Binhai", "滨海新区", 117.6, 38.9), ("120110", "Dongli", "东丽区", 117.2, 39.0),
         ("120113", "Beichen", "北辰区", 117.1, 39.2), ("120114", "Wuqing", "武清区", 117.0, 39.4))  # fmt: skip
STATIONS = (("1023A", "第四大街", 117.71, 39.03, 31.0), ("1024A", "永明路", 117.46, 38.83, 42.0),
            ("1021A", "跃进路", 117.31, 39.09, 55.0), ("1019A", "淮河道", 117.18, 39.21, 78.0))  # fmt: skip
OPERATOR = Actor("operator", Role.OPERATOR, door="console")
PUBLIC_POLICY = Policy(default_rules() | {Role.PUBLIC: Rule(read=True)})
HOSTILE = "<script>alert('x')</script>"


@dataclass
class Clock:
    """The city's clock, which a test may set: microseconds since 1970."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now

    def seconds(self) -> float:
        return self.now / 1e6


def open_city(path: Path, *, public: bool = False, clock: Clock | None = None) -> Pool:
    """An empty pool in a file."""
    store = SqliteStore(str(path), clock or Clock())
    return Pool(store, PUBLIC_POLICY if public else Policy(), CLAIMS)


def provenance(source: str, run: int = 1, row: int = 0) -> list[Any]:
    return [source, 1, NOW, NOW, run, row]


def property_of(
    value: Any, source: str, *, unit: str | None = None, at: int | None = None, row: int = 0
) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "Property", "value": value}
    if unit:
        made["unitCode"] = unit
    if at is not None:
        made["observedAt"] = format_instant(at)
    return made | {"@": provenance(source, row=row)}


def geo(geometry: Mapping[str, Any], source: str) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": geometry, "@": provenance(source)}


def link(target: str, source: str) -> dict[str, Any]:
    return {"type": "Relationship", "object": target, "@": provenance(source)}


def area(
    code: str, en: str, zh: str, west: float, south: float, geometry: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    ring = [
        [west, south],
        [west + 0.22, south],
        [west + 0.25, south + 0.15],
        [west + 0.1, south + 0.22],
        [west, south + 0.18],
        [west, south],
    ]
    return {
        "id": f"urn:ngsi-ld:AdministrativeArea:{code}",
        "type": ["AdministrativeArea"],
        "attrs": {
            "name": [{"type": "LanguageProperty", "languageMap": {"en": en, "zh": zh}, "@": provenance("register")}],
            "location": [geo(geometry or {"type": "Polygon", "coordinates": [ring]}, "outlines")],
        },
    }


def station(code: str, name: str, lon: float, lat: float, pm25: float, row: int) -> dict[str, Any]:
    at = NOW - HOUR
    return {
        "id": f"urn:ngsi-ld:AirQualityObserved:{code}",
        "type": ["AirQualityObserved"],
        "scope": ["/tianjin"],
        "attrs": {
            "name": [property_of(name, "stations")],
            "location": [geo({"type": "Point", "coordinates": [lon, lat]}, "stations")],
            "pm25": [property_of(pm25, "air-quality", unit="GQ", at=at, row=row)],
            "co": [property_of(round(pm25 / 70, 2), "air-quality", unit="GP", at=at, row=row)],
            "refArea": [link("urn:ngsi-ld:AdministrativeArea:120116", "stations")],
        },
    }


def situation(code: str, commission: int, newsroom: int) -> dict[str, Any]:
    """Counts of two sources side by side; the commission's is chosen, and has lapsed."""
    early, late = NOW - 5 * 24 * HOUR, NOW - 24 * HOUR
    claims = [
        property_of(commission, "health-commission", unit="IE", at=early)
        | {"datasetId": dataset_of("health-commission")},
        property_of(newsroom, "newsroom", unit="IE", at=late) | {"datasetId": dataset_of("newsroom")},
    ]
    chosen = {name: value for name, value in claims[0].items() if name != "datasetId"}
    return {
        "id": f"urn:ngsi-ld:EpidemicSituation:{code}",
        "type": ["EpidemicSituation"],
        "attrs": {
            "confirmedCases": [chosen, *claims],
            "curedCases": [property_of(max(0, commission - 1), "health-commission", unit="IE", at=early)],
            "refArea": [link(f"urn:ngsi-ld:AdministrativeArea:{code}", "health-commission")],
        },
    }


def hostile() -> dict[str, Any]:
    """An entity whose every text tries to be markup."""
    return {
        "id": "urn:ngsi-ld:PointOfInterest:odd",
        "type": ["PointOfInterest"],
        "attrs": {
            "name": [property_of(HOSTILE, "stations")],
            "location": [geo({"type": "Point", "coordinates": [117.7, 38.95]}, "stations")],
            '"><b>': [property_of("=cmd|'/c calc'!A1", "stations")],
            "json": [{"type": "JsonProperty", "json": {"</pre>": HOSTILE}, "@": provenance("stations")}],
        },
    }


def put(transaction: SqliteTransaction, documents: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Write entities, their journal and the announcement; gives their keys by id."""
    keys: dict[str, int] = {}
    for document in documents:
        kind = transaction.kind("", document["type"][0], document["attrs"])
        (key,) = transaction.take_keys(kind, 1)
        row = row_of(key, dict(document), [kind], transaction.recorded, transaction.recorded, transaction.number)
        transaction.insert("", [row])
        transaction.record(entries_of(key, document))
        keys[document["id"]] = key
    announce(transaction, documents)
    return keys


def announce(transaction: SqliteTransaction, documents: Sequence[Mapping[str, Any]]) -> None:
    types = sorted({document["type"][0] for document in documents})
    transaction.announce({"types": types, "entities": [document["id"] for document in documents], "more": False})


def entries_of(key: int, document: Mapping[str, Any]) -> list[Entry]:
    entries: list[Entry] = []
    for attribute, instances in document["attrs"].items():
        for instance in instances:
            entries.append(entry(key, attribute, len(entries), instance))
    return entries


def entry(key: int, attribute: str, ordinal: int, instance: Mapping[str, Any]) -> Entry:
    at = instance.get("observedAt")
    told = {name: member for name, member in instance.items() if name != "@"}
    text = orjson.dumps(told).decode()
    return Entry(
        key, attribute, ordinal, instance.get("datasetId"), instance["@"][0],
        parse_instant(at) if at else None, "set", text,
    )  # fmt: skip


def past(key: int, newest: float, hours: int = 60) -> list[Entry]:
    """Hourly values up to now, with a pause of ten hours."""
    found = []
    for back in range(2, hours):
        if 20 < back < 30:
            continue
        value = round(newest + 14 * ((back * 7) % 11) / 11 - back / 6, 1)
        made = property_of(value, "air-quality", unit="GQ", at=NOW - back * HOUR)
        found.append(entry(key, "pm25", 1000 + back, made))
    return found


def declared(title: str, kind: str, owner: str, types: Sequence[str], attributes: Sequence[str]) -> str:
    facts = {"title": {"en": title, "zh": f"{title}（中文）"}, "kind": kind, "owner": owner, "licence": "CC BY 4.0",
             "schedule": "every 10m", "types": list(types), "attributes": list(attributes)}  # fmt: skip
    return orjson.dumps(facts).decode()


def run_body(source: str, run: int, state: str, **told: Any) -> str:
    started = NOW - (3 - run) * HOUR
    counts = {"rows": 2627, "mapped": 2100, "unchanged": 0, "repeated": 370, "conflicting": 0, "rejected": 3}
    counts |= {"entities": 4, "instances": 15400, "gone": 0}
    facts = {"source": source, "run": run, "started": started, "ended": started + 4_200_000, "state": state}
    facts |= counts | {"reason": None, "notes": [], "expectations": []}
    return orjson.dumps(facts | told).decode()


def write_sources(transaction: SqliteTransaction) -> None:
    facts = (
        ("air-quality", "Hourly air quality", "csv", "Ecology bureau", ["AirQualityObserved"], ["pm25", "co"]),
        (
            "health-commission",
            "Case counts",
            "csv",
            "Health commission",
            ["EpidemicSituation"],
            ["confirmedCases", "curedCases"],
        ),
        ("newsroom", "News of cases", "csv", "Newsroom", ["EpidemicSituation"], ["confirmedCases"]),
        ("stations", "Stations", "sql", "Ecology bureau", ["AirQualityObserved"], ["name", "location"]),
        ("register", "Register of areas", "csv", "", ["AdministrativeArea"], ["name"]),
    )
    for name, *rest in facts:
        transaction.declare_source(name, declared(*rest))
    frozen = {
        "name": "not_frozen",
        "column": "pm25",
        "passed": 27,
        "failed": 10,
        "detail": "10 series unchanged for 48 h",
    }
    met = {"name": "not_null", "column": "station", "passed": 2627, "failed": 0, "detail": ""}
    for source in ("air-quality", "newsroom", "stations"):
        transaction.next_run(source)
    transaction.save_run(
        "air-quality", 1, run_body("air-quality", 1, "done", notes=["encoding utf-8"], expectations=[frozen, met])
    )
    transaction.next_run("newsroom")
    transaction.save_run("newsroom", 1, run_body("newsroom", 1, "done"))
    transaction.save_run("newsroom", 2, run_body("newsroom", 2, "failed", reason="The file has no column 确诊."))
    transaction.save_run("stations", 1, run_body("stations", 1, "unchanged", rejected=0))
    write_rejects(transaction)


def write_rejects(transaction: SqliteTransaction) -> None:
    rows = [
        (
            "unknown station",
            f"tianjin.csv line {12 + n}",
            orjson.dumps({"station": f"北辰科技园区{n}", "PM2.5": "35", "hour": str(n)}).decode(),
        )
        for n in range(3)
    ]
    transaction.add_rejects("air-quality", 1, rows)
    transaction.add_rejects(
        "newsroom", 1, [("not a date", "data.csv line 7", orjson.dumps({"日期": "2020年", "区": HOSTILE}).decode())]
    )
    numbers = list(range(len(STATIONS)))
    batch = pa.record_batch(
        {"station": [name for _, name, *_ in STATIONS], "PM2.5": [str(s[4]) for s in STATIONS], "hour": ["11"] * 4}
    )
    for first, last, body in blocks(
        batch, numbers, ["tianjin.csv"] * 4, "line", [n + 2 for n in numbers], "mapping.sql"
    ):
        transaction.add_raw("air-quality", 1, first, last, body)


def fill(pool: Pool, outlines: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Write the whole city in one commit. `outlines`: other geometries by area code."""

    def job(transaction: SqliteTransaction) -> None:
        write_sources(transaction)
        shapes = outlines or {}
        documents = [area(*facts, geometry=shapes.get(facts[0])) for facts in AREAS]
        documents += [station(*facts, row=number) for number, facts in enumerate(STATIONS)]
        counts = ((3, 2), (14, 14), (5, 9), (6, 6))
        documents += [situation(facts[0], *count) for facts, count in zip(AREAS, counts, strict=True)]
        keys = put(transaction, [*documents, hostile()])
        for facts in STATIONS:
            key = keys[f"urn:ngsi-ld:AirQualityObserved:{facts[0]}"]
            transaction.record(past(key, facts[4]))
        quarrel(transaction, keys["urn:ngsi-ld:EpidemicSituation:120116"], NOW - 5 * 24 * HOUR, None, (3, 2))
        quarrel(
            transaction, keys["urn:ngsi-ld:EpidemicSituation:120113"], NOW - 4 * 24 * HOUR, NOW - 3 * 24 * HOUR, (5, 9)
        )

    pool.store.write(job, actor="test")


def quarrel(transaction: SqliteTransaction, key: int, since: int, until: int | None, values: tuple[int, int]) -> None:
    said = [
        {"source": source, "value": value, "observedAt": format_instant(since)}
        for source, value in zip(SOURCES, values, strict=True)
    ]
    transaction.set_disagreements([key], "confirmedCases", [(key, since, until, orjson.dumps(said).decode())])


def observe(pool: Pool, code: str, value: float, at: int) -> None:
    """A new value of a station, as a pull would write it."""
    id = f"urn:ngsi-ld:AirQualityObserved:{code}"
    stored = pool.store.get("", id)
    assert stored is not None

    def job(transaction: SqliteTransaction) -> None:
        document = orjson.loads(stored.doc)
        document["attrs"]["pm25"] = [property_of(value, "air-quality", unit="GQ", at=at)]
        kind = transaction.kind("", "AirQualityObserved", document["attrs"])
        transaction.update(
            [row_of(stored.key, document, [kind], stored.created, transaction.recorded, transaction.number)]
        )
        transaction.record([entry(stored.key, "pm25", 0, document["attrs"]["pm25"][0])])
        announce(transaction, [document])

    pool.store.write(job, actor="test")
