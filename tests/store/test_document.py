"""The stored text means the document it was made of, to the last member; and claims stand in it once."""

from pathlib import Path as File
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from landbridge.model.query import Compare, Has, Order, Path, Query
from landbridge.store.document import fold, unfold
from landbridge.store.sqlite import open_store
from store.writing import add, entity, pages

OWNERS = ("air", "api", "noise", "water")
DATASETS = (None, *(f"urn:ngsi-ld:Dataset:{owner}" for owner in OWNERS), "urn:d:1", "urn:x")
values = st.one_of(st.integers(-2, 2), st.just(1.0), st.booleans(), st.text(max_size=3), st.just([1, {"@": [1]}]))


@st.composite
def instances(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Instances in their order, each datasetId once; often the first repeats a claim."""
    named = sorted(draw(st.sets(st.sampled_from(DATASETS), min_size=1)), key=lambda name: name or "")
    found = [instance(draw, name) for name in named]
    claims = [one for one in found if "datasetId" in one]
    if claims and draw(st.booleans()):
        chosen = draw(st.sampled_from(claims))
        default = {name: member for name, member in chosen.items() if name != "datasetId"}
        found = [default, *claims]
    return found


def instance(draw: st.DrawFn, dataset: str | None) -> dict[str, Any]:
    one: dict[str, Any] = {"type": "Property", "value": draw(values)}
    if draw(st.booleans()):
        one["observedAt"] = "2020-01-01T00:00:00Z"
    if dataset is not None:
        one["datasetId"] = dataset
    if draw(st.booleans()):
        one["accuracy"] = {"type": "Property", "value": draw(values)}
    owner = dataset.rpartition(":")[2] if dataset is not None and draw(st.booleans()) else draw(st.sampled_from(OWNERS))
    one["@"] = [owner, draw(st.integers(1, 2)), 5, 6, draw(st.none() | st.just(1)), draw(st.none() | st.just(3))]
    return one


@given(st.dictionaries(st.sampled_from(("a", "b", "@")), instances()), st.none() | st.just(["/a"]))
def test_what_is_stored_means_the_document(attrs: dict[str, list[dict[str, Any]]], scope: list[str] | None) -> None:
    document: dict[str, Any] = {"id": "urn:a", "type": ["T"]}
    if scope:
        document["scope"] = scope
    document["attrs"] = attrs
    text = fold(document)
    assert orjson.dumps(unfold(text)) == orjson.dumps(document)
    assert fold(unfold(text)) == text


def claim(owner: str, value: object, **more: object) -> dict[str, Any]:
    return {
        "type": "Property", "value": value, "datasetId": f"urn:ngsi-ld:Dataset:{owner}", **more,
        "@": [owner, 1, 2, 3, 4, 5],
    }  # fmt: skip


def default(one: dict[str, Any]) -> dict[str, Any]:
    return {name: member for name, member in one.items() if name != "datasetId"}


def test_a_claim_stands_once_the_chosen_in_front() -> None:
    air, noise = claim("air", 1), claim("noise", 2)
    text = fold({"id": "urn:a", "type": ["T"], "attrs": {"a": [default(noise), air, noise]}})
    assert text == (
        '{"id":"urn:a","type":["T"],"attrs":{"a":[{"type":"Property","value":2,"@":["noise",1,2,3,4,5,"*"]},'
        '{"type":"Property","value":1,"@":["air",1,2,3,4,5,""]}]}}'
    )


def test_questions_find_claims_by_their_dataset(tmp_path: File) -> None:
    """A folded claim has its datasetId for queries too, and the default instance has none."""
    air, noise = claim("air", 1), claim("noise", 2)
    of_client = {"type": "Property", "value": 1, "datasetId": "urn:d:1", "@": ["api", 1, 2, 3, None, None]}
    many = {
        "urn:both": [default(noise), air, noise],
        "urn:one": [default(air), air],
        "urn:client": [of_client],
        "urn:none": [{"type": "Property", "value": 1, "@": ["air", 1, 2, 3, 4, 5]}],
    }
    store = open_store(tmp_path / "pool.db")
    add(store, [orjson.loads(fold(entity(id_, ["T"], {"a": list_}))) for id_, list_ in many.items()])
    dataset = Path("a", ("datasetId",))

    def asked(value: str) -> list[str]:
        return pages(store, Query(types=Has("T"), where=Compare(dataset, "==", value)))

    assert asked("urn:ngsi-ld:Dataset:air") == ["urn:both", "urn:one"]
    assert asked("urn:ngsi-ld:Dataset:noise") == ["urn:both"]
    assert asked("urn:d:1") == ["urn:client"]
    ordered = pages(store, Query(types=Has("T"), order=(Order(dataset), Order(Path("id")))))
    assert ordered == ["urn:client", "urn:both", "urn:one", "urn:none"]
    store.close()
