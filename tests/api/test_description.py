"""The description is whole and true: what it says is served, and what is served it says; fuzzed by Schemathesis."""

import html
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from landbridge.api.ngsild.description_page import references
from landbridge.api.ngsild.schema import SCHEMAS
from landbridge.model.terms import CORE_URL
from made_api import ENTITIES, ROOT, Api

EXAMPLES = 6  # of each operation and mode
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    found = Api(tmp_path)
    yield found
    found.close()


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    answer = api.get(f"{ROOT}/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found: dict[str, Any] = answer.json()
    return found


def test_every_name_leads_to_a_schema_and_every_schema_is_led_to(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas) == set(SCHEMAS)
    used = set(references(document["paths"]))
    while further := {name for one in used for name in references(schemas[one])} - used:
        used |= further
    assert used <= set(schemas)
    assert {name for name in set(schemas) - used if not name.startswith("Snapshot")} == set()


def test_every_operation_says_what_it_is(document: dict[str, Any]) -> None:
    names = []
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            names.append(operation["operationId"])
            assert operation["summary"].endswith(".") and operation["description"].startswith("NGSI-LD ")
            assert all(one["description"] and one["schema"] for one in operation["parameters"]), path
            assert ("requestBody" in operation) == (verb in ("post", "put", "patch")), path
            assert {"400", "401", "403", "404"} <= set(operation["responses"])
    assert len(names) == len(set(names)) > 35


def test_what_is_described_is_served_and_takes_its_own_example(document: dict[str, Any], api: Api) -> None:
    api.made(SCHEMAS["Entity"]["examples"][0])
    for path, verbs in document["paths"].items():
        shown = path.replace("{attrId}", "power").replace("{type}", "Lamp")
        shown = re.sub(r"\{\w+\}", "urn:ngsi-ld:Lamp:1", shown)
        allowed = api.ask("OPTIONS", ROOT + shown).headers["allow"]
        assert {verb.upper() for verb in verbs} == set(allowed.split(", ")) - {"HEAD", "OPTIONS"}
        for verb in set(verbs) & {"put", "patch", "post"}:
            body = verbs[verb]["requestBody"]["content"]["application/json"]["example"]
            answer = api.ask(verb.upper(), ROOT + shown, json=body)
            assert answer.status_code in (200, 201, 204, 207, 404, 409), (verb, path, answer.text)
            assert answer.status_code != 409 or path == "/entities"
            assert answer.status_code != 404 or "{" in path


def test_the_page_shows_every_operation_and_loads_nothing(document: dict[str, Any], api: Api) -> None:
    page = api.get(f"{ROOT}/openapi.html")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for verbs in document["paths"].values():
        for operation in verbs.values():
            assert f'id="{operation["operationId"]}"' in page.text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page.text
    calls = re.findall(r"<pre>curl &#39;(http://localhost:8080[^{]*?)&#39;</pre>", page.text)
    assert len(calls) > 8
    for address in map(html.unescape, calls):
        assert api.get(address).status_code in (200, 201, 404), address
    assert "<script" not in page.text and "src=" not in page.text and "<link" not in page.text


def test_nothing_that_the_description_allows_breaks_anything(document: dict[str, Any], api: Api) -> None:
    """Schemathesis: right and wrong requests; no 500, no status, form or body that is not described."""
    for number in range(3):
        api.made(SCHEMAS["Entity"]["examples"][0] | {"id": f"urn:ngsi-ld:Lamp:{number}"})
    described = schemathesis.openapi.from_dict(document)
    wrong: list[str] = []
    for found in described.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                fuzz(operation, mode, api)
            except (FailureGroup, Failure, AssertionError) as failure:  # each operation says what is wrong with it
                wrong.append(f"{operation.label} ({mode.value}): {failure}")
    assert not wrong, "\n".join(wrong)


def fuzz(operation: Any, mode: GenerationMode, api: Api) -> None:
    """Send an operation bounded examples, always the same ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what generates
        strategy = operation.as_strategy(generation_mode=mode)

    @seed(20260401)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def ask(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url="http://localhost:8080" + ROOT)
        sent.pop("cookies", None)
        sent["headers"] = {**sent["headers"], "Accept-Encoding": "identity"}
        for body in sent["json"] if isinstance(sent.get("json"), list) else [sent.get("json")]:
            if isinstance(body, dict) and isinstance(body.get("@context"), str | list):
                body["@context"] = CORE_URL  # one that can be had
        if isinstance(sent.get("data"), bytes | str):
            sent["content"] = sent.pop("data")
        try:
            response = api.ask(sent.pop("method"), sent.pop("url"), **{k: v for k, v in sent.items() if v is not None})
        except (httpx.InvalidURL, UnicodeEncodeError):  # no client could send it
            return
        if response.status_code == 500:
            raise AssertionError(f"500: {case.as_curl_command()}")
        case.validate_response(response, checks=CHECKS)

    ask()


def test_the_description_is_reached_as_everything_else(api: Api) -> None:
    for path in ("openapi.json", "openapi.html"):
        assert api.get(f"{ROOT}/{path}", headers={"Origin": "https://elsewhere.example"}).status_code == 403
        assert api.post(f"{ROOT}/{path}", {}).status_code == 405
    assert api.get(ENTITIES + "?type=Lamp").status_code == 200
