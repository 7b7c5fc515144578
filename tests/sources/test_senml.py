"""SenML packs against the resolved forms that the RFC's authors publish."""

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from landbridge.errors import Invalid
from landbridge.sources import senml

DATA = Path(__file__).parents[1] / "data/senml"
NOW = 1_498_780_179.0
RELATIVE = {"ex1", "ex2", "ex4", "ex6", "ex7"}  # their times were resolved at a moment that is not told


def compare(found: list[dict[str, Any]], name: str) -> None:
    expected = json.loads((DATA / f"{name}.gen.resolved.json").read_text())
    absolute = all(row["t"] >= senml.RELATIVE for row in json.loads((DATA / f"{name}.json").read_text()) if "t" in row)
    for row, wanted in zip(found, expected, strict=False):
        time = wanted.pop("t")
        assert row["t"] == pytest.approx(time, abs=1e-3) if name not in RELATIVE and absolute else row["t"] > 1e9
        values = {key: value for key, value in row.items() if key not in ("t", "vd")}
        assert values == wanted, name
    assert len([row for row in found if "vd" not in row]) == len(expected)


@pytest.mark.parametrize("name", sorted(path.name.split(".")[0] for path in DATA.glob("*.resolved.json")))
def test_published_examples(name: str) -> None:
    compare(senml.read_json((DATA / f"{name}.json").read_bytes(), NOW), name)


@pytest.mark.parametrize("name", ["ex3", "ex5"])
def test_published_cbor(name: str) -> None:
    found = senml.read_cbor((DATA / f"{name}.gen.cbor").read_bytes(), NOW)
    assert (
        found == [pytest.approx(row) for row in senml.read_json((DATA / f"{name}.gen.json").read_bytes(), NOW)]
        if (DATA / f"{name}.gen.json").exists()
        else found
    )
    assert [row["v"] for row in found] == [
        pytest.approx(row["v"]) for row in senml.read_json((DATA / f"{name}.json").read_bytes(), NOW)
    ]


def test_base_fields_hold_for_those_after() -> None:
    pack = [{"bn": "dev:", "bt": 1_600_000_000, "bu": "Cel", "bv": 20, "bs": 100},
            {"n": "a", "v": 1.5, "t": 5}, {"n": "b", "u": "%RH", "s": 2},
            {"bn": "x:", "n": "c", "vb": True}]  # fmt: skip
    a, b, c = senml.resolve(pack, NOW)
    assert a == {"n": "dev:a", "t": 1_600_000_005.0, "u": "Cel", "v": 21.5, "s": 100}
    assert (b["n"], b["u"], b["s"], b["v"]) == ("dev:b", "%RH", 102, 20)
    assert (c["n"], c["vb"], "v" in c) == ("x:c", True, False)


def test_times_relative_to_now() -> None:
    assert [row["t"] for row in senml.resolve([{"n": "a", "v": 1, "t": -5}, {"n": "a", "v": 2}], NOW)] == [NOW - 5, NOW]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"[{", "no JSON"),
        (b"{}", "no list"),
        (b'"text"', "no list"),
        (b"[3]", "record 1 is no object"),
        (b'[{"v": 1}]', "has no name"),
        (b'[{"n": "a", "v": "1"}]', "'v' is no number"),
        (b'[{"n": "a", "v": true}]', "'v' is no number"),
        (b'[{"n": 3, "v": 1}]', "'n' is no text"),
        (b'[{"bver": 11, "n": "a", "v": 1}]', "version 11"),
        (b'[{"n": "a", "v": 1, "must_": 1}]', "'must_'"),
    ],
)
def test_wrong_packs_say_why(payload: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        senml.read_json(payload, NOW)


@pytest.mark.parametrize("payload", [b"", b"\xff\xff", cbor2.dumps({1: 2}), cbor2.dumps([1])])
def test_wrong_cbor_says_why(payload: bytes) -> None:
    with pytest.raises(Invalid, match=r"CBOR|no list"):
        senml.read_cbor(payload, NOW)
