"""Names in and out: JSON-LD @context processing as far as NGSI-LD needs it.

Outside, a type or attribute has the short name that a client's @context gives it; inside it has its *stored name*.
A client's contexts are read first and the core context last, so nobody overrides the core (NGSI-LD 4.4, 5.5.7).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import orjson

from landbridge.errors import InvalidEntity, TakesLonger
from landbridge.model.core_context import (
    CORE_FILES,
    CORE_PREFIX,
    CORE_URL,
    DEFAULT,
    core_document,
    core_iris,
    core_of,
    full_name,
    inside,
    is_core,
    preference,
    stored_name,
)
from landbridge.model.definition import IRI, Context, Find, Reading, Term, find_nothing, require_context

__all__ = [
    "CORE_FILES", "CORE_PREFIX", "CORE_URL", "DEFAULT", "HOSTED", "Contexts", "Terms", "core_document", "core_iris",
    "full_name", "inside", "stored_name",
]  # fmt: skip

HOSTED = "/ngsi-ld/v1/jsonldContexts/"  # where the contexts that are kept here have their addresses (NGSI-LD 6.30)
REMEMBERED = 10_000  # names a Terms keeps the answer for
RECENT_TERMS = 200_000  # terms in the contexts that are kept ready: about 60 MB
FRESH_SECONDS = 600.0  # a context that names addresses is looked up again after this

Key = tuple[str, str | bytes]  # tenant, and an address or contexts as JSON
FindFor = Callable[[str, str], Any]  # address, tenant -> what is there under @context


class Terms:
    """A client's contexts with the core context last, ready to expand and compact names.

    `contexts` are the client's as given (addresses and objects), without the core. `find` looks addresses up; `name`
    gives contexts that have no address of their own one (NGSI-LD 5.13.1, implicitly created contexts).
    """

    def __init__(
        self, contexts: Sequence[Any] = (), find: Find = find_nothing, name: Callable[[list[Any]], str] | None = None
    ) -> None:
        draft = Reading(lambda address: core_of(address) if is_core(address) else find(address))
        draft.read(contexts)
        named, given = (sum(map(is_core, ones)) for ones in (draft.addresses, contexts))
        self.has_core = named > given  # one of the client's contexts leads to the core
        draft.read(core_document("1.9"))
        self.contexts = tuple(one for one in contexts if not is_core(one))
        self.addresses = tuple(one for one in dict.fromkeys(draft.addresses) if not is_core(one))
        self.name = name
        self.named: str | None = None
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
        if before and before.prefix and not rest.startswith("//"):
            return before.iri + rest
        return name if IRI.match(name) else self.vocab + name

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

    def address(self) -> str:
        """One address that stands for all these contexts, as the Link header of an answer names it (NGSI-LD 6.3.5)."""
        if not self.contexts:
            return CORE_URL
        if len(self.contexts) == 1 and isinstance(self.contexts[0], str):
            return self.contexts[0]
        if self.named is None:
            self.named = self.name(list(self.contexts)) if self.name else CORE_URL
        return self.named

    def document(self) -> Any:
        """What an application/ld+json answer says under @context: the client's, and the core where they lack it."""
        if not self.contexts:
            return CORE_URL
        if self.has_core:
            return self.contexts[0] if len(self.contexts) == 1 else list(self.contexts)
        return [*self.contexts, CORE_URL]


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


def name_for(name: Callable[[list[Any], str], str], tenant: str, inline: list[Any]) -> str:
    return name(inline, tenant)


def key_of(contexts: list[Any], tenant: str) -> Key:
    """What contexts are kept ready by; one address that is nobody's own serves all tenants. Raises InvalidEntity."""
    if len(contexts) == 1 and isinstance(contexts[0], str):
        return (tenant if HOSTED in contexts[0] else ""), contexts[0]
    try:
        return tenant, orjson.dumps(contexts)
    except (TypeError, ValueError):
        raise InvalidEntity("The @context is no JSON.", where="@context") from None


