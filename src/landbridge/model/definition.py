"""Reading an @context: from its text to terms, as far as NGSI-LD needs it (JSON-LD 1.1 API, 4.1 and 4.2).

Contexts come from anywhere, so their number, depth and size are bounded, and whoever reads them says how an address
is looked up.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from landbridge.errors import InvalidEntity, TooMuch, Unreachable

GEN_DELIMS = (":", "/", "?", "#", "[", "]", "@")
#: an IRI's beginning, a blank node or a keyword (JSON-LD 1.1 API, 5.2)
IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|_:|@[A-Za-z]+\Z")
MOST_TERMS = 20_000
DEEPEST = 8  # contexts that name contexts
MOST_CONTEXTS = 100  # contexts that one request reads
IGNORED = frozenset({"@version", "@protected", "@language", "@direction", "@base", "@propagate", "@import"})
PROOF = "https://uri.etsi.org/ngsi-ld/ngsildproof"  # the one term to which the core gives a context of its own
SCOPED = "NGSI-LD 5.5.7 allows no scoped contexts; define what it has beside the term."

Context = str | Mapping[str, Any] | Sequence[Any] | None
Find = Callable[[str], Any]  # address -> what the document there holds under @context


@dataclass(frozen=True, slots=True)
class Term:
    """A term's definition: its IRI (or keyword), whether it may stand as a prefix, and how its values are read."""

    iri: str
    prefix: bool = False
    coercion: str | None = None


def find_nothing(address: str) -> Any:
    """Stand in where no address is known."""
    raise unknown(address)


def require_context(given: object) -> None:
    """Raise InvalidEntity for what is no context by its kind."""
    if not isinstance(given, str | Mapping | list | tuple | None):
        raise InvalidEntity(
            f"A context is an address, an object or a list, not {type(given).__name__}.", where="@context"
        )


def unknown(address: str) -> Unreachable:
    return Unreachable(
        "The @context is not known here.",
        where=address[:300],
        hint="Put its file into the city's folder and name it under contexts in landbridge.toml.",
    )


@dataclass
class Reading:
    """A context being read: what is defined so far."""

    find: Find = find_nothing
    terms: dict[str, Term | None] = field(default_factory=dict)
    vocab: str | None = None
    count: int = 0
    addresses: list[str] = field(default_factory=list)

    def read(self, context: Context, depth: int = 0) -> None:
        """Take in a context: an address, an object, or a list of them (JSON-LD 1.1 API, 4.1)."""
        require_context(context)
        self.count += 1
        if depth > DEEPEST or self.count > MOST_CONTEXTS:
            raise TooMuch(f"More than {MOST_CONTEXTS} contexts, or {DEEPEST} within each other.", where="@context")
        if context is None:
            self.terms.clear()
            self.vocab = None
        elif isinstance(context, str):
            self.addresses.append(context)
            self.read(self.find(context), depth + 1)
        elif isinstance(context, Mapping):
            self.read_object(self.imported(context) if "@import" in context else context)
        else:
            for part in context:
                require_context(part)  # all of them before the first is looked up
            for part in context:
                self.read(part, depth + 1)

    def imported(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """A context with what it imports beneath it (JSON-LD 1.1 API, 4.1, step 5.6)."""
        address = context["@import"]
        if not isinstance(address, str):
            raise InvalidEntity("@import is an address.", where="@context")
        self.addresses.append(address)
        beneath = self.find(address)
        if not isinstance(beneath, Mapping) or "@import" in beneath:
            raise InvalidEntity("What is imported is no single context.", where=address[:300])
        return {**beneath, **{name: given for name, given in context.items() if name != "@import"}}

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
            iri = self.resolve(id_, context, defined, defining=name)
            if not IRI.match(iri):
                raise InvalidEntity(f"The term '{name}' stands for '{iri[:100]}', which is no IRI.", where="@context")
            self.terms[name] = self.definition(name, given, iri)
        defined[name] = True

    def definition(self, name: str, given: str | Mapping[str, Any] | None, iri: str) -> Term:
        if isinstance(given, Mapping):
            if "@context" in given and iri != PROOF:
                raise InvalidEntity(f"The term '{name}' has a context of its own.", where="@context", hint=SCOPED)
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
            if prefix in context:
                self.define(prefix, context, defined)
            term = self.terms.get(prefix)
            if term is not None and term.prefix:
                return term.iri + rest
        return value if IRI.match(value) else (self.vocab or "") + value
