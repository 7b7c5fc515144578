"""A city that remembers a garden in every way there is, for the tests of forgetting."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from landbridge.api.ngsild.subscription_body import kept
from landbridge.app.city import City, open_city
from landbridge.governance.policy import Actor, Role
from landbridge.history.compact import join
from landbridge.history.drain import Drain
from landbridge.model.parser import parse_entity, parse_fragment
from landbridge.model.query import Has, Query
from landbridge.pool import delivery
from landbridge.pool.cabinet import Cabinet
from landbridge.pool.delivery import Lane, Notice, Outcome
from landbridge.pool.frozen import freeze, room
from landbridge.pool.subscription import SHELF, subscriptions_of
from landbridge.settings import Operator
from landbridge.store.document import unfold

OPERATOR = Actor("gardener", Role.OPERATOR, request="r-1")
CODE = "hz-4711"
ID = f"urn:ngsi-ld:Garden:{CODE}"
NAME, NOTE, PRIZE, ODD = "Zwetschgenhain", "mit »Brunnen« & Laube", 73512.25, "viele4711"
TOLD = (ID, CODE, NAME, NOTE, PRIZE, ODD)
OTHER = "urn:ngsi-ld:Garden:hz-50000"
SETTINGS = """name = "Gardens"
[claims.Garden]
rule = "priority"
order = ["register", "survey"]
"""
REGISTER = """select 'urn:ngsi-ld:Garden:' || code as id, 'Garden' as type, name, note, number(prize) as prize,
       point(cast(lon as double), 39.0) as "location.point", local_time("at") as "observedAt" from source
"""
SURVEY = """select 'urn:ngsi-ld:Garden:' || code as id, 'Garden' as type, number(prize) as prize,
       local_time("at") as "observedAt" from source
"""
VISITS = """select 'urn:ngsi-ld:Visit:' || number as id, 'Visit' as type,
       'urn:ngsi-ld:Garden:' || garden as "refGarden.object", number(people) as people from source