class Contexts:
    """The contexts that the city knows, and those read lately.

    `known`: address -> context document. `own`: the city's own contexts, with which its mappings are read. `find`
    looks up any other address for a tenant, and `name` gives a tenant's inline contexts an address; `used` is told
    the addresses that a request uses.
    """

    def __init__(
        self,
        known: Mapping[str, Any] | None = None,
        own: Sequence[Any] = (),
        find: FindFor | None = None,
        name: Callable[[list[Any], str], str] | None = None,
        used: Callable[[Iterable[str], str], None] | None = None,
    ) -> None:
        self.known = known or {}
        self.find = find
        self.name = name
        self.used = used
        self.recent: OrderedDict[Key, tuple[Terms, float]] = OrderedDict()
        self.recent_terms = 0
        self.lock = threading.Lock()
        self.local = threading.local()
        self.core = Terms()
        self.own = Terms(own, partial(self.look_up, "")) if own else self.core

    def terms(self, context: Context, tenant: str = "") -> Terms:
        """The terms of a request's @context; None is the core alone.

        Raises InvalidEntity for what is no context, TooMuch for a bound, Unreachable for one that cannot be had.
        """
        if context is None:
            return self.core
        require_context(context)
        tenant = tenant.partition("/")[0]  # what a snapshot within a tenant holds is read in the tenant's contexts
        contexts = [context] if isinstance(context, str | Mapping) else list(context)
        key = key_of(contexts, tenant)
        found = self.ready(key) or self.keep(key, self.read(contexts, tenant))
        if self.used is not None and found.addresses:
            self.used(found.addresses, tenant)
        return found

    def at_hand(self, address: str, tenant: str = "") -> Terms | None:
        """The terms of a context's address where they are ready: `terms` would give the same and wait for nothing."""
        return self.ready(key_of([address], tenant.partition("/")[0]))

    def note_use(self, terms: Terms, tenant: str) -> None:
        """Count a use of terms that were at hand."""
        if self.used is not None and terms.addresses:
            self.used(terms.addresses, tenant.partition("/")[0])

    @contextmanager
    def only_known(self) -> Iterator[None]:
        """Let this thread look nothing up: terms that would need it raise TakesLonger."""
        self.local.hurried = True
        try:
            yield
        finally:
            self.local.hurried = False

    def read(self, contexts: list[Any], tenant: str) -> Terms:
        return Terms(contexts, partial(self.look_up, tenant), self.name and partial(name_for, self.name, tenant))

    def look_up(self, tenant: str, address: str) -> Any:
        """What an address holds. Raises InvalidEntity or Unreachable."""
        if address in self.known:
            return inside(self.known[address])
        if getattr(self.local, "hurried", False):
            raise TakesLonger
        return find_nothing(address) if self.find is None else self.find(address, tenant)

    def ready(self, key: Key) -> Terms | None:
        """Terms that were read lately; those with addresses only for a while, for what is there may change."""
        with self.lock:
            found = self.recent.get(key)
            if found is None or (found[0].addresses and time.monotonic() - found[1] > FRESH_SECONDS):
                return None
            self.recent.move_to_end(key)
            return found[0]

    def keep(self, key: Key, terms: Terms) -> Terms:
        """Keep terms ready, and let go of the oldest beyond what memory has room for."""
        with self.lock:
            self.drop(key)
            self.recent[key] = (terms, time.monotonic())
            self.recent_terms += len(terms.terms)
            while self.recent_terms > RECENT_TERMS and len(self.recent) > 1:
                self.drop(next(iter(self.recent)))
        return terms

    def drop(self, key: Key) -> None:
        gone = self.recent.pop(key, None)
        if gone is not None:
            self.recent_terms -= len(gone[0].terms)

    def forget(self) -> None:
        """Read every context anew: one of them has changed or is gone."""
        with self.lock:
            self.recent.clear()
            self.recent_terms = 0
