"""`landbridge retention`: shows what would go, lets it go, and says what is wrong with a rule."""

from pathlib import Path

import pytest

from command import landbridge, source
from landbridge.app.retention import retention_rules
from landbridge.errors import InvalidSettings
from landbridge.settings import read_settings

MAPPING = """select 'urn:ngsi-ld:Station:' || code as id, 'Station' as type, cast(level as double) as level,
  time::timestamptz as observedAt from source
"""
ROWS = (
    "code,level,time\n"
    + "".join(f"a,{at},2020-01-01T00:{at:02}:00Z\n" for at in range(10))
    + "a,9,2020-01-02T00:00:00Z\n"
)
RULE = 'name = "Here"\n[retention.Station]\nkeep = "P90D"\nmeans = "PT1H"\nkeep_means = "P100Y"\n'


@pytest.fixture
def city(tmp_path: Path) -> Path:
    (tmp_path / "landbridge.toml").write_text(RULE)
    source(tmp_path, "stations", 'kind = "csv"\nlocation = "data.csv"\nbackfill = true\n', MAPPING, data=ROWS)
    assert landbridge("pull", tmp_path).code == 0
    return tmp_path


def test_it_shows_before_it_acts_and_acts_once(city: Path) -> None:
    plan = landbridge("retention", city, "--dry-run", "--json").json()
    assert [(one["type"], one["attribute"], one["rows"], one["means"]) for one in plan] == [("Station", "level", 11, 2)]
    assert (plan[0]["oldest"], plan[0]["newest"]) == ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")
    shown = landbridge("retention", city, "--dry-run").out
    assert "11 lines would go" in shown
    assert "11 lines are gone" in landbridge("retention", city).out
    assert "Nothing is older" in landbridge("retention", city).out
    left = landbridge("export", city, "--history", "--type", "Station", "--format", "csv").out.splitlines()
    assert len(left) == 3
    assert any(",4.5," in line for line in left)


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ('means = "PT1H"', "keep"),
        ('keep = "90"', "keep"),
        ('keep = "P9D"\nmeans = "PT7M"', "means"),
        ('keep = "P9D"\nkeep_means = "P10D"', "keep_means"),
        ('keep = "P9D"\nmeans = "PT1H"\nkeep_means = "P8D"', "keep_means"),
        ('keeps = "P9D"', "keeps"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path: Path, rule: str, named: str) -> None:
    (tmp_path / "landbridge.toml").write_text(f"[retention.Station.level]\n{rule}\n")
    with pytest.raises(InvalidSettings) as raised:
        retention_rules(read_settings(tmp_path), lambda name: name)
    assert f"retention.Station.level.{named}" in str(raised.value)


def test_a_city_without_rules_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "landbridge.toml").write_text('name = "Here"\n')
    assert "no rule of retention" in landbridge("retention", tmp_path).err


def test_check_knows_rules_that_cannot_be_kept(city: Path) -> None:
    wrong = '[retention.Station.level]\nkeep = "ninety"\n[retention.Tram]\nkeep = "P9D"\n'
    (city / "landbridge.toml").write_text(RULE + wrong)
    done = landbridge("check", city, "--json")
    said = [(one["level"], one["message"]) for one in done.json()["findings"] if "retention" in one["message"]]
    assert said == [
        ("error", "`retention.Station.level.keep` is 'ninety'."),
        ("warning", "A rule of retention is for Tram, which no source maps."),
    ]
    assert done.code != 0
