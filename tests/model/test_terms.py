"""The terms agree with PyLD, which implements all of JSON-LD, over real contexts."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from landbridge.errors import InvalidEntity, TooMuch, Unreachable
from landbridge.model.terms import (
    CORE_FILES,
    CORE_URL,
    DEFAULT,
    HOSTED,
    Contexts,
    Terms,
    core_document,
    core_iris,
    full_name,
    stored_name,
)

DATA = Path(__file__).parents[1] / "data" / "smart_data_models"
CONTEXTS = {path.name: json.loads(path.read_text())["@context"] for path in sorted(DATA.glob("*.context.jsonld"))}
OWN = {
    "ex": "https://example.com/terms#",
    "bare": {"@id": "https://example.com/bare/", "@prefix": True},
    "noPrefix": {"@id": "https://example.com/none/"},
    "height": "ex:height",
    "width": {"@id": "bare:width", "@type": "http://www.w3.org/2001/XMLSchema#double"},
    "partOf": {"@id": "ex:partOf", "@type": "@id"},
    "location": "ex:location",
    "later": "late:x",
    "late": "https://late.example/",
}


def loader(url: str, _: object) -> dict[str, object]:
    inner = "https://w3id.org/security/data-integrity/v2"  # named within a term of the core, for its values only
    document = {"@context": {} if url == inner else core_document(CORE_FILES[url])}
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": document}


def oracle_iri(context: object, name: str) -> str:
    document = {"@context": [context, CORE_URL], name: {"@id": "urn:x:y"}}
    expanded = jsonld.expand(document, {"documentLoader": loader})
    return next(key for key in expanded[0])


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_real_contexts_expand_as_pyld_does(context: dict[str, object]) -> None:
    terms = Terms([context])
    for name in [*list(context)[::7], "pm25", "location", "refArea", "Point", "ngsi-ld:location"]:
        if not str(terms.terms.get(name, terms)).startswith("@") and name not in ("id", "type", "@vocab"):
            assert full_name(terms.expand(name)) == oracle_iri(context, name), name


@pytest.mark.parametrize(
    "name",
    ["height", "width", "partOf", "ex:any", "bare:any", "noPrefix:any", "location", "later", "late:y",
     "unknown", "https://example.com/whole", "urn:some:thing", "ex", "温度", "geojson:bbox"],
)  # fmt: skip
def test_every_way_to_write_a_name_expands_as_pyld_does(name: str) -> None:
    assert full_name(Terms([OWN]).expand(name)) == oracle_iri(OWN, name)


@pytest.mark.parametrize("context", [*CONTEXTS.values(), OWN], ids=[*CONTEXTS, "own"])
def test_names_compact_as_pyld_does(context: dict[str, object]) -> None:
    """Of plain terms; PyLD leaves a coerced one where the value is of another type, NGSI-LD keeps the client's name."""
    terms = Terms([context])
    plain = [name for name, given in context.items() if isinstance(given, str) and name not in ("id", "type", "@vocab")]
    iris = [terms.iri(name) for name in plain[::5]]
    iris += ["https://example.com/terms#z", "https://example.com/bare/z", "https://example.com/none/z", DEFAULT + "q",
             DEFAULT + "location", "https://uri.etsi.org/ngsi-ld/location", "urn:a:b"]  # fmt: skip
    for iri in iris:
        compacted = jsonld.compact(
            {iri: {"@id": "urn:x:y"}}, {"@context": [context, CORE_URL]}, {"documentLoader": loader}
        )
        assert terms.shorten(iri) in compacted, iri


@given(st.text(st.characters(blacklist_characters=":@ \x00", blacklist_categories=("Cs", "Cc")), min_size=1))
def test_a_name_without_a_context_comes_back(name: str) -> None:
    terms = Terms()
    if name in ("id", "type"):
        return
    assert terms.compact(terms.expand(name)) == name
    assert stored_name(full_name(terms.expand(name))) == terms.expand(name)


@pytest.mark.parametrize("context", [*CONTEXTS.values(), OWN], ids=[*CONTEXTS, "own"])
def test_what_is_compacted_expands_to_the_same(context: dict[str, object]) -> None:
    terms = Terms([context])
    for name in context:
        if terms.terms.get(name) and not terms.terms[name].iri.startswith("@"):
            stored = terms.expand(name)
            assert terms.expand(terms.compact(stored)) == stored


