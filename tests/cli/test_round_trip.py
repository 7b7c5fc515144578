"""A city from nothing to its explained value, by the command line alone."""

from pathlib import Path

import pytest

from command import landbridge, source

RIVALS = """select 'urn:ngsi-ld:Place:' || code as id, 'Place' as type,
       number(visitors) as visitors, local_time(counted) as observedAt
from source"""
RULE = '\n[claims.Place]\nrule = "priority"\norder = ["counters", "places"]\n'


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city made by init, with a second source that contradicts the first, pulled."""
    folder = tmp_path_factory.mktemp("city") / "harbour"
    assert landbridge("init", folder, "--name", "Harbour", "--time-zone", "Europe/London").code == 0
    source(
        folder,
        "counters",
        'kind = "csv"\nlocation = "rows.csv"\ntime_zone = "Europe/London"\n',
        RIVALS,
        rows="code,visitors,counted\nA1,125,2026-01-05\nA2,many,2026-01-05\nA3,1180,2026-01-05\n",
    )
    path = folder / "landbridge.toml"
    path.write_text(path.read_text() + RULE)
    done = landbridge("pull", folder)
    assert done.code == 0, done.err
    return folder


def test_init_makes_a_city_that_passes_check(tmp_path: Path) -> None:
    assert landbridge("init", "new", cwd=tmp_path).code == 0
    done = landbridge("check", "new", "--strict", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert "urn:ngsi-ld:Place:A1" in done.out
    assert "Nothing was written" in done.out
    assert not (tmp_path / "new" / ".landbridge").exists()


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "sources" / "places").mkdir(parents=True)
    kept = tmp_path / "sources" / "places" / "places.csv"
    kept.write_text("mine")
    assert landbridge("init", cwd=tmp_path).code == 0
    assert kept.read_text() == "mine"
    again = landbridge("init", cwd=tmp_path)
    assert again.code == 7
    assert "a city already" in again.err


def test_pull_says_what_became_of_each_source(city: Path) -> None:
    records = {record["source"]: record for record in landbridge("pull", city, "--json").json()}
    assert set(records) == {"places", "counters"}
    assert records["places"]["state"] == "unchanged"
    assert records["places"]["instances"] == 0


def test_a_second_pull_changes_nothing(city: Path) -> None:
    before = landbridge("explain", city, "urn:ngsi-ld:Place:A1", "--json").out
    assert landbridge("pull", city, "places", "--again").code == 0
    assert landbridge("explain", city, "urn:ngsi-ld:Place:A1", "--json").out == before


def test_explain_leads_to_the_raw_row(city: Path) -> None:
    traces = landbridge("explain", "urn:ngsi-ld:Place:A1", "visitors", "--json", cwd=city).json()
    chosen = next(trace for trace in traces if trace["standing"] == "chosen")
    assert chosen["value"] == 125
    assert chosen["source"] == "counters"
    assert chosen["place"] == "rows.csv line 2"
    assert chosen["raw"] == {"code": "A1", "visitors": "125", "counted": "2026-01-05"}
    assert chosen["observedAt"] == "2026-01-05T00:00:00Z"
    claims = {trace["source"]: trace["value"] for trace in traces if trace["standing"] == "claim"}
    assert claims == {"counters": 125, "places": 120}
    shown = landbridge("explain", city, "urn:ngsi-ld:Place:A1", "visitors").out
    assert "rows.csv line 2" in shown
    assert "visitors = '125'" in shown


def test_disagreements_are_the_objects_of_the_design(city: Path) -> None:
    (found,) = landbridge("disagreements", city, "--json").json()
    assert found == {
        "entity": "urn:ngsi-ld:Place:A1",
        "attribute": "visitors",
        "from": "2026-01-05T00:00:00Z",
        "to": None,
        "values": [
            {"source": "counters", "value": 125, "observedAt": "2026-01-05T00:00:00Z"},
            {"source": "places", "value": 120, "observedAt": "2026-01-05T00:00:00Z"},
        ],
    }
    assert landbridge("disagreements", city, "--entity", "urn:ngsi-ld:Place:A3", "--json").json() == []
    assert "counters: 125" in landbridge("disagreements", city).out


def test_rejects_are_listed_with_place_and_row(city: Path) -> None:
    (group,) = landbridge("rejects", city, "--json").json()
    assert group["source"] == "counters"
    assert group["count"] == 1
    assert "many" in group["reason"]
    assert group["examples"] == [
        {"place": "rows.csv line 3", "row": {"code": "A2", "visitors": "many", "counted": "2026-01-05"}}
    ]
    assert "rows.csv line 3" in landbridge("rejects", city).out


def test_rejects_are_taken_once_the_mapping_is_mended(tmp_path: Path) -> None:
    assert landbridge("init", tmp_path).code == 0
    source(
        tmp_path,
        "gates",
        'kind = "csv"\nlocation = "rows.csv"\n',
        "select 'urn:ngsi-ld:Gate:' || code as id, 'Gate' as type, cast(count as bigint) as count from source",
        rows="code,count\nN,5\nS,many\n",
    )
    assert landbridge("pull", tmp_path, "gates").code == 0
    mapping = tmp_path / "sources" / "gates" / "mapping.sql"
    mapping.write_text(mapping.read_text().replace("cast(count as bigint)", "try_cast(count as bigint)").replace(
        " from source", ", count as said from source"))  # fmt: skip
    replayed = landbridge("rejects", tmp_path, "--replay", "gates")
    assert replayed.code == 0, replayed.err
    assert landbridge("rejects", tmp_path, "--json").json() == []
    (trace,) = landbridge("explain", tmp_path, "urn:ngsi-ld:Gate:S", "said", "--json").json()
    assert trace["value"] == "many"
    assert landbridge("rejects", tmp_path, "--replay", "gates").code == 6


def test_a_token_is_shown_once_and_can_be_revoked(city: Path) -> None:
    made = landbridge("token", city, "create", "maria", "--role", "steward", "--expires", "P90D", "--json").json()
    assert made["token"].startswith("lb_")
    listed = landbridge("token", "list", "--json", cwd=city)
    assert made["token"] not in listed.out
    (row,) = listed.json()
    assert (row["name"], row["role"]) == ("maria", "steward")
    assert row["expiresAt"] > row["createdAt"]
    assert landbridge("token", city, "create", "maria").code == 7
    assert landbridge("token", city, "revoke", "maria").code == 0
    assert landbridge("token", city, "revoke", "maria").code == 6
    assert landbridge("token", city, "list", "--json").json() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "x", "--expires", "soon"], "no time and no duration"),
        (["create", "x", "--role", "source"], "source"),
    ],
)
def test_a_wrong_token_is_refused_with_what_to_do(city: Path, words: list[str], said: str) -> None:
    done = landbridge("token", city, *words)
    assert done.code == 3
    assert said in done.err


def test_a_failing_source_leaves_the_others_and_yesterday(tmp_path: Path) -> None:
    assert landbridge("init", tmp_path).code == 0
    mapping = "select 'urn:ngsi-ld:Gate:' || code as id, 'Gate' as type, number(n) as n from source"
    source(tmp_path, "gates", 'kind = "csv"\nlocation = "rows.csv"\n', mapping, rows="code,n\nN,5\n")
    assert landbridge("pull", tmp_path).code == 0
    (tmp_path / "sources" / "gates" / "rows.csv").write_text("code,n\nN,five\nS,six\n")
    done = landbridge("pull", tmp_path)
    assert done.code == 11
    assert "rejected" in done.err
    (trace,) = landbridge("explain", tmp_path, "urn:ngsi-ld:Gate:N", "n", "--json").json()
    assert trace["value"] == 5
