"""How sources fare is shown with their registrations, and is still known after a restart (NGSI-LD table 5.2.9-2)."""

import contextlib
from pathlib import Path
from typing import Any

from landbridge.federation.standing import Standings
from landbridge.pool.pool import Pool
from landbridge.store.sqlite import open_store
from made_brokers import Broker, dead_address, lamp, saying, source
from made_publisher import reached

COUNTERS = ("status", "timesSent", "timesFailed", "lastSuccess", "lastFailure")


def shown(broker: Broker, id_: str) -> dict[str, Any]:
    registration = broker.get(f"/csourceRegistrations/{id_}").json()
    return {name: registration[name] for name in COUNTERS if name in registration}


def test_counters_go_on_after_a_restart(tmp_path: Path) -> None:
    with source(saying(200, [lamp(1)])) as there:
        with contextlib.closing(Broker(tmp_path, "broker")) as here:
            good, bad = here.register(there.address), here.register(dead_address())
            assert (shown(here, good), shown(here, bad)) == ({}, {})
            for _ in range(3):
                here.ids("/entities?type=Lamp")
            before = shown(here, good), shown(here, bad)
        assert (before[0]["status"], before[0]["timesSent"]) == ("ok", 3)
        assert (before[1]["status"], before[1]["timesSent"], before[1]["timesFailed"]) == ("failed", 3, 3)
        with contextlib.closing(Broker(tmp_path, "broker")) as here:
            assert (shown(here, good), shown(here, bad)) == before
            here.ids("/entities?type=Lamp")
            assert shown(here, good)["timesSent"] == 4
            assert shown(here, bad)["lastFailure"] > before[1]["lastFailure"]


def test_a_registration_made_again_under_its_id_begins_anew(tmp_path: Path) -> None:
    with source(saying(200, [lamp(1)])) as there, contextlib.closing(Broker(tmp_path, "broker")) as here:
        id_ = here.register(there.address, id="urn:r:1")
        here.ids("/entities?type=Lamp")
        assert shown(here, id_)["timesSent"] == 1
        again = {"id": id_, "type": "ContextSourceRegistration", "endpoint": there.address,
                 "information": [{"entities": [{"type": "Lamp"}]}]}  # fmt: skip
        assert here.client.post("/csourceRegistrations", json=again).status_code == 409
        assert shown(here, id_)["timesSent"] == 1
        here.client.delete(f"/csourceRegistrations/{id_}").raise_for_status()
        here.register(there.address, id="urn:r:1")
        assert shown(here, id_) == {}


def test_what_is_counted_is_kept_within_seconds(tmp_path: Path) -> None:
    """So a kill loses no more than that."""
    with source(saying(200, [lamp(1)])) as there, contextlib.closing(Broker(tmp_path, "broker")) as here:
        id_ = here.register(there.address)
        here.ids("/entities?type=Lamp")
        reached(lambda: Standings(here.pool).members("", id_).get("timesSent") == 1)


def test_of_sources_that_are_gone_nothing_is_kept(tmp_path: Path) -> None:
    with contextlib.closing(Pool(open_store(tmp_path / "pool.db"))) as pool:
        standings = Standings(pool)
        standings.heard("", "urn:r:gone", True, 0.0)
        standings.close()
        assert Standings(pool).members("", "urn:r:gone") == {}