def test_core_terms_have_their_own_stored_names_and_cannot_be_overridden() -> None:
    terms = Terms([{"location": "https://elsewhere.example/location", "@vocab": "https://elsewhere.example/"}])
    assert terms.expand("location") == "location"
    assert terms.expand("other") == "other"  # the core's @vocab stands last, as its terms do
    assert stored_name(core_iris()["location"]) == "location"
    assert stored_name(DEFAULT + "location") == DEFAULT + "location"
    assert stored_name(DEFAULT + "a:b") == DEFAULT + "a:b"


def test_contexts_are_found_by_address_in_the_city_or_not_at_all() -> None:
    contexts = Contexts({"https://city.example/c.jsonld": {"@context": {"pm25": "https://city.example/pm25"}}})
    assert contexts.terms("https://city.example/c.jsonld").expand("pm25") == "https://city.example/pm25"
    assert contexts.terms([CORE_URL]).expand("pm25") == "pm25"
    with pytest.raises(Unreachable, match=r"nowhere\.example.*not known"):
        contexts.terms("https://nowhere.example/c.jsonld")


@pytest.mark.parametrize(
    "context", [{"a": "b:x", "b": "a:y"}, {"a": 5}, {"a": {"@id": 5}}, {"@nothing": 1}, [5], {"@vocab": 5}]
)
def test_a_wrong_context_is_refused(context: object) -> None:
    with pytest.raises(InvalidEntity):
        Terms([context])


def test_contexts_are_bounded() -> None:
    with pytest.raises(TooMuch):
        Terms([{f"t{number}": "https://example.com/x" for number in range(20_001)}])
    with pytest.raises(TooMuch):
        Contexts({"https://a.example/": {"@context": ["https://a.example/"] * 50}}).terms("https://a.example/")


def test_the_core_contexts_that_ship_inside_are_known_and_others_are_not() -> None:
    for version in ("-v1.3", "-v1.7", "-v1.8", "-v1.9", ""):
        terms = Terms([f"https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context{version}.jsonld"])
        assert terms.expand("observationSpace") == "observationSpace" and terms.contexts == terms.addresses == ()
    for version in ("-v1.6", "-v9.9"):
        with pytest.raises(Unreachable):
            Terms([f"https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context{version}.jsonld"])


def test_an_import_lies_beneath_what_imports_it() -> None:
    known = {"https://a.example/": {"@context": {"a": "https://a.example/a", "b": "https://a.example/b"}}}
    terms = Contexts(known).terms({"@import": "https://a.example/", "b": "https://b.example/b"})
    assert [terms.expand(name) for name in "abc"] == ["https://a.example/a", "https://b.example/b", "c"]
    with pytest.raises(InvalidEntity, match="imported"):
        Contexts({"https://a.example/": []}).terms({"@import": "https://a.example/"})


def test_one_address_stands_for_contexts() -> None:
    given: list[tuple[list[object], str]] = []

    def name(contexts: list[object], tenant: str) -> str:
        given.append((contexts, tenant))
        return "/ngsi-ld/v1/jsonldContexts/x"

    contexts = Contexts({"https://a.example/": {}}, name=name)
    assert contexts.terms(None).address() == CORE_URL
    assert contexts.terms(["https://a.example/", CORE_URL]).address() == "https://a.example/"
    inline = contexts.terms([{"a": "https://a.example/a"}], "city")
    assert inline.address() == inline.address() == "/ngsi-ld/v1/jsonldContexts/x"
    assert given == [([{"a": "https://a.example/a"}], "city")]


def test_what_is_looked_up_is_told_and_kept_by_tenant_where_it_is_the_tenants() -> None:
    looked: list[tuple[str, str]] = []
    used: list[tuple[tuple[str, ...], str]] = []

    def find(address: str, tenant: str) -> object:
        looked.append((address, tenant))
        return {"a": f"https://{tenant or 'default'}.example/a"}

    contexts = Contexts(find=find, used=lambda addresses, tenant: used.append((tuple(addresses), tenant)))
    hosted = f"http://localhost{HOSTED}1"
    for tenant in ("one", "two", "one"):
        assert contexts.terms(hosted, tenant).expand("a") == f"https://{tenant}.example/a"
        contexts.terms("https://a.example/", tenant)
    assert looked == [(hosted, "one"), ("https://a.example/", "one"), (hosted, "two")]
    assert used[-2:] == [((hosted,), "one"), (("https://a.example/",), "one")]
    contexts.forget()
    contexts.terms(hosted, "one")
    assert len(looked) == 4


