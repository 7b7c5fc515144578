"""Names in and out: JSON-LD @context processing as far as NGSI-LD needs it.

Outside, a type or attribute has the short name that a client's @context gives it; inside it has its *stored name*:
the bare name for an IRI of the default context, the core term for a core IRI, else the whole IRI. A client's
contexts are read first and the core context last, so nobody overrides the core (NGSI-LD 4.4, 5.5.7).
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from landbridge.errors import InvalidEntity, TooMuch, Unreachable

DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
CORE_URL = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
CORE_PREFIX = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context"
CORE_FILES = {f"{CORE_PREFIX}-v{version}.jsonld": version for version in ("1.3", "1.7", "1.8", "1.9")}
GEN_DELIMS = (":", "/", "?", "#", "[", "]", "@")
MOST_TERMS = 20_000
DEEPEST = 8  # contexts that name contexts
MOST_CONTEXTS = 100  # contexts that one request reads
RECENT = 64  # contexts kept ready
REMEMBERED = 10_000  # names a Terms keeps the answer for
IGNORED = frozenset({"@version", "@protected", "@language", "@direction", "@base", "@propagate", "@import"})

Context = str | Mapping[str, Any] | Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class Term:
    """A term's definition: its IRI (or keyword), whether it may stand as a prefix, and how its values are read."""

    iri: str
    prefix: bool = False
    coercion: str | None = None


@dataclass
class Draft:
    """A context being read: what is defined so far."""

    known: Mapping[str, Any]
    terms: dict[str, Term | None] = field(default_factory=dict)
    vocab: str | None = None
    count: int = 0

    def read(self, context: Context, depth: int = 0) -> None:
        """Take in a context: an address, an object, or a list of them (JSON-LD 1.1 API, 4.1)."""
        self.count += 1
        if depth > DEEPEST or self.count > MOST_CONTEXTS:
            raise TooMuch(f"More than {MOST_CONTEXTS} contexts, or {DEEPEST} within each other.", where="@context")
        if context is None:
            self.terms.clear()
            self.vocab = None
        elif isinstance(context, str):
            self.read(document_of(context, self.known), depth + 1)
        elif isinstance(context, Mapping):
            self.read_object(context)
        elif isinstance(context, Sequence):
            for part in context:
                self.read(part, depth + 1)
        else:
            raise InvalidEntity(
                f"A context is an address, an object or a list, not {type(context).__name__}.", where="@context"
            )

    def read_object(self, context: Mapping[str, Any]) -> None:
        if len(context) + len(self.terms) > MOST_TERMS:
            raise TooMuch(f"A context has more than {MOST_TERMS} terms.", where="@context")
        if "@vocab" in context:
            vocab = context["@vocab"]
            if vocab is not None and not isinstance(vocab, str):
                raise InvalidEntity("@vocab is a text.", where="@context")
            self.vocab = None if vocab is None else self.resolve(vocab, {}, {})
        defined: dict[str, bool] = {}
        for name in context:
            if not name.startswith("@"):
                self.define(name, context, defined)
            elif name not in IGNORED and name != "@vocab":
                raise InvalidEntity(f"'{name}' is no member of a context.", where="@context")

    def define(self, name: str, context: Mapping[str, Any], defined: dict[str, bool]) -> None:
        """Define a term, and first the prefixes it leans on (JSON-LD 1.1 API, 4.2)."""
        if name in defined:
            if not defined[name]:
                raise InvalidEntity(f"The term '{name}' is defined by itself.", where="@context")
            return
        defined[name] = False
        given = context[name]
        if not isinstance(given, str | Mapping | None):
            raise InvalidEntity(f"The term '{name}' is neither an IRI nor a definition.", where="@context")
        id_ = given.get("@id", name) if isinstance(given, Mapping) else given
        if id_ is None:
            self.terms[name] = None
        elif not isinstance(id_, str):
            raise InvalidEntity(f"The @id of the term '{name}' is no text.", where="@context")
        else:
            self.terms.pop(name, None)
            self.terms[name] = self.definition(name, given, self.resolve(id_, context, defined, defining=name))
        defined[name] = True

    def definition(self, name: str, given: str | Mapping[str, Any] | None, iri: str) -> Term:
        if isinstance(given, Mapping):
            coercion = given.get("@type")
            return Term(iri, given.get("@prefix") is True, coercion if isinstance(coercion, str) else None)
        return Term(iri, ":" not in name and "/" not in name and iri.endswith(GEN_DELIMS))

    def resolve(
        self, value: str, context: Mapping[str, Any], defined: dict[str, bool], *, defining: str | None = None
    ) -> str:
        """Expand a name to its IRI, defining on the way what it leans on."""
        if value.startswith("@"):
            return value
        if value != defining and value in context:
            self.define(value, context, defined)
        if value != defining and (found := self.terms.get(value)) is not None:
            return found.iri
        prefix, colon, rest = value.partition(":")
        if colon and prefix and prefix != "_" and not rest.startswith("//"):
            if prefix in context and prefix != defining:
                self.define(prefix, context, defined)
            term = self.terms.get(prefix)
            if term is not None and term.prefix:
                return term.iri + rest
        return value if colon else (self.vocab or "") + value


