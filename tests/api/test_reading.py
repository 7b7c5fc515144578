"""Reading entities over HTTP, as NGSI-LD 1.9.1 has it: projection, instances, joins, order, forms, versions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landbridge.model.terms import CORE_URL
from made_api import ENTITIES, OPERATIONS, Api

GEO, JSON_LD = {"Accept": "application/geo+json"}, {"Accept": "application/ld+json"}


def place(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def prop(value: object, **more: object) -> dict[str, Any]:
    return {"type": "Property", "value": value, **more}


def link(target: str | list[str]) -> dict[str, Any]:
    return {"type": "Relationship", "object": target}


def id_(name: str) -> str:
    return f"urn:ngsi-ld:{name}"


CITY: list[dict[str, Any]] = [
    {"id": id_("Building:1"), "type": "Building", "scope": ["/a/b", "/c"], "name": prop("Ähre"), "floors": prop(3),
     "location": place(8.01, 40.01), "locatedAt": link(id_("City:1")),
     "address": prop({"city": "Zurich"}), "kind": {"type": "VocabProperty", "vocab": "office"}},
    {"id": id_("Building:2"), "type": ["Building", "Museum"], "name": prop("Zebra"), "floors": prop("many"),
     "location": place(10, 45), "locatedAt": link(id_("City:1")), "address": prop({"city": "Berlin"}),
     "label": {"type": "LanguageProperty",
               "languageMap": {"nl": "Grote Markt", "fr": "Grand Place", "en-US": "Square"}}},
    {"id": id_("Building:3"), "type": "Building", "name": [prop("base"), prop("other", datasetId="urn:d:1")],
     "locatedAt": link([id_("City:2"), id_("City:none")]), "address": prop({"city": "Rome"})},
    {"id": id_("City:1"), "type": "City", "name": prop("Paris"), "isIn": link(id_("Country:1")),
     "capital": link(id_("Building:1"))},
    {"id": id_("City:2"), "type": "City", "name": prop("Rome"),
     "stops": {"type": "ListRelationship", "objectList": [{"object": id_("City:1")}]}},
    {"id": id_("Country:1"), "type": "Country", "name": prop("France")},
]  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    found = Api(tmp_path_factory.mktemp("city"))
    for entity in CITY:
        found.made(entity)
    yield found
    found.close()


def ids(answer: Any) -> list[str]:
    return [entity["id"].removeprefix("urn:ngsi-ld:") for entity in answer.json()]


def find(api: Api, **asked: str) -> list[str]:
    answer = api.get(ENTITIES, params=asked)
    assert answer.status_code == 200, answer.text
    return ids(answer)


# -- which members


@pytest.mark.parametrize(
    ("asked", "members"),
    [
        ({"pick": "name"}, {"name"}), ({"pick": "id,floors|scope"}, {"id", "floors", "scope"}),
        ({"omit": "name,scope,location,locatedAt,address,kind"}, {"id", "type", "floors"}),
        ({"omit": "id,type,name,scope,location,locatedAt,address,kind"}, {"floors"}),
        ({"attrs": "name,nothing"}, {"id", "type", "scope", "name"}),
    ],
)  # fmt: skip
def test_members_that_are_wanted(api: Api, asked: dict[str, str], members: set[str]) -> None:
    one = api.get(f"{ENTITIES}/{id_('Building:1')}", params=asked)
    assert set(one.json()) == members
    many = api.get(ENTITIES, params=asked | {"type": "Building", "q": "floors==3"})
    assert many.json() == [one.json()]


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        ({"pick": "nothing"}, 404, "ResourceNotFound"), ({"attrs": "nothing"}, 404, "ResourceNotFound"),
        ({"type": "City"}, 404, "ResourceNotFound"), ({"pick": "a", "omit": "a"}, 400, "BadRequestData"),
        ({"pick": "a", "attrs": "a"}, 400, "BadRequestData"), ({"attrs": "id"}, 400, "BadRequestData"),
        ({"pick": "a{b}"}, 400, "BadRequestData"), ({"omit": "a{b{c}}", "join": "flat"}, 400, "BadRequestData"),
        ({"join": "sideways"}, 400, "BadRequestData"), ({"joinLevel": "2"}, 400, "BadRequestData"),
        ({"join": "flat", "joinLevel": "0"}, 400, "BadRequestData"),
        ({"join": "flat", "joinLevel": "11"}, 403, "TooComplexQuery"),
        ({"geometryProperty": "location"}, 400, "BadRequestData"), ({"datasetId": "no uri"}, 400, "BadRequestData"),
        ({"entityMapLifetime": "1h", "entityMap": "true"}, 400, "BadRequestData"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown(api: Api, asked: dict[str, str], status: int, kind: str) -> None:
    answer = api.get(f"{ENTITIES}/{id_('Building:1')}", params=asked)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, kind)


def test_instances_that_are_wanted(api: Api) -> None:
    def name(asked: str) -> Any:
        return api.get(f"{ENTITIES}/{id_('Building:3')}", params={"datasetId": asked}).json().get("name")

    assert name("@none") == prop("base")
    assert name("urn:d:1") == prop("other", datasetId="urn:d:1")
    assert name("@none,urn:d:1") == CITY[2]["name"]
    assert name("urn:d:2") is None
    simple = api.get(
        ENTITIES, params={"type": "Building", "attrs": "name", "q": 'name=="base"', "options": "keyValues"}
    )
    assert simple.json()[0]["name"] == {"dataset": {"@none": "base", "urn:d:1": "other"}}


# -- which entities


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "floors==3"}, "1"), ({"q": 'name.datasetId=="urn:d:1"'}, "3"), ({"q": 'address[city]=="Rome"'}, "3"),
        ({"q": 'label[fr]=="Grand Place"'}, "2"), ({"q": 'label[fr]=="Grote Markt"'}, ""),
        ({"q": 'label[*]=="Square"'}, "2"), ({"q": 'label[*]!="Square"'}, ""), ({"q": "kind==office"}, ""),
        ({"q": "kind==office", "expandValues": "kind"}, "1"), ({"q": "locatedAt>1"}, ""),
        ({"q": "kind==office", "expandValues": "kind", "jsonKeys": "kind"}, ""),
        ({"q": 'kind=="https://uri.etsi.org/ngsi-ld/default-context/office"'}, "1"),
        ({"q": 'locatedAt{name}=="Paris"', "join": "inline"}, "1 2"),
        ({"q": 'locatedAt{City:name}=="Paris"', "join": "inline"}, "1 2"),
        ({"q": 'locatedAt{Country:name}=="Paris"', "join": "inline"}, ""),
        ({"q": 'locatedAt{isIn{name}}=="France"', "join": "flat", "joinLevel": "2", "pick": "id"}, "1 2"),
        ({"q": 'locatedAt{name}!="Paris"', "join": "inline"}, "3"),
        ({"scopeQ": "/a/+", "type": "Building"}, "1"), ({"scopeQ": "(/a/#;/c)|/x", "type": "Building"}, "1"),
        ({"type": "Building;Museum"}, "2"), ({"type": "(Building;Museum),City", "idPattern": "Building"}, "2"),
        ({"georel": "near;minDistance==1000", "geometry": "Point", "coordinates": "[8,40]"}, "1 2"),
        ({"georel": "within", "geometry": "Polygon", "coordinates": "[[[7,39],[9,39],[9,41],[7,41],[7,39]]]"}, "1"),
        ({"georel": "contains", "geometry": "Polygon", "coordinates": "[[[7,39],[9,39],[9,41],[7,41],[7,39]]]"}, ""),
        ({"georel": "equals", "geometry": "Point", "coordinates": "[10,45]"}, "2"),
        ({"id": id_("Building:1") + ",urn:x:none", "local": "true"}, "1"),
    ],
)  # fmt: skip
def test_entities_that_are_wanted(api: Api, asked: dict[str, str], found: str) -> None:
    answer = api.get(ENTITIES, params={"type": "Building"} | asked)
    assert answer.status_code == 200, answer.text
    assert [name for name in ids(answer) if "Building" in name] == [f"Building:{number}" for number in found.split()]


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"id": "urn:x:1"}, {"idPattern": "x"}, {"scopeQ": "/a"}, {"attrs": "createdAt"}, {"pick": "name"},
        {"q": "modifiedAt>2020-01-01T00:00:00Z"}, {"type": "*", "local": "false"}, {"type": "A", "csf": "))bad(("},
        {"type": "A", "q": 'a{b}=="x"'}, {"type": "A", "q": "a{b{c}}", "join": "inline"}, {"type": "A", "offset": "-1"},
        {"type": "A", "offset": "1", "after": "x"}, {"type": "A", "idPattern": "a**"}, {"type": "A", "q": "a>1..2"},
        {"type": "A", "orderBy": "location;dist-asc"}, {"type": "A", "orderBy": "a", "collation": "!!nope"},
        {"type": "A", "georel": "near", "geometry": "Point", "coordinates": "[8,40]"},
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_asked(api: Api, asked: dict[str, str]) -> None:
    answer = api.get(ENTITIES, params=asked)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, "BadRequestData")


def test_the_same_question_as_a_body(api: Api) -> None:
    body = {
        "type": "Query", "q": "address", "pick": ["id", "name"],
        "entities": [
            {"type": "Museum"}, {"type": "Building", "id": id_("Building:3")}, {"type": "City", "idPattern": "x"},
        ],
        "ordering": {"orderBy": ["name;desc"]},
    }  # fmt: skip
    answer = api.post(f"{OPERATIONS}/query", body, params={"options": "keyValues", "count": "true", "limit": "1"})
    assert answer.json() == [{"id": id_("Building:3"), "name": {"dataset": {"@none": "base", "urn:d:1": "other"}}}]
    assert answer.headers["ngsild-results-count"] == "2"
    assert answer.links["next"]["url"].startswith(f"{OPERATIONS}/query?after=")
    assert ids(api.post(answer.links["next"]["url"], body)) == ["Building:2"]


# -- order


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"orderBy": "name"}, "2 3 1"), ({"orderBy": "name", "collation": "de-u-co-phonebk"}, "1 3 2"),
        ({"orderBy": "name;desc", "collation": "und"}, "2 3 1"), ({"orderBy": "floors"}, "1 2 3"),
        ({"orderBy": "floors;desc"}, "2 1 3"), ({"orderBy": "address[city];desc"}, "1 3 2"),
        ({"orderBy": "id;desc"}, "3 2 1"), ({"orderBy": "createdAt;desc"}, "3 2 1"),
        ({"orderBy": "location;dist-desc", "orderFrom": "[8,40]"}, "2 1 3"),
        ({"orderBy": "location;dist-asc", "orderFrom": "[[10,46],[10,47]]", "orderGeometry": "LineString"}, "2 1 3"),
    ],
)  # fmt: skip
def test_entities_in_order(api: Api, asked: dict[str, str], found: str) -> None:
    wanted = [f"Building:{number}" for number in found.split()]
    assert find(api, type="Building", **asked) == wanted
    pages, address = [], f"{ENTITIES}?type=Building&limit=1&" + "&".join(f"{name}={asked[name]}" for name in asked)
    while address:
        answer = api.get(address)
        pages += ids(answer)
        address = answer.links.get("next", {}).get("url", "")
    assert pages == wanted


# -- linked entities


def test_linked_entities_in_their_place(api: Api) -> None:
    asked = {"join": "inline", "joinLevel": "2", "pick": "locatedAt{name,isIn{name}}"}
    answer = api.get(f"{ENTITIES}/{id_('Building:1')}", params=asked)
    france = {"name": prop("France")}
    paris = {"name": prop("Paris"), "isIn": link(id_("Country:1")) | {"entity": france}}
    assert answer.json() == {"locatedAt": link(id_("City:1")) | {"entity": paris}}
    simple = api.get(f"{ENTITIES}/{id_('Building:1')}", params=asked | {"format": "simplified"})
    assert simple.json() == {"locatedAt": {"name": "Paris", "isIn": {"name": "France"}}}


def test_a_loop_ends_where_it_began(api: Api) -> None:
    answer = api.get(f"{ENTITIES}/{id_('Building:1')}", params={"join": "inline", "joinLevel": "9"})
    assert answer.json()["locatedAt"]["entity"]["capital"] == link(id_("Building:1"))
    flat = api.get(f"{ENTITIES}/{id_('Building:1')}", params={"join": "flat", "joinLevel": "9"})
    assert ids(flat) == ["Building:1", "City:1", "Country:1"]


def test_linked_entities_that_are_not_there_or_were_met(api: Api) -> None:
    several = api.get(f"{ENTITIES}/{id_('Building:3')}", params={"join": "inline", "pick": "locatedAt{id}"})
    assert several.json()["locatedAt"]["entity"] == [{"id": id_("City:2")}]
    met = api.get(f"{ENTITIES}/{id_('Building:1')}", params={"join": "inline", "containedBy": id_("City:1")})
    assert met.json()["locatedAt"] == link(id_("City:1"))
    stops = api.get(f"{ENTITIES}/{id_('City:2')}", params={"join": "inline", "pick": "stops{name}"})
    assert stops.json()["stops"]["entityList"] == [{"name": prop("Paris")}]


def test_linked_entities_behind_the_others(api: Api) -> None:
    asked = {"type": "Building", "join": "flat", "omit": "name", "limit": "2"}
    answer = api.get(ENTITIES, params=asked)
    assert ids(answer) == ["Building:1", "City:1"] or ids(answer) == ["Building:1", "Building:2", "City:1"]
    assert "name" in answer.json()[-1]
    assert api.get(ENTITIES, params=asked | {"pick": "id", "omit": "name"}).json()[0] == {"id": id_("Building:1")}


# -- forms


def test_features(api: Api) -> None:
    one = api.get(f"{ENTITIES}/{id_('Building:1')}", headers=GEO).json()
    assert one["geometry"] == CITY[0]["location"]["value"]
    assert (one["type"], one["properties"]["type"], one["@context"]) == ("Feature", "Building", CORE_URL)
    many = api.get(ENTITIES, params={"type": "Building", "options": "keyValues"}, headers=GEO | {"Prefer": "body=json"})
    assert many.json()["type"] == "FeatureCollection"
    assert "@context" not in many.json()
    assert "json-ld#context" in many.headers["link"]
    assert [feature["geometry"] and feature["geometry"]["coordinates"] for feature in many.json()["features"]] == [
        [8.01, 40.01], [10, 45], None,
    ]  # fmt: skip
    other = api.get(f"{ENTITIES}/{id_('Building:1')}", params={"geometryProperty": "name"}, headers=GEO)
    assert other.json()["geometry"] is None


@pytest.mark.parametrize(
    ("wanted", "tag"), [("fr;q=0.2,nl;q=0.9", "nl"), ("FR", "fr"), ("nl-BE", "nl"), ("en", "en-US"), ("fr-CH,*", "fr")]
)
def test_a_language(api: Api, wanted: str, tag: str) -> None:
    label = api.get(f"{ENTITIES}/{id_('Building:2')}", params={"lang": wanted}).json()["label"]
    assert label == {"type": "Property", "value": CITY[1]["label"]["languageMap"][tag], "lang": tag}


def test_an_earlier_version(api: Api) -> None:
    old = api.get(f"{ENTITIES}/{id_('Building:1')}", headers={"Prefer": "ngsi-ld=1.3"})
    assert (old.status_code, old.headers["preference-applied"]) == (203, "ngsi-ld=1.3")
    assert old.json()["kind"] == prop("office")
    assert "scope" not in old.json()
    plain = api.get(f"{ENTITIES}/{id_('Country:1')}", headers={"Prefer": "ngsi-ld=1.5"})
    assert (plain.status_code, plain.headers["preference-applied"]) == (200, "ngsi-ld=1.5")
    own = api.get(f"{ENTITIES}/{id_('Building:1')}", headers={"Prefer": "ngsi-ld=1.9"})
    assert (own.status_code, own.json()["kind"]["type"]) == (200, "VocabProperty")
    assert (
        "preference-applied"
        not in api.get(f"{ENTITIES}/{id_('Building:1')}", headers={"Prefer": "ngsi-ld=2.0"}).headers
    )


def test_what_has_not_changed_is_not_sent_again(api: Api, tmp_path: Path) -> None:
    first = api.get(f"{ENTITIES}/{id_('Country:1')}")
    again = api.get(f"{ENTITIES}/{id_('Country:1')}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = api.get(f"{ENTITIES}/{id_('Country:1')}", headers=JSON_LD | {"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200
    api.patch(f"{ENTITIES}/{id_('Country:1')}/attrs", {"name": prop("France")})
    changed = api.get(f"{ENTITIES}/{id_('Country:1')}", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


# -- types and attributes


def test_types_and_attributes(api: Api) -> None:
    base = ENTITIES.removesuffix("/entities")
    assert api.get(f"{base}/types").json()["typeList"] == ["Building", "City", "Country", "Museum"]
    museum = api.get(f"{base}/types/Museum").json()
    assert (museum["type"], museum["entityCount"]) == ("EntityTypeInfo", 1)
    kinds = {one["attributeName"]: one["attributeTypes"] for one in museum["attributeDetails"]}
    assert kinds["label"] == ["LanguageProperty"]
    assert kinds["location"] == ["GeoProperty"]
    details = api.get(f"{base}/types", params={"details": "true"}).json()
    assert next(one for one in details if one["typeName"] == "Country")["attributeNames"] == ["name"]
    name = api.get(f"{base}/attributes/name").json()
    assert (name["attributeCount"], name["typeNames"]) == (6, ["Building", "City", "Country", "Museum"])
    assert "capital" in api.get(f"{base}/attributes").json()["attributeList"]
    listed = api.get(f"{base}/attributes", params={"details": "true"}).json()
    assert next(one for one in listed if one["attributeName"] == "stops")["typeNames"] == ["City"]
    for nothing in ("types/River", "attributes/depth", "attributes/id", "attributes/createdAt"):
        assert api.get(f"{base}/{nothing}").status_code == 404, nothing


def test_an_attribute_that_nobody_has_any_more_is_not_told(api: Api) -> None:
    base = ENTITIES.removesuffix("/entities")
    api.made({"id": id_("Lamp:1"), "type": "Lamp", "power": prop(1), "colour": prop("red")})
    api.ask("DELETE", f"{ENTITIES}/{id_('Lamp:1')}/attrs/colour")
    assert api.get(f"{base}/types", params={"details": "true"}).json()[3]["attributeNames"] == ["power"]
    assert api.get(f"{base}/attributes/colour").status_code == 404
    api.ask("DELETE", f"{ENTITIES}/{id_('Lamp:1')}")
    assert api.get(f"{base}/types/Lamp").status_code == 404