def test_contexts_that_are_kept_ready_take_bounded_memory() -> None:
    contexts = Contexts()
    for number in range(40):
        contexts.terms({f"t{number}-{term}": "https://example.com/x" for term in range(10_000)})
    assert len(contexts.recent) <= 20 and contexts.recent_terms <= 200_000


def test_a_term_set_to_null_means_nothing() -> None:
    with pytest.raises(InvalidEntity):
        Terms([{"gone": None}]).expand("gone")


def test_an_answer_names_the_core_unless_the_clients_context_leads_to_it() -> None:
    core = {"https://c.example/whole": {"@context": [{"a": "https://c.example/a"}, CORE_URL]}}
    known = Contexts(core | {"https://c.example/part": {"@context": {"a": "https://c.example/a"}}})
    assert known.terms("https://c.example/whole").document() == "https://c.example/whole"
    assert known.terms("https://c.example/part").document() == ["https://c.example/part", CORE_URL]
    assert known.terms([CORE_URL, "https://c.example/part"]).document() == ["https://c.example/part", CORE_URL]
    assert known.terms(CORE_URL).document() == CORE_URL


def test_a_scoped_context_is_refused_but_for_the_cores_own() -> None:
    """NGSI-LD 5.5.7: a user's context has no scoped contexts."""
    scoped = {"Vehicle": {"@id": "https://a.example/V", "@context": {"speed": "https://a.example/s"}}}
    with pytest.raises(InvalidEntity, match="'Vehicle' has a context of its own"):
        Terms([scoped])
    assert Terms([core_document("1.9")]).expand("ngsildproof") == "ngsildproof"


NAMES = st.sampled_from(["a", "b", "ab", "ex", "other", "location", "unitCode", "温度", "Type"])
IRIS = st.sampled_from(
    ["https://one.example/", "https://one.example/a", "https://two.example/terms#", "urn:x:", "urn:x:y", "urn:x:y:"]
)
VALUES = st.one_of(
    IRIS,
    st.tuples(NAMES, NAMES).map(":".join),
    st.none(),
    st.fixed_dictionaries(
        {"@id": st.one_of(IRIS, st.tuples(NAMES, NAMES).map(":".join))},
        optional={"@prefix": st.booleans(), "@type": st.sampled_from(["@id", "@vocab", "https://two.example/double"])},
    ),
)
GIVEN = st.lists(st.dictionaries(NAMES, VALUES, max_size=5), min_size=1, max_size=3)
ASKED = st.one_of(
    NAMES, st.tuples(NAMES, NAMES).map(":".join), st.sampled_from(["https://one.example/a", "urn:x:y:z", "unknown"])
)


def by_pyld(contexts: list[dict[str, object]], name: str) -> str | None:
    """The IRI that PyLD gives a name; None where it refuses the contexts or drops the name."""
    document = {"@context": [*contexts, CORE_URL], name: {"@id": "urn:x:y"}}
    try:
        expanded = jsonld.expand(document, {"documentLoader": loader})
    except jsonld.JsonLdError:
        return None
    return next(iter(expanded[0]), None) if expanded else None


@settings(max_examples=150, deadline=None)
@given(GIVEN, ASKED)
def test_made_contexts_expand_as_pyld_does(contexts: list[dict[str, object]], name: str) -> None:
    expected = by_pyld(contexts, name)
    try:
        found = Terms(contexts).iri(name)
    except InvalidEntity:
        found = None
    assert found == expected


@settings(max_examples=150, deadline=None)
@given(GIVEN, st.lists(ASKED, max_size=6))
def test_made_contexts_give_back_what_was_put_in(contexts: list[dict[str, object]], names: list[str]) -> None:
    """Whatever the context, what it compacts to means the same to whoever reads it by that context."""
    try:
        terms = Terms(contexts)
    except InvalidEntity:
        return
    for name in names:
        try:
            stored = terms.expand(name)
        except InvalidEntity:
            continue
        shown = terms.compact(stored)
        assert terms.expand(shown) == stored
        assert Terms().expand(Terms().compact(stored)) == stored
