"""The examples, joined once for all their tests."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from landbridge.app.city import City, open_city
from landbridge.governance.policy import Actor, Role
from landbridge.model.answer import Document, RunRecord
from landbridge.model.query import Has, Query

EXAMPLES = Path(__file__).parents[1] / "examples"
OPERATOR = Actor("tests", Role.OPERATOR)


@contextmanager
def joined(name: str, folder: Path, order: tuple[str, ...]) -> Iterator[tuple[City, Mapping[str, RunRecord]]]:
    """A copy of an example with these sources pulled, in this order."""
    shutil.copytree(EXAMPLES / name, folder / name)
    with open_city(folder / name) as city:
        assert not city.wrong
        yield city, {source: city.pull(source) for source in order}


def all_of(city: City, type_: str) -> list[Document]:
    """Every entity of a type, walked page by page."""
    found: list[Document] = []
    after = None
    while True:
        page = city.pool.query(OPERATOR, Query(types=Has(type_), limit=100, after=after))
        found += page.documents
        after = page.next
        if after is None:
            return found


def value(document: Document, attribute: str) -> object:
    """What the default instance says."""
    instance = document["attrs"][attribute][0]
    assert "datasetId" not in instance
    return instance.get("value", instance.get("object", instance.get("languageMap")))


def claims(document: Document, attribute: str) -> dict[str, object]:
    """What each source says, by the end of its datasetId."""
    return {
        instance["datasetId"].removeprefix("urn:ngsi-ld:Dataset:"): instance["value"]
        for instance in document["attrs"][attribute]
        if "datasetId" in instance
    }
