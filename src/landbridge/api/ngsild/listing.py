"""Entities as an answer: the body in the form that is wanted, the pages around it, and what the headers say of it."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import orjson
from starlette.responses import Response

from landbridge.api.ngsild.linked import Fetch, gather
from landbridge.api.ngsild.parameter import GEOJSON, Wanted, context_link
from landbridge.api.ngsild.question import Join
from landbridge.api.ngsild.rendered import EMPTY, Rendered
from landbridge.model.answer import Held
from landbridge.model.renderer import Links, Rendering, render, render_feature
from landbridge.model.version import OWN, Version, amended

BARE = re.compile(r"[A-Za-z0-9_.~-]*\Z", re.ASCII)
UNCODED = ":*/?@!$'()"  # what may stand in a query as it is (RFC 3986, 3.4) and means nothing in a form
Headers = list[tuple[str, str]]


class Listing:
    """How the entities of one answer are shown: in which form, with which linked entities, as which version."""

    def __init__(self, wanted: Wanted, rendered: Rendered, join: Join | None, fetch: Fetch) -> None:
        self.wanted = wanted
        self.rendered = rendered
        self.join = join
        self.fetch = fetch
        self.is_feature = wanted.media == GEOJSON
        self.altered = False

    @property
    def version(self) -> Version | None:
        return self.wanted.version

    def many(self, held: Sequence[Held]) -> bytes:
        """A list of entities or a FeatureCollection; entities of which nothing is wanted are left out."""
        how = self.wanted.rendering
        each = how.without_context() if self.is_feature else how
        shown = [text for text in self.parts(held, each) if text != EMPTY]
        listed = b"[" + b",".join(shown) + b"]"
        if not self.is_feature:
            return listed
        context = b',"@context":' + orjson.dumps(how.terms.document()) if how.context else b""
        return b'{"type":"FeatureCollection","features":' + listed + context + b"}"

    def one(self, held: Held) -> bytes:
        """The entity; with those linked to it behind it where they are joined flat and there are any."""
        if self.join is not None and self.join.form == "flat":
            _, behind = gather([held], self.wanted.rendering, self.join, self.fetch)
            if behind:
                return self.many([held])
        (text,) = self.parts([held], self.wanted.rendering)
        return text

    def parts(self, held: Sequence[Held], how: Rendering) -> list[bytes]:
        """Each entity as JSON, then those that are joined behind."""
        if self.join is None:
            return self.texts(held, how)
        found, behind = gather(held, how, self.join, self.fetch)
        if self.join.form == "flat":
            joined = (self.texts([one], below.in_list(how)) for one, below in behind)
            return [*self.texts(held, how), *(text for (text,) in joined)]
        links = Links(found, self.join.levels, self.join.met)
        return [self.text(one, how, links) for one in held]

    def texts(self, held: Sequence[Held], how: Rendering) -> list[bytes]:
        if self.version is not None and self.version < OWN:
            return [self.text(one, how) for one in held]
        return self.rendered.entities(held, how, feature=self.is_feature)

    def text(self, held: Held, how: Rendering, links: Links | None = None) -> bytes:
        """One entity, rendered for this answer alone."""
        show = render_feature if self.is_feature else render
        shown = show(held.document, how, links)
        if self.version is not None and self.version < OWN:
            old = amended(shown, self.version)
            self.altered = self.altered or old != shown
            shown = old
        return orjson.dumps(shown)

    def answer(self, body: bytes, status: int = 200, headers: Headers | None = None) -> Response:
        """The response; where the body does not say its context, the Link header does (NGSI-LD 6.3.6)."""
        found = Response(body, 203 if self.altered else status, None, self.wanted.media)
        told = list(headers or [])
        if not self.wanted.rendering.context:
            told.append(("Link", context_link(self.wanted.terms)))
        if self.wanted.tenant:
            told.append(("NGSILD-Tenant", self.wanted.tenant))
        if self.version is not None:
            told.append(("Preference-Applied", f"ngsi-ld={self.version[0]}.{self.version[1]}"))
        found.raw_headers += [(name.encode(), value.encode("latin-1")) for name, value in told]
        return found


def page_links(
    path: str, given: Mapping[str, str], around: Mapping[str, Mapping[str, str]], media: str, *, in_order: bool = True
) -> Headers:
    """The Link headers of the pages before and behind: the same parameters, but for the place where a page begins.

    `around`: "prev" and "next" to the parameters that say where. Everything is percent-encoded (RFC 3986), so that a
    client can follow the address as it stands. `in_order`: the parameters by their names, not as they were given.
    """
    kept = {name: value for name, value in given.items() if name not in ("after", "before", "offset")}
    order = sorted if in_order else list
    queries = {
        rel: encoded({name: told[name] for name in order(told)})
        for rel, told in ((rel, {**kept, **place}) for rel, place in around.items())
    }
    return [("Link", f'<{path}?{query}>; rel="{rel}"; type="{media}"') for rel, query in queries.items()]


def encoded(parameters: Mapping[str, str]) -> str:
    return "&".join([f"{quoted(name, '')}={quoted(text, UNCODED)}" for name, text in parameters.items()])


def quoted(text: str, safe: str) -> str:
    """A text, percent-encoded where it has letters that need it."""
    return text if BARE.match(text) else quote(text, safe=safe)
