"""Backups and restores by the command line: with processes that serve, kill and erase meanwhile."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import landbridge
from landbridge.app.backup import backup, tell_backups
from landbridge.app.erase import eraser_of
from landbridge.app.restore import restore
from landbridge.model.erasure import Subject
from landbridge.model.instant import parse_instant
from landbridge.pool.erase import Order
from remembering import ID, NOTE, OPERATOR, OTHER, TOLD, make_city, opened, remember
from seeking import traces
from serving import served


def remembered(folder: Path, *, drain: bool = True) -> Path:
    city = make_city(folder, many=60)
    remember(city, drain=drain)
    return city


def newest(target: Path) -> Path:
    return max(path for path in target.iterdir() if path.is_dir())


def test_a_restored_city_is_what_it_was(tmp_path: Path) -> None:
    city, target = remembered(tmp_path / "city"), tmp_path / "backups"
    with opened(city) as before:
        entity, version = before.pool.entity(OPERATOR, ID), before.pool.version()
        series = before.pool.series(OPERATOR, ID, before.contexts.own.expand("keeper"))
    made = landbridge("backup", city, target, "--json")
    assert made.code == 0, made.err
    assert made.json()["commit"] == version
    done = landbridge("restore", target, tmp_path / "again", "--json")
    assert done.code == 0, done.err
    assert done.json()["erased"] == 0
    with opened(tmp_path / "again") as after:
        assert after.pool.entity(OPERATOR, ID) == entity
        assert after.pool.series(OPERATOR, ID, after.contexts.own.expand("keeper")) == series
        assert {table: after.lake.table(table).snapshot().position for table in after.lake.types()}  # type: ignore[union-attr]  # there
    assert (tmp_path / "again" / "sources" / "register" / "rows.csv").read_bytes() == (
        city / "sources" / "register" / "rows.csv"
    ).read_bytes()


def test_a_backup_of_before_an_erasure_is_restored_without_what_was_erased(tmp_path: Path) -> None:
    city, target = remembered(tmp_path / "city"), tmp_path / "backups"
    assert landbridge("backup", city, target).code == 0
    assert traces(target, [ID])
    done = landbridge("erase", city, "--entity", ID, "--reason", "asked for", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.json()["unreached"] == []
    shutil.rmtree(city)
    restored = landbridge("restore", target, tmp_path / "again", "--json")
    assert restored.code == 0, restored.err
    assert restored.json()["erased"] == 1
    assert traces(tmp_path / "again" / ".landbridge", TOLD) == []
    with opened(tmp_path / "again") as after:
        assert after.pool.entity(OPERATOR, OTHER)
        assert after.pull("register", again=True).erased == 2
    assert landbridge("erase", tmp_path / "again", "--verify").code == 0


def test_a_backup_remembers_also_less_than_an_entity(tmp_path: Path) -> None:
    city, target = remembered(tmp_path / "city"), tmp_path / "backups"
    backup(city, target)
    with opened(city) as before:
        keeper, day = before.contexts.own.expand("keeper"), parse_instant("2024-05-02T00:00:00Z")
        for subject in (
            Subject("", entity=ID, attribute=keeper),
            Subject("", entity=OTHER, until=day),
            Subject("", source="visits"),
        ):
            eraser_of(before).erase(Order(subject, "asked for", "maria"))
        assert tell_backups(before.pool.store, before.settings.store.parent) == []
    again = tmp_path / "again"
    assert restore(target, again).erased == 3
    assert traces(again / ".landbridge", [f"{NOTE} II", "urn:ngsi-ld:Visit:"]) == []
    with opened(again) as after:
        prize = after.contexts.own.expand("prize")
        assert {point.time >= day for point in after.pool.series(OPERATOR, OTHER, prize)} == {True}
        assert after.pull("visits", again=True).entities == 0
    shutil.rmtree(target)
    with opened(city) as before:
        assert tell_backups(before.pool.store, before.settings.store.parent) == [str(target)]


def test_a_backup_that_is_not_whole_is_refused_and_nothing_is_there(tmp_path: Path) -> None:
    city, target = remembered(tmp_path / "city", drain=False), tmp_path / "backups"
    assert landbridge("backup", city, target).code == 0
    store = newest(target) / "pool" / "pool.db"
    data = bytearray(store.read_bytes())
    data[len(data) // 2] ^= 1
    store.write_bytes(data)
    refused = landbridge("restore", target, tmp_path / "again")
    assert refused.code == 12 and "not what it was" in refused.err
    assert not (tmp_path / "again").exists()
    store.unlink()
    assert "missing" in landbridge("restore", target, tmp_path / "again").err


def test_it_copies_what_is_written_to_at_the_same_time(tmp_path: Path) -> None:
    city, target = remembered(tmp_path / "city", drain=False), tmp_path / "backups"
    with served(city) as client:
        process = subprocess.Popen([sys.executable, "-m", "landbridge", "backup", str(city), str(target)])
        count = 0
        while process.poll() is None:
            body = {"id": f"urn:new:{count}", "type": "New", "n": {"type": "Property", "value": count}}
            assert client.post("/entities", json=body).status_code == 201
            count += 1
        assert process.returncode == 0 and count
        refused = landbridge("restore", target, city, "--replace")
        assert refused.code == 11 and "open in another process" in refused.err
    done = landbridge("restore", target, city, "--replace", "--json")
    assert done.code == 0, done.err
    assert Path(done.json()["before"]).is_dir()
    with served(city) as client:
        kept = client.get("/entities", params={"type": "New", "limit": 1000}).json()
        assert [f"urn:new:{number}" for number in range(len(kept))] == sorted(
            (one["id"] for one in kept), key=number_of
        )
        assert client.get(f"/entities/{ID}").status_code == 200


def number_of(id_: str) -> int:
    return int(id_.rpartition(":")[2])


@pytest.mark.parametrize("moment", [0.7, 1.4])
def test_a_restore_that_is_killed_goes_on(tmp_path: Path, moment: float) -> None:
    city, target = remembered(tmp_path / "city", drain=False), tmp_path / "backups"
    assert landbridge("backup", city, target).code == 0
    assert landbridge("erase", city, "--entity", ID, "--reason", "asked for", "--yes").code == 0
    again = tmp_path / "again"
    process = subprocess.Popen([sys.executable, "-m", "landbridge", "restore", str(target), str(again)])
    time.sleep(moment)
    process.kill()
    process.wait()
    if again.exists():
        assert traces(again / ".landbridge", TOLD) == []
    else:
        assert landbridge("restore", target, again).code == 0
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".restoring")]
    assert traces(again / ".landbridge", TOLD) == []


def test_it_says_what_is_wrong(tmp_path: Path) -> None:
    city = make_city(tmp_path / "city", many=3)
    assert "no pool yet" in landbridge("backup", city, tmp_path / "backups").err
    assert landbridge("pull", city).code == 0
    assert "pool's own folder" in landbridge("backup", city, city / ".landbridge" / "backups").err
    (tmp_path / "empty").mkdir()
    assert "no backup" in landbridge("restore", tmp_path / "empty", tmp_path / "again").err
    assert landbridge("backup", city, tmp_path / "backups").code == 0
    assert "not empty" in landbridge("restore", tmp_path / "backups", city).err
    listed = json.loads((newest(tmp_path / "backups") / "backup.json").read_text())
    assert "pool/pool.db" in listed["files"]
