"""What people call things: an entity's own name, else that of the area it speaks of, else the end of its id."""

from collections.abc import Iterable, Sequence

from landbridge.console.figure import default_instance, own_name, short_id
from landbridge.console.page import Visit
from landbridge.model.answer import Document
from landbridge.model.query import Query

AREA_LINK = "refArea"
IDS = 200  # ids of one question


def documents_by_id(visit: Visit, ids: Iterable[str]) -> dict[str, Document]:
    """Those of the ids that the pool has."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, Document] = {}
    for start in range(0, len(wanted), IDS):
        some = tuple(wanted[start : start + IDS])
        page = visit.reading.query(visit.actor, Query(tenant=visit.tenant, ids=some, limit=len(some)))
        found |= {document["id"]: document for document in page.documents}
    return found


def area_of(document: Document) -> str | None:
    """The id of the area that an entity speaks of."""
    instance = default_instance(document, AREA_LINK)
    area = instance.get("object") if instance else None
    return area if isinstance(area, str) else None


def names_of(visit: Visit, documents: Sequence[Document]) -> dict[str, str]:
    """A name for each of the entities, by id."""
    named = {document["id"]: own_name(document, visit.language) for document in documents}
    areas = {
        document["id"]: area for document in documents if not named[document["id"]] and (area := area_of(document))
    }
    around = documents_by_id(visit, areas.values())
    for id, area in areas.items():
        named[id] = own_name(around[area], visit.language) if area in around else ""
    return {id: name or short_id(id) for id, name in named.items()}


def name_of(visit: Visit, document: Document) -> str:
    return names_of(visit, [document])[document["id"]]


def known_names(visit: Visit, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Name and type of those ids that the pool has."""
    documents = list(documents_by_id(visit, ids).values())
    names = names_of(visit, documents)
    return {d["id"]: (names[d["id"]], visit.language.term(d["type"][0])) for d in documents}
