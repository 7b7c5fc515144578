"""The worker's own decisions: when derived sources are due, and the claims that follow from a city's folder."""

from pathlib import Path

import pytest

from landbridge.app import worker
from landbridge.app.city import open_city
from landbridge.app.worker import Derived
from landbridge.errors import Failed, InvalidSettings, Missing
from landbridge.model.claim import ClaimRule
from made_source import MAPPING, folder_of, things

DAY = "2024-03-30T00:00:00Z"
RULE = '[claims.Thing]\nrule = "priority"\norder = ["second", "first"]\ntolerance_time = "P1D"\n'


def a_city(folder: Path, text: str = RULE) -> Path:
    (folder / "landbridge.toml").write_text(text)
    for name in ("first", "second"):
        folder_of(folder / "sources", name, things(f"a,1,{DAY}"), holds="P2D")
    return folder


def test_a_derived_source_waits_for_a_calm_moment_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: now[0])
    derived = Derived({"mean": ("air", "water")})
    derived.committed("noise")
    assert derived.due() == []
    derived.committed("air")
    assert derived.due() == []
    now[0] = worker.CALM
    assert derived.due() == ["mean"]
    assert derived.due() == []
    derived.committed("water")
    for _ in range(100):
        now[0] += worker.PATIENCE / 50
        derived.committed("water")
        if derived.due():
            break
    assert now[0] <= worker.CALM + worker.PATIENCE * 1.1


def test_claims_follow_from_the_folder(tmp_path: Path) -> None:
    with open_city(a_city(tmp_path)) as city:
        assert city.claims.feeds[("", "Thing", "size")] == ("first", "second")
        assert city.claims.rules == {("Thing", "*"): ClaimRule("priority", ("second", "first"), 0.0, 86_400_000_000)}
        assert city.claims.holds == {"first": 172_800_000_000, "second": 172_800_000_000}
        assert city.pool.claims.to_json() == city.claims.to_json()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE.replace("second", "third"), "names 'third'"),
        (RULE.replace("P1D", "one day"), "tolerance_time"),
    ],
)
def test_a_rule_that_cannot_be_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidSettings, match=said) as caught:
        open_city(a_city(tmp_path, text))
    assert caught.value.where == "landbridge.toml"


def test_a_source_whose_folder_is_wrong_is_set_aside_and_loses_nothing(tmp_path: Path) -> None:
    with open_city(a_city(tmp_path)) as city:
        assert [city.pull(name).state for name in ("first", "second")] == ["done", "done"]
        before = city.claims.to_json()
    (tmp_path / "sources/second/mapping.sql").write_text("selct nothing")
    with open_city(tmp_path) as city:
        assert list(city.wrong) == ["second"]
        assert city.claims.to_json() == before
        assert city.pull("first").state == "unchanged"
        with pytest.raises(Exception, match=r"mapping\.sql"):
            city.pull("second")
        with pytest.raises(Missing, match="Did you mean 'first'"):
            city.pull("fist")


def test_two_processes_do_not_pull_one_source_at_a_time(tmp_path: Path) -> None:
    with open_city(a_city(tmp_path)) as one, open_city(tmp_path) as other:
        with one.alone("first") as spool:
            (spool / "left").mkdir()
            with pytest.raises(Failed, match="by another process"):
                other.pull("first")
            assert other.pull("second").state == "done"
        assert other.pull("first").state == "done"
        assert not (spool / "left").exists()


def test_a_mapping_is_read_again_only_when_its_text_changed(tmp_path: Path) -> None:
    with open_city(a_city(tmp_path)):
        kept = (tmp_path / ".landbridge/mappings.json").read_bytes()
    (tmp_path / "sources/first/mapping.sql").write_text(MAPPING.replace("as size", "as weight"))
    with open_city(tmp_path) as city:
        assert city.mappings["first"][0].attributes == ("weight",)
        assert city.mappings["second"][0].attributes == ("size",)
    assert (tmp_path / ".landbridge/mappings.json").read_bytes() != kept
