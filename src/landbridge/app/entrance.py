"""Opens a city's pool and nothing heavy: what the serving process and the reading commands start from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landbridge.errors import Damaged, InvalidSettings
from landbridge.governance.egress import Egress
from landbridge.governance.policy import Actor, Policy, Role, Rule, default_rules
from landbridge.model.terms import Contexts
from landbridge.pool.context import KeptContexts
from landbridge.pool.context_fetch import ContextFetch
from landbridge.pool.pool import Pool
from landbridge.settings import Operator, Settings
from landbridge.store.sqlite import open_store

#: in whose name schedules and pulls work
LOOP = Actor("landbridge", Role.OPERATOR, door="run")
#: in whose name the command line and the library work: whoever may read the folder is its operator
OWNER = Actor("operator", Role.OPERATOR, door="command")


def open_pool(settings: Settings) -> Pool:
    """Open the pool of a city, making it where there is none. Raises Damaged where the disk says no."""
    try:
        store = open_store(settings.store)
    except OSError as error:
        raise Damaged(
            f"The pool cannot be opened: {error.strerror}.",
            where=str(settings.store),
            hint="May this user write there?",
        ) from error
    return Pool(store, policy_of(settings))


def policy_of(settings: Settings) -> Policy:
    """The city's rules of access."""
    rules = default_rules()
    return Policy(rules | {Role.PUBLIC: Rule(read=True)}) if settings.public else Policy(rules)


def contexts_of(settings: Settings, kept: KeptContexts | None = None) -> Contexts:
    """The city's own JSON-LD contexts, and the way to all others. Raises InvalidSettings where a file is none."""
    documents = {path.name: read_context(path, settings.folder) for path in settings.contexts}
    own = list(documents.values())
    if kept is None:
        return Contexts(documents, own)
    contexts = Contexts(documents, own, kept.find, kept.name, kept.used)
    kept.changed = contexts.forget
    return contexts


def kept_contexts(pool: Pool, egress: Egress, operator: Operator) -> KeptContexts:
    """The contexts that the pool keeps, and how it gets others. Raises InvalidSettings where the map is wrong."""
    mapped = read_contexts_map(operator.contexts_map) if operator.contexts_map else {}
    return KeptContexts(pool, ContextFetch(egress, mapped), operator.address or operator.listening, operator.address)


def read_contexts_map(path: Path) -> dict[str, Path]:
    """The files that an operator's map names, by address. Raises InvalidSettings."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"The map of contexts cannot be read: {error}.", where=str(path)) from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise InvalidSettings(
            "The map of contexts is no JSON object of texts.", where=str(path), hint='Write {"ADDRESS": "FILE", ...}.'
        )
    files = {address: (path.parent / name).resolve() for address, name in found.items()}
    for address, file in files.items():
        if not file.is_file():
            raise InvalidSettings(f"The map of contexts names {file}, which is no file.", where=f"{path}: {address}")
    return files


def read_context(path: Path, folder: Path) -> Any:
    where = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"The context cannot be read: {error}.", where=where, hint="It is a JSON file.") from None
    return document.get("@context", document) if isinstance(document, Mapping) else document
