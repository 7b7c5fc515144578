"""`landbridge erase` as a person types it, also while the city is served by other processes."""

import json
import shutil
import time
from pathlib import Path

import pytest

from command import landbridge
from remembering import ID, NAME, OPERATOR, TOLD, fragment, make_city, opened, prop, remember
from seeking import traces
from serving import served

REASON = ("--reason", "The keeper asked for it.")


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_city(tmp_path_factory.mktemp("gardens") / "city", many=60)
    remember(folder)
    return folder


@pytest.fixture
def folder(remembered: Path, tmp_path: Path) -> Path:
    return shutil.copytree(remembered, tmp_path / "city")


def test_a_look_changes_nothing_and_names_the_operators_files(folder: Path) -> None:
    done = landbridge("erase", folder, "--entity", ID, "--dry-run", "--json")
    assert done.code == 0, done.err
    found = done.json()
    assert found["found"]["entities"] == 2
    names = {Path(path).parent.name for path in found["files"]}
    assert names == {"register", "survey", "visits"}
    assert traces(folder / ".landbridge", [ID])
    shown = landbridge("erase", folder, "--entity", ID, "--dry-run")
    assert "source rows" in shown.out and "not touched" in shown.out


def test_it_asks_and_wants_a_reason(folder: Path) -> None:
    assert "Nobody is there to ask" in landbridge("erase", folder, "--entity", ID, *REASON).err
    assert "has a reason" in landbridge("erase", folder, "--entity", ID, "--yes").err
    assert "Either an entity or a source" in landbridge("erase", folder, *REASON, "--yes").err
    named = landbridge("erase", folder, "--entity", ID, "--reason", f"{ID} asked", "--yes")
    assert named.code == 3 and "without the name" in named.err
    assert "exclude each other" in landbridge("erase", folder, "--verify", "--list").err
    assert landbridge("erase", folder, "--verify").code == 6
    assert traces(folder / ".landbridge", [ID])


def test_while_others_serve_it_is_gone_for_all(folder: Path) -> None:
    with served(folder) as client:
        assert NAME in client.get(f"/entities/{ID}").text
        assert client.get("/entities", params={"type": "Garden", "limit": 100}).status_code == 200
        done = landbridge("erase", folder, "--entity", ID, *REASON, "--yes", "--json")
        assert done.code == 0, done.err
        certificate = done.json()
        assert client.get(f"/entities/{ID}").status_code == 404
        assert ID not in client.get("/entities", params={"type": "Garden", "limit": 100}).text
        refused = client.post("/entities", json={"id": ID, "type": "Garden"})
        assert refused.status_code == 403 and "erased" in refused.text and ID not in refused.text
        upserted = client.post("/entityOperations/upsert", json=[{"id": ID, "type": "Garden"}])
        assert upserted.status_code in (207, 403) or "erased" in upserted.text
        other = {"id": "urn:other", "type": "Garden", "name": {"type": "Property", "value": "new"}}
        assert client.post("/entities", json=other).status_code == 201
    assert traces(folder / ".landbridge", TOLD) == []
    path = folder / ".landbridge" / "erasures" / f"{certificate['name']}.json"
    kept = json.loads(path.read_text())
    assert kept["subject"] in certificate["subject"] and kept["reason"] == REASON[1] and kept["seal"]
    assert kept["removed"]["entities"] == 2


def test_a_certificate_can_be_checked_again(folder: Path) -> None:
    assert landbridge("erase", folder, "--entity", ID, *REASON, "--yes").code == 0
    checked = landbridge("erase", folder, "--verify")
    assert checked.code == 0 and "nothing is there" in checked.out
    listed = landbridge("erase", folder, "--list", "--json").json()
    assert [one["reason"] for one in listed] == [REASON[1]]
    assert landbridge("erase", folder, "--allow", listed[0]["name"]).code == 0
    with opened(folder) as city:
        city.pool.create(OPERATOR, {"id": ID, "type": ["Garden"], "attrs": fragment(city, {"name": prop(NAME)})})
    wrong = landbridge("erase", folder, "--verify")
    assert wrong.code == 11 and "table name" in wrong.out
    path = next((folder / ".landbridge" / "erasures").glob("*.json"))
    path.write_text(path.read_text().replace("asked", "begged"))
    assert landbridge("erase", folder, "--verify").code == 12


def test_it_waits_for_a_pull_that_has_rows_on_disk(folder: Path) -> None:
    left = folder / ".landbridge" / "spool" / "register" / "landbridge-register-killed"
    left.mkdir(parents=True)
    (left / "rows.arrow").write_text(ID)
    began = time.monotonic()
    assert landbridge("erase", folder, "--entity", ID, *REASON, "--yes").code == 0
    assert time.monotonic() - began < 60
    assert not left.exists()
    assert traces(folder / ".landbridge", TOLD) == []
