"""A city with one source for each way to be broken: each says what is wrong, the others go on, what was known stays."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bad_source import WAYS, World
from cities import OPERATOR
from command import Ended, landbridge
from landbridge.app.entrance import open_pool
from landbridge.model.query import Query
from landbridge.settings import read_settings
from services import Database
from web_origin import web_origin

PATIENCE = {"LANDBRIDGE_RETRIES": "0"}
pytestmark = pytest.mark.timeout(1300)  # the machine may be busy with much else


@dataclass(frozen=True)
class Told:
    """A city that was good, then broke: how both pulls ended, what each source said, and which ids there are."""

    folder: Path
    first: Ended
    second: Ended
    records: dict[str, dict[str, Any]]
    rejects: dict[str, list[dict[str, Any]]]
    sizes: dict[str, Any]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, postgresql: Database) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("bad") / "city"
    folder.mkdir()
    (folder / "landbridge.toml").write_text('name = "Trouble"\n')
    with web_origin() as web:
        world = World(web, postgresql)
        for name, broken in WAYS.items():
            broken.build(folder / "sources" / name, world, False)
        first = landbridge("pull", folder, "--json", seconds=600, **PATIENCE)
        for name, broken in WAYS.items():
            broken.build(folder / "sources" / name, world, True)
        second = landbridge("pull", folder, "--json", seconds=600, **PATIENCE)
        world.over.set()
    records = {record["source"]: record for record in second.json()}
    rejects: dict[str, list[dict[str, Any]]] = {}
    for group in landbridge("rejects", folder, "--json").json():
        rejects.setdefault(group["source"], []).append(group)
    yield Told(folder, first, second, records, rejects, stored(folder))


def stored(folder: Path) -> dict[str, Any]:
    """Every id with its first `size`."""
    found: dict[str, Any] = {}
    after = None
    with contextlib.closing(open_pool(read_settings(folder))) as pool:
        while True:
            page = pool.query(OPERATOR, Query(limit=1000, after=after))
            for document in page.documents:
                sizes = document["attrs"].get("size", [{}])
                found[document["id"].removeprefix("urn:ngsi-ld:Thing:")] = sizes[0].get("value")
            after = page.next
            if after is None:
                return found


def test_all_goes_well_before_it_breaks(told: Told) -> None:
    assert told.first.code == 0, told.first.err
    assert {record["state"] for record in told.first.json()} == {"done"}
    assert {record["source"] for record in told.first.json()} == set(WAYS)


@pytest.mark.parametrize("name", WAYS)
def test_each_way_to_be_broken_is_told(told: Told, name: str) -> None:
    broken, record = WAYS[name], told.records[name]
    assert record["state"] == broken.state, record
    if broken.state == "failed":
        said = [record["reason"]]
        assert "".join(record["reason"].split()) in "".join(told.second.err.split())
    else:
        said = [*record["notes"], *(group["reason"] for group in told.rejects.get(name, []))]
    assert not broken.said or any(re.search(broken.said, one, re.DOTALL | re.IGNORECASE) for one in said), said


@pytest.mark.parametrize("name", WAYS)
def test_what_was_known_before_stays(told: Told, name: str) -> None:
    assert f"{name}-{WAYS[name].kept}" in told.sizes


def test_the_good_source_goes_on(told: Told) -> None:
    assert told.sizes["nothing-wrong-a"] == 2.0


def test_the_end_says_that_sources_failed(told: Told) -> None:
    assert told.second.code == 11


@pytest.mark.parametrize("name", [name for name, broken in WAYS.items() if broken.state == "failed"])
def test_a_failure_says_where_and_what_to_do(told: Told, name: str) -> None:
    reason = told.records[name]["reason"]
    assert "nobody expected" not in reason
    assert len(re.findall(r"[.?!](?= |$)", reason)) >= 2, reason


def test_a_rejected_row_says_where_and_what_it_held(told: Told) -> None:
    for name, groups in told.rejects.items():
        for group in groups:
            for example in group["examples"]:
                assert re.search(r"(line|row|feature) \d", example["place"]), (name, example)
