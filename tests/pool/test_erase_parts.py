"""Erasing less than an entity: an attribute, a source, a stretch of time; and what stands afterwards."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from landbridge.app.city import City
from landbridge.app.erase import eraser_of, verdicts
from landbridge.errors import Invalid, Missing, Refused
from landbridge.model.chapter import Chapter
from landbridge.model.entity import HISTORY
from landbridge.model.erasure import MARK, Naming, Subject
from landbridge.model.instant import parse_instant
from landbridge.model.temporal import Moment
from landbridge.pool import chronicle
from landbridge.pool.erase import Order
from remembering import (
    CODE,
    ID,
    NAME,
    NOTE,
    OPERATOR,
    OTHER,
    PRIZE,
    drained,
    fragment,
    make_city,
    opened,
    prop,
    remember,
)
from seeking import traces

DAY = parse_instant("2024-05-02T00:00:00Z")


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_city(tmp_path_factory.mktemp("gardens") / "city", many=60)
    remember(folder)
    return folder


@pytest.fixture
def folder(remembered: Path, tmp_path: Path) -> Path:
    return shutil.copytree(remembered, tmp_path / "city")


def order(**subject: Any) -> Order:
    return Order(Subject("", **subject), "asked for", "maria")


def values(city: City, id_: str, attribute: str) -> list[object]:
    name = city.contexts.own.expand(attribute)
    return [one["value"] for one in city.pool.entity(OPERATOR, id_)["attrs"].get(name, [])]


def lake_values(city: City, id_: str, attribute: str) -> list[Any]:
    """What the files of history have of an attribute, by time."""
    found: list[Any] = []
    for type_ in city.lake.types():
        table = city.lake.table(type_)
        assert table is not None
        for file in table.snapshot().files:
            rows = table.read(file).to_pylist()
            found += [row for row in rows if row["entity"] == id_ and row["attribute"] == attribute]
    return [
        row["number"] if row["number"] is not None else row["text"] for row in sorted(found, key=lambda r: r["time"])
    ]


def test_an_attribute_goes_and_the_others_stay(folder: Path) -> None:
    with opened(folder) as city:
        keeper = city.contexts.own.expand("keeper")
        certificate = eraser_of(city).erase(order(entity=ID, attribute=keeper))
        assert certificate.scope == "attribute" and certificate.removed["values"] == 2  # the snapshot's too
        assert [verdict.found for verdict in verdicts(city)] == [()]
        assert traces(folder / ".landbridge", [f"{NOTE} II", f"{NOTE} III"]) == []
        assert values(city, ID, "keeper") == [] and values(city, ID, "note") == [NOTE]
        assert values(city, ID, "name")[0] == NAME
        with pytest.raises(Refused, match="attribute was erased"):
            city.pool.patch(OPERATOR, ID, fragment(city, {"keeper": prop("again")}))
        city.pool.patch(OPERATOR, ID, fragment(city, {"name": prop("Neuer Hain")}))
        assert values(city, ID, "name")[0] == "Neuer Hain"


def test_an_attribute_that_a_source_maps_is_left_out_of_its_rows(folder: Path) -> None:
    with opened(folder) as city:
        note = city.contexts.own.expand("note")
        eraser_of(city).erase(order(entity=ID, attribute=note))
        assert city.pull("register", again=True).erased == 2
        assert values(city, ID, "note") == [] and values(city, OTHER, "note") == ["ohne"]
        assert lake_values(city, ID, note) == []


def test_where_a_source_goes_the_rule_chooses_anew(folder: Path) -> None:
    with opened(folder) as city:
        assert values(city, ID, "prize")[0] == PRIZE  # the register's, which is first
        certificate = eraser_of(city).erase(order(source="register"))
        assert certificate.removed["blocks of source rows"]
        assert values(city, ID, "prize")[0] == PRIZE + 2
        prize = city.contexts.own.expand("prize")
        assert set(lake_values(city, ID, prize)) == {PRIZE + 1, PRIZE + 2}
        assert traces(folder / ".landbridge", [f"Garten {number}" for number in (1, 17)]) == []
        record = city.pull("register", again=True)
        assert (record.entities, record.instances, record.erased) == (0, 0, 122)
        assert city.pull("survey", again=True).erased == 0
        assert [verdict.found for verdict in verdicts(city)] == [()]
    with opened(folder) as city:
        assert values(city, ID, "prize")[0] == PRIZE + 2


def test_entities_that_a_source_alone_fed_go_with_it(folder: Path) -> None:
    with opened(folder) as city:
        eraser_of(city).erase(order(source="visits"))
        with pytest.raises(Missing):
            city.pool.entity(OPERATOR, "urn:ngsi-ld:Visit:8")
        assert traces(folder / ".landbridge", ["urn:ngsi-ld:Visit:"]) == []
        assert city.pool.entity(OPERATOR, OTHER)


def test_a_stretch_of_time_goes(folder: Path) -> None:
    with opened(folder) as city:
        prize = city.contexts.own.expand("prize")
        before = lake_values(city, ID, prize)
        eraser_of(city).erase(order(entity=ID, until=DAY))
        left = lake_values(city, ID, prize)
        assert before.count(PRIZE) == 2 and left == [PRIZE]
        assert [point.value for point in city.pool.series(OPERATOR, ID, prize) if point.time < DAY] == []
        assert city.pull("register", again=True).erased == 1
        assert lake_values(city, ID, prize) == [PRIZE]
        early = {**prop(1.0), "observedAt": "2024-05-01T00:00:00Z"}
        with pytest.raises(Refused):
            city.pool.patch(OPERATOR, ID, fragment(city, {"height": early}))
        city.pool.patch(OPERATOR, ID, fragment(city, {"height": {**early, "observedAt": "2024-05-03T00:00:00Z"}}))


def test_what_was_kept_out_may_be_allowed_again(folder: Path) -> None:
    with opened(folder) as city:
        certificate = eraser_of(city).erase(order(entity=ID))
        assert city.pull("register", again=True).erased == 2
        eraser_of(city).allow(certificate.name)
        assert city.pull("register", again=True).erased == 0
        assert values(city, ID, "name") == [NAME]
        with pytest.raises(Missing):
            eraser_of(city).allow(certificate.name)


def test_what_the_operator_says_of_the_subject_goes_too(folder: Path) -> None:
    with opened(folder) as city:
        rows = folder / "sources" / "register" / "rows.csv"
        rows.write_text(rows.read_text() + f"hz-1,Nachbar von {NAME},x,kein,117.1,2024-05-01T00:00:00Z\n")
        assert city.pull("register").rejected == 1
        assert any("reject" in trace for trace in traces(folder / ".landbridge", [f"Nachbar von {NAME}"]))
        eraser_of(city).erase(Order(Subject("", entity=ID), "asked for", "maria", (f"Nachbar von {NAME}",)))
        assert traces(folder / ".landbridge", [CODE, NAME]) == []


def test_a_reason_that_names_the_subject_is_refused() -> None:
    with pytest.raises(Invalid, match="reason"):
        Order(Subject("", entity=ID), f"{ID} asked for it", "maria")
    with pytest.raises(Invalid, match="Either"):
        Subject("", entity=ID, source="register")
    with pytest.raises(Invalid, match="ends before"):
        Subject("", entity=ID, since=2, until=1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{0}", True), ('"{0}"', True), ("see {0}.", True), ("{0},urn:x:2", True), ("({0})", True), ("{0}7", False),
        ("{0}.5", False), ("{0}-a", False), ("{0}/a", False), ("x{0}", False), ("urn:y:{0}", False),
        ("{0}: late", True),
    ],
)  # fmt: skip
def test_an_id_is_found_where_it_stands_alone(text: str, found: bool) -> None:
    naming = Naming({ID: f"{MARK}1"})
    said = text.format(ID)
    assert naming.names(said) is found
    assert naming.named(said) == (text.format(f"{MARK}1") if found else said)


@pytest.mark.parametrize("drain", [False, True])
def test_what_a_client_corrected_does_not_come_back_with_the_correction_gone(tmp_path: Path, drain: bool) -> None:
    with opened(make_city(tmp_path / "city", many=3)) as city:
        store, name = city.pool.store, city.contexts.own.expand("level")
        early = {**prop(7.5), "observedAt": "2024-01-01T00:00:00Z"}
        late = {**prop(8.5), "observedAt": "2024-06-01T00:00:00Z"}
        chronicle.upsert(store, OPERATOR, "", Chapter("urn:past:1", ["Past"], {name: [early]}))
        with store.reader() as connection:
            ((number, ordinal, recorded),) = connection.execute(
                "SELECT j.number, j.ordinal, c.recorded FROM journal j JOIN commits c USING (number) WHERE attribute=?",
                (name,),
            )
        at = parse_instant(early["observedAt"])
        moment = Moment(at, at, recorded, number, ordinal, HISTORY, None, early)
        chronicle.change(store, OPERATOR, "", "urn:past:1", name, moment, late)
        if drain:
            drained(city)
        eraser_of(city).erase(order(entity="urn:past:1", since=parse_instant("2024-05-01T00:00:00Z")))
        with store.reader() as connection:
            lines = list(connection.execute("SELECT operation, instance FROM journal WHERE attribute=?", (name,)))
        assert [operation for operation, _ in lines] == ["set", "retract"] and lines[1][1] is None
        if drain:
            assert sorted(map(str, lake_values(city, "urn:past:1", name))) == ["7.5", "None"]