def document_of(address: str, known: Mapping[str, Any]) -> Any:
    """The context at an address: one that ships inside, or one that the city's folder has."""
    if address in CORE_FILES:
        return core_document(CORE_FILES[address])
    if address.startswith(CORE_PREFIX):  # another version: the one that always stands last covers it
        return {}
    if address not in known:
        raise Unreachable(
            "The @context is not known here.",
            where=address[:300],
            hint="Put its file into the city's folder and name it under contexts in landbridge.toml.",
        )
    return inside(known[address])


def inside(document: Any) -> Any:
    """What a context document holds under @context."""
    return document.get("@context", document) if isinstance(document, Mapping) else document


@cache
def core_document(version: str) -> Any:
    text = files("landbridge.model").joinpath(f"context/ngsi-ld-core-context-v{version}.jsonld").read_bytes()
    return orjson.loads(text)["@context"]


@cache
def core_names() -> dict[str, str]:
    """Core IRI -> core term."""
    draft = Draft({})
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


class Terms:
    """A client's contexts with the core context last, ready to expand and compact names.

    `contexts` are the client's as given (addresses and objects), without the core.
    """

    def __init__(self, contexts: Sequence[Any] = (), known: Mapping[str, Any] | None = None) -> None:
        draft = Draft(known or {})
        draft.read(contexts)
        draft.read(core_document("1.9"))
        self.contexts = tuple(one for one in contexts if not (isinstance(one, str) and one.startswith(CORE_PREFIX)))
        self.terms = draft.terms
        self.vocab = draft.vocab or DEFAULT
        self.names = names_of(draft.terms.items())
        self.prefixes = [(term.iri, name) for name, term in draft.terms.items() if term and term.prefix]
        self.expanded: dict[str, str] = {}
        self.compacted: dict[str, str] = {}

    def expand(self, name: str) -> str:
        """The stored name of a client's name. Raises InvalidEntity for a keyword or a term that means nothing."""
        found = self.expanded.get(name)
        if found is None:
            found = stored_name(self.iri(name))
            if len(self.expanded) < REMEMBERED:
                self.expanded[name] = found
        return found

    def iri(self, name: str) -> str:
        """The IRI of a client's name (JSON-LD 1.1 API, 5.2)."""
        if not name or name.startswith("@"):
            raise InvalidEntity(f"'{name}' is no name of a type or attribute.")
        if name in self.terms:
            term = self.terms[name]
            if term is None or term.iri.startswith("@"):
                raise InvalidEntity(f"The context gives '{name}' no IRI.", where="@context")
            return term.iri
        prefix, colon, rest = name.partition(":")
        if not colon:
            return self.vocab + name
        before = self.terms.get(prefix)
        return before.iri + rest if before and before.prefix and not rest.startswith("//") else name

    def compact(self, stored: str) -> str:
        """The shortest name that this client's contexts give to a stored name."""
        found = self.compacted.get(stored)
        if found is None:
            found = self.shorten(full_name(stored))
            if len(self.compacted) < REMEMBERED:
                self.compacted[stored] = found
        return found

    def shorten(self, iri: str) -> str:
        """A term, else the name below @vocab, else prefix:rest, else the IRI (JSON-LD 1.1 API, 6.2)."""
        if iri in self.names:
            return self.names[iri]
        name = iri.removeprefix(self.vocab)
        if name not in (iri, "") and name not in self.terms and ":" not in name and not name.startswith("@"):
            return name
        short = [
            f"{prefix}:{iri[len(start) :]}"
            for start, prefix in self.prefixes
            if iri.startswith(start) and len(iri) > len(start) and not iri.startswith("//", len(start))
        ]
        return min((name for name in short if name not in self.terms), key=preference, default=iri)

    def document(self) -> Any:
        """What an application/ld+json answer says under @context."""
        return [*self.contexts, CORE_URL] if self.contexts else CORE_URL


def names_of(terms: Iterable[tuple[str, Term | None]]) -> dict[str, str]:
    """IRI -> the term to compact it to: plain terms before coerced ones, then the shortest."""
    best: dict[str, tuple[bool, int, str]] = {}
    for name, term in terms:
        if term is None or term.iri.startswith("@"):
            continue
        rank = (term.coercion not in (None, "@id", "@vocab"), *preference(name))
        if term.iri not in best or rank < best[term.iri]:
            best[term.iri] = rank
    return {iri: rank[2] for iri, rank in best.items()}


class Contexts:
    """The contexts that the city knows, and those read lately.

    `known`: address -> context document. `own`: the city's own contexts, with which its mappings are read.
    """

    def __init__(self, known: Mapping[str, Any] | None = None, own: Sequence[Any] = ()) -> None:
        self.known = known or {}
        self.recent: OrderedDict[bytes, Terms] = OrderedDict()
        self.lock = threading.Lock()
        self.core = Terms()
        self.own = Terms(own, self.known) if own else self.core

    def terms(self, context: Context) -> Terms:
        """The terms of a request's @context; None is the core alone."""
        if context is None:
            return self.core
        contexts = [context] if isinstance(context, str | Mapping) else list(context)
        try:
            key = orjson.dumps(contexts)
        except TypeError:
            raise InvalidEntity("The @context is no JSON.", where="@context") from None
        with self.lock:
            found = self.recent.pop(key, None)
        found = found or Terms(contexts, self.known)
        with self.lock:
            self.recent[key] = found
            while len(self.recent) > RECENT:
                self.recent.popitem(last=False)
        return found
