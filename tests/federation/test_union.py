"""Parts of one entity put together: the rules of NGSI-LD 4.5.5, whatever the parts and their order."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from landbridge.federation.union import Part, united
from landbridge.model.instant import format_instant

MODES = ("inclusive", "redirect", "auxiliary", "exclusive")
NAMES = ("a", "b", "c")


def instance(source: str, observed: int | None, modified: int, dataset: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "Property", "value": source}
    if observed is not None:
        made["observedAt"] = format_instant(observed * 1_000_000)
    if dataset is not None:
        made["datasetId"] = dataset
    return made | {"@": [source, 0, 0, modified, None, None]}


instances = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 4)), st.sampled_from([None, "urn:x:1", "urn:x:2"])),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one[1],
)
parts = st.lists(
    st.tuples(st.sampled_from(MODES), st.dictionaries(st.sampled_from(NAMES), instances, max_size=3)), max_size=4
)


def document(source: str, attrs: dict[str, Any], number: int) -> dict[str, Any]:
    made = {
        name: sorted(
            (instance(source, observed, 10 * number, dataset) for observed, dataset in own),
            key=lambda one: one.get("datasetId") or "",
        )
        for name, own in attrs.items()
    }
    return {"id": "urn:x:e", "type": [f"T{number}"], "attrs": made}


@given(parts)
def test_each_instance_is_the_latest_of_those_who_may_say_it(drawn: list[Any]) -> None:
    """No two parts are modified at one time, so the order of the parts says nothing."""
    made = [Part(document(f"s{n}", attrs, n), mode) for n, (mode, attrs) in enumerate(drawn)]
    whole = united(None, made)
    assert united(None, made) == whole
    if not made:
        assert whole is None
        return
    assert whole is not None
    for name in NAMES:
        holders = [part for part in made if name in part.document["attrs"]]
        alone = [part for part in holders if part.mode == "exclusive"]
        heard = alone or [part for part in holders if part.mode != "auxiliary"] or holders[:1]
        if not holders:
            assert name not in whole["attrs"]
            continue
        expected: dict[str | None, Any] = {}
        for one in (one for part in heard for one in part.document["attrs"][name]):
            before = expected.get(one.get("datasetId"))
            if before is None or rank(one) > rank(before):
                expected[one.get("datasetId")] = one
        assert {one.get("datasetId"): one for one in whole["attrs"][name]} == expected
        assert len(whole["attrs"][name]) == len(expected)


def rank(one: dict[str, Any]) -> tuple[str, int]:
    return one.get("observedAt", ""), one["@"][3]


@given(parts)
def test_what_is_here_needs_nobody(drawn: list[Any]) -> None:
    local = document("here", {"a": [(None, None)]}, 99)
    assert united(local, []) == local
    whole = united(local, [Part(document(f"s{n}", attrs, n), mode) for n, (mode, attrs) in enumerate(drawn)])
    assert whole is not None and whole["id"] == "urn:x:e" and "T99" in whole["type"]
