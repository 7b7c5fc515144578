"""The process that keeps history: beside the serving one, asked through the doors, begun again when it dies."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from landbridge.app.historian import Historian, open_historian
from landbridge.app.passage import read_answer, read_question, write_answer, write_question
from landbridge.app.recollection import Recollection
from landbridge.errors import Failed, Missing, TooMuch
from landbridge.governance.policy import Actor, Role
from landbridge.history.recent import Recent
from landbridge.history.trim import Window, trim
from landbridge.model.chapter import parse_temporal
from landbridge.model.query import And, Between, Compare, Has, Near, OneOf, Or, Order, Query, Scope, Selector
from landbridge.model.query import Path as At
from landbridge.model.temporal import Aggregate, Period, Span, TemporalQuery
from landbridge.model.terms import Contexts
from landbridge.settings import read_settings
from test_app import Served, a_city, ended, started

TERMS = Contexts().core
ALICE = Actor("alice", Role.OPERATOR)
CAR, SPEED = TERMS.expand("Car"), TERMS.expand("speed")


def chapter(id_: str, *values: float) -> Any:
    instances = [
        {"type": "Property", "value": value, "observedAt": f"2020-08-01T12:{minute:02}:00Z"}
        for minute, value in enumerate(values)
    ]
    return parse_temporal({"id": id_, "type": "Car", "speed": instances}, TERMS)


@pytest.fixture
def historian(tmp_path: Path) -> Iterator[Historian]:
    (tmp_path / "landbridge.toml").write_text('name = "Here"\n')
    found = open_historian(read_settings(tmp_path))
    yield found
    found.end()
    found.pool.close()


def through(historian: Historian) -> Recollection:
    """What the serving process has, with the pipe left out."""

    def ask(order: Any) -> bytes:
        said: list[tuple[Any, bytes]] = []
        historian.obey(order, lambda message, body: said.append((message, body)))
        (message, body) = said[0]
        if "error" in message:
            raise {"Missing": Missing, "TooMuch": TooMuch}.get(message["error"], Failed)(message["message"])
        assert message["size"] == len(body)
        return body

    return Recollection(historian.pool.store, ask, lambda: True)


def test_answers_from_beside_are_those_of_the_store_itself(historian: Historian) -> None:
    for number in range(3):
        historian.pool.write_evolution(ALICE, chapter(f"urn:c:{number}", number, number + 0.5))
    asked = TemporalQuery(Query(types=Has(CAR), count=True, limit=2))
    near = Recent(historian.pool.store).evolutions(asked)
    assert through(historian).evolutions(asked) == near and near.count == 3
    historian.settle({})
    trim(historian.pool.store, Window(0, 0))
    assert not through(historian).is_whole()
    assert through(historian).evolutions(asked) == near
    assert through(historian).evolution("urn:c:0", asked) == near.found[0]
    with pytest.raises(Missing):
        through(historian).evolution("urn:c:7", asked)


def test_a_series_goes_on_in_the_lake(historian: Historian) -> None:
    pool = historian.pool
    for value in (1, 2):
        body = {"id": "urn:c:1", "type": [CAR], "attrs": {SPEED: [{"type": "Property", "value": value}]}}
        pool.create(ALICE, body) if value == 1 else pool.patch(ALICE, "urn:c:1", body["attrs"])  # type: ignore[arg-type]
    historian.settle({})
    trim(pool.store, Window(0, 0))
    pool.earlier = through(historian).earlier
    assert [point.value for point in pool.series(ALICE, "urn:c:1", SPEED)] == [1, 2]


QUESTION = TemporalQuery(
    Query(
        "t", Or((Has("A"), And((Has("B"), Has("C"))))), ("urn:a",), "x.*", ("p",),
        And(
            (Compare(At("p", ("q",), ("k",)), "==", "v"), Between(At("p"), 1, 2.5, True), OneOf(At("p"), ("a", (1, 2))))
        ),
        Near({"type": "Point", "coordinates": [1.5, 2]}, 100.0), Scope((("/a", "/b/#"),)), (Order(At("id"), True),),
        7, "cursor", True, (Selector(Has("D"), ("urn:b",)),),
    ),
    Span("between", 1, 2, "modifiedAt"), ("p",), ("", "urn:d"), 3, 4,
    Aggregate(("avg",), Period(1, 2, 3), "Asia/Shanghai"), 50, 6, 7, (8, 9),
)  # fmt: skip


def test_a_question_comes_out_of_the_pipe_as_it_went_in() -> None:
    assert read_question(write_question(QUESTION)) == QUESTION


@pytest.mark.parametrize("told", [{"@": "Query"}, {"@": "Span", "relation": "after", "at": 1}])
def test_what_is_no_question_is_refused(told: Any) -> None:
    with pytest.raises(ValueError, match="no question"):
        read_question(told)


@pytest.mark.parametrize("told", [{"@": "Popen", "args": "id"}, {"@": "Query", "unknown": 1}])
def test_nothing_else_is_made_of_what_comes(told: Any) -> None:
    with pytest.raises((KeyError, TypeError)):
        read_question(told)


def test_an_answer_comes_out_of_the_pipe_as_it_went_in(historian: Historian) -> None:
    historian.pool.write_evolution(ALICE, chapter("urn:c:1", 1, 2, 3))
    for asked in (
        TemporalQuery(Query(types=Has(CAR)), most=2),
        TemporalQuery(Query(types=Has(CAR)), aggregate=Aggregate(("avg", "max"), Period(micros=60_000_000))),
    ):
        found = historian.reader.evolutions(asked)
        assert found.found and read_answer(write_answer(found)) == found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    city = started(a_city(tmp_path_factory.mktemp("city")))
    yield city
    ended(city)


def of(served: Served) -> psutil.Process:
    found: psutil.Process = served.until(
        lambda: next(
            (one for one in psutil.Process(served.process.pid).children() if "historian" in " ".join(one.cmdline())),
            None,
        )
    )
    return found


def ready(served: Served) -> bool:
    return bool(served.get("/health").json()["historian"] == "ready")


def test_it_is_asked_through_the_door_and_begun_again_when_it_dies(served: Served) -> None:
    served.until(lambda: ready(served))
    served.until(lambda: served.entity("Thing:a"))
    path = "/ngsi-ld/v1/temporal/entities?type=Thing&timerel=after&timeAt=2000-01-01T00:00:00Z&options=temporalValues"
    (found,) = served.get(path).json()
    assert found["id"] == "urn:ngsi-ld:Thing:a" and found["size"]["values"][0][0] == 1
    first = of(served)
    first.send_signal(signal.SIGKILL)
    first.wait(30)
    served.until(lambda: of(served).pid != first.pid and ready(served))
    assert served.get(path).json() == [found]


def test_it_ends_with_the_serving_process(tmp_path: Path) -> None:
    (tmp_path / "landbridge.toml").write_text('name = "Here"\n')
    city = started(tmp_path)
    city.until(lambda: ready(city))
    historian = of(city)
    ended(city)
    historian.wait(30)
    assert not historian.is_running()
