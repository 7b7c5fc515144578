"""Who gets what of a write: nothing is lost, nothing is done twice where one alone holds it (NGSI-LD 4.3.6)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from landbridge.federation.offer import offer_of
from landbridge.federation.share import divided

ID = "urn:x:Lamp:1"
NAMES = ("a", "b", "c", "d")
MODES = ("inclusive", "redirect", "auxiliary", "exclusive")

registrations = st.lists(
    st.tuples(
        st.sampled_from(MODES),
        st.one_of(st.none(), st.sets(st.sampled_from(NAMES), min_size=1)),
        st.booleans(),  # about this entity
        st.booleans(),  # able
    ),
    max_size=5,
)


def offers(drawn: list[Any]) -> list[Any]:
    made = []
    for number, (mode, names, about, able) in enumerate(drawn):
        information: dict[str, Any] = {"entities": [{"type": "Lamp", "id": ID if about else "urn:x:other"}]}
        if names is not None:
            information["propertyNames"] = sorted(names)
        body = {"endpoint": "http://x.example", "mode": mode, "information": [information],
                "operations": ["updateEntity"] if able else ["retrieveEntity"]}  # fmt: skip
        made.append(offer_of(f"urn:x:{number}", "", body))
    return made


@given(registrations, st.sets(st.sampled_from(NAMES), min_size=1))
def test_every_attribute_goes_somewhere_and_proxied_ones_nowhere_else(drawn: list[Any], names: set[str]) -> None:
    found = divided(offers(drawn), ("updateEntity",), ID, ("Lamp",), names)
    assert found.rest is not None
    alone = {name for share in found.shares if share.alone for name in share.names or ()}
    assert alone | found.rest == names and not alone & found.rest
    assert found.here == bool(found.rest)
    for share in found.shares:
        assert share.names and share.names <= names
        if not share.alone:
            assert share.names <= found.rest and share.able
        assert share.offer.mode != "auxiliary"
    exclusive = {name for share in found.shares if share.offer.mode == "exclusive" for name in share.names or ()}
    redirected = {name for share in found.shares if share.offer.mode == "redirect" for name in share.names or ()}
    assert not exclusive & redirected


@given(registrations)
def test_an_entity_as_a_whole_goes_to_all_that_hold_some_of_it(drawn: list[Any]) -> None:
    found = divided(offers(drawn), ("updateEntity",), ID, ("Lamp",), None)
    assert found.here and found.rest is None
    held = [n for n, (mode, _, about, able) in enumerate(drawn)
            if about and mode != "auxiliary" and (able or mode != "inclusive")]  # fmt: skip
    assert sorted(int(share.offer.id.rpartition(":")[2]) for share in found.shares) == held


def test_a_source_that_the_request_came_from_is_left_out_or_a_loop() -> None:
    made = offers([("inclusive", None, True, True), ("redirect", {"a"}, True, True)])
    found = divided(made, ("updateEntity",), ID, None, {"a", "b"}, back=True)
    assert [(share.offer.mode, share.looping) for share in found.shares] == [("redirect", True)]