"""
DEATH = 1_700_000_000_000_000


def make_city(folder: Path, many: int = 300) -> Path:
    """Two sources that speak of gardens, one of visits to them; the garden of the tests is one of many."""
    folder.mkdir(parents=True)
    (folder / "landbridge.toml").write_text(SETTINGS)
    (folder / "names.jsonld").write_text(orjson.dumps({"@context": {}}).decode())
    source(folder, "register", REGISTER, "code,name,note,prize,lon,at", register(many))
    source(folder, "survey", SURVEY, "code,prize,at", surveyed(many))
    source(folder, "visits", VISITS, "number,garden,people", visits(many))
    return folder


def source(folder: Path, name: str, mapping: str, head: str, lines: Iterator[str]) -> None:
    place = folder / "sources" / name
    place.mkdir(parents=True)
    (place / "source.toml").write_text('kind = "csv"\nlocation = "rows.csv"\nreject_share = 0.5\n')
    (place / "mapping.sql").write_text(mapping)
    (place / "rows.csv").write_text("\n".join([head, *lines]) + "\n")


def register(many: int) -> Iterator[str]:
    for day in (1, 2):
        yield f'{CODE},{NAME},"{NOTE}",{PRIZE},117.5,2024-05-0{day}T00:00:00Z'
        for number in range(many):
            yield f"hz-{50000 + number},Garten {number},ohne,{number},{117 + number / 1000},2024-05-0{day}T00:00:00Z"


def surveyed(many: int) -> Iterator[str]:
    yield f"{CODE},{PRIZE + 1},2024-05-01T12:00:00Z"
    yield f"{CODE},{ODD},2024-05-02T12:00:00Z"
    for number in range(many):
        yield f"hz-{50000 + number},{number + 1},2024-05-01T12:00:00Z"


def visits(many: int) -> Iterator[str]:
    for number in range(many):
        garden = CODE if number % 50 == 7 else f"hz-{50000 + number}"
        yield f"{number},{garden},{number % 9}"


@contextmanager
def opened(folder: Path) -> Iterator[City]:
    with open_city(folder, operator=Operator()) as city:
        assert not city.wrong
        yield city


def remember(folder: Path, *, drain: bool = True) -> None:
    """Leave traces of the garden wherever a pool keeps anything."""
    with opened(folder) as city:
        pool = city.pool
        for name in ("register", "survey", "visits"):
            record = city.pull(name)
            assert record.state == "done", record.reason
        subscribe(city)
        pool.patch(OPERATOR, ID, fragment(city, {"name": prop(NAME), "keeper": prop(NOTE)}))
        pool.patch(OPERATOR, ID, fragment(city, {"keeper": prop(f"{NOTE} II")}))
        bench = {"id": "urn:bench:1", "type": "Bench", "at": {"type": "Relationship", "object": ID}}
        pool.create(OPERATOR, parse_entity(bench, city.contexts.own))
        pool.create(OPERATOR, parse_entity({**bench, "id": "urn:bench:2"}, city.contexts.own))
        pool.patch(OPERATOR, "urn:bench:1", fragment(city, {"at": {"type": "Relationship", "object": OTHER}}))
        pool.delete(OPERATOR, "urn:bench:2")
        dead_letter(city)
        documents = [pool.entity(OPERATOR, one) for one in (ID, OTHER)]
        snapshots = Cabinet(pool, "snapshot", "snapshots")
        snapshots.create(OPERATOR, "", "urn:snap:1", {"snapshotQueries": [{"entities": [{"id": ID}]}], "made": 0})
        freeze(pool, room("", "urn:snap:1"), documents)
        pool.map_entities(OPERATOR, Query(types=Has("Garden")))
        pool.audit(OPERATOR, "look at", ID, "done", f"because of {ID}, and {OTHER}")
        if drain:
            drained(city)
        pool.patch(OPERATOR, ID, fragment(city, {"keeper": prop(f"{NOTE} III")}))
        changed = folder / "sources" / "survey" / "rows.csv"
        changed.write_text(changed.read_text().replace(str(PRIZE + 1), str(PRIZE + 2)))
        assert city.pull("survey").state == "done"
        if drain:
            drained(city)
            joined(city)


def joined(city: City) -> None:
    """Have the small files of history joined; those that they were stay for whoever reads them."""
    for type_ in city.lake.types():
        table = city.lake.table(type_)
        assert table is not None
        while join(table, 2) is not None:
            pass
        table.checkpoint(1)


def drained(city: City) -> None:
    drain = Drain(city.pool.store, city.lake)
    while drain.step().more:
        pass


def prop(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def fragment(city: City, attributes: dict[str, Any]) -> Any:
    return parse_fragment(attributes, city.contexts.own)["attrs"]


def subscribe(city: City) -> None:
    """Somebody wants to know of the garden, and nobody matches what changes."""
    given = {"entities": [{"type": "Garden", "id": ID}], "notification": {"endpoint": {"uri": "http://127.0.0.1:9/"}}}
    body = kept(given, {}, city.contexts.own, city.contexts, "", "urn:sub:1")
    subscriptions_of(city.pool).create(OPERATOR, "", "urn:sub:1", body)


def dead_letter(city: City) -> None:
    """Two notifications that nobody took: one of the garden alone, one of another with it."""
    store = city.pool.store
    with store.reader() as connection:
        docs = dict(connection.execute("SELECT id, doc FROM entity WHERE id IN (?, ?)", (ID, OTHER)))
    shown = {id_: {"id": id_, "type": "Garden", "was": unfold(doc)} for id_, doc in docs.items()}
    notices = []
    for rank, ids in enumerate(([ID], [ID, OTHER]), start=1):
        body = orjson.dumps({"id": f"urn:n:{rank}", "type": "Notification", "data": [shown[one] for one in ids]})
        lane = Lane(SHELF, "", "urn:sub:1")
        notices.append(Notice(lane, rank, f"urn:n:{rank}", DEATH, body, 9, 0, DEATH, f"500 for {ID}"))
    delivery.settle(store, Outcome(queued=notices, standings={notices[0].lane: {"lastFailure": f"about {ID}"}}))
