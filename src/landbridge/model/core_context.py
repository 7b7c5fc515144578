"""The core context of NGSI-LD, several versions of which ship inside, and the names under which the pool stores.

A stored name is the bare name for an IRI of the default context, the core term for a core IRI, else the whole IRI.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from landbridge.model.definition import Reading

DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
CORE_URL = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
CORE_PREFIX = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context"
CORE_FILES = {f"{CORE_PREFIX}-v{version}.jsonld": version for version in ("1.3", "1.7", "1.8", "1.9")} | {
    f"{CORE_PREFIX}.jsonld": "1.9"
}


def inside(document: Any) -> Any:
    """What a context document holds under @context."""
    return document.get("@context", document) if isinstance(document, Mapping) else document


def is_core(address: object) -> bool:
    """Whether an address is that of a core context that ships inside."""
    return isinstance(address, str) and address in CORE_FILES


def core_of(address: str) -> Any:
    """A core context that ships inside."""
    return core_document(CORE_FILES[address])


@cache
def core_document(version: str) -> Any:
    text = files("landbridge.model").joinpath(f"context/ngsi-ld-core-context-v{version}.jsonld").read_bytes()
    return orjson.loads(text)["@context"]


@cache
def core_names() -> dict[str, str]:
    """Core IRI -> core term."""
    draft = Reading()
    draft.read(core_document("1.9"))
    found: dict[str, str] = {}
    for name, term in draft.terms.items():
        if term is not None and not term.iri.startswith("@"):
            found[term.iri] = min(found.get(term.iri, name), name, key=preference)
    return found


@cache
def core_iris() -> dict[str, str]:
    """Core term -> core IRI."""
    return {name: iri for iri, name in core_names().items()}


def preference(name: str) -> tuple[int, str]:
    return len(name), name


def stored_name(iri: str) -> str:
    """The name under which the pool keeps a type or attribute."""
    if iri.startswith(DEFAULT):
        name = iri[len(DEFAULT) :]
        if name and ":" not in name and not name.startswith("@") and name not in core_iris():
            return name
    return core_names().get(iri, iri)


def full_name(stored: str) -> str:
    """The IRI of a stored name."""
    if ":" in stored:
        return stored
    return core_iris().get(stored) or DEFAULT + stored
