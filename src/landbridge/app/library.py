"""A district in Python: read, write and pull without a server. `landbridge.open(DIR)` gives it.

Whoever may read the folder is its operator. Names of types and attributes are those of the city's own @context, as in
its mappings; values come in the simplified form of NGSI-LD, or normalized where asked.
"""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from landbridge.api.ngsild.filter import parse_q
from landbridge.api.ngsild.selection import parse_geo, parse_scopes, parse_types
from landbridge.app.city import City, open_city
from landbridge.app.entrance import OWNER
from landbridge.app.frame import arrow, polars_frame
from landbridge.errors import Failed, Missing
from landbridge.model.answer import (
    Disagreement,
    Document,
    Point,
    RejectGroup,
    RunRecord,
    SourceState,
    Trace,
    TypeSummary,
)
from landbridge.model.parser import parse_entity, parse_fragment
from landbridge.model.query import Near, Query, Spatial
from landbridge.model.renderer import Rendering, render
from landbridge.model.terms import Terms
from landbridge.sources.gather import Tell, tell_nobody

if TYPE_CHECKING:
    import pandas
    import polars
    from geopandas.geodataframe import GeoDataFrame

PAGE = 500
LIBRARY = replace(OWNER, name="library", door="library")
Form = Literal["simplified", "normalized", "concise"]


@dataclass(frozen=True)
class Answer(Sequence[dict[str, Any]]):
    """What a query found: a sequence of entities as dicts, and the same as columns."""

    documents: tuple[Document, ...]
    rendering: Rendering

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Answer(self.documents[place], self.rendering)
        return render(self.documents[place], self.rendering)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (render(document, self.rendering) for document in self.documents)

    def arrow(self) -> pa.Table:
        """As an Arrow table: a row an entity; `pm25`, `pm25.observedAt`, `pm25.unitCode` as columns."""
        return arrow(self.documents, self.rendering.terms.compact)

    def polars(self) -> "polars.DataFrame":
        """As a polars frame."""
        return polars_frame(self.documents, self.rendering.terms.compact)

    def pandas(self) -> "pandas.DataFrame":
        """As a pandas frame; raises Missing where the extra `pandas` is not installed."""
        found: pandas.DataFrame = extra().pandas_frame(self.documents, self.rendering.terms.compact)
        return found

    def geopandas(self, geometry: str = "location") -> "GeoDataFrame":
        """As a GeoDataFrame in WGS 84; raises Missing where the extra `pandas` is not installed."""
        found: GeoDataFrame = extra().geo_frame(self.documents, self.rendering.terms.compact, geometry)
        return found


def extra() -> Any:
    """The module that needs pandas, loaded by name because the package does without it."""
    try:
        return importlib.import_module("landbridge.app.frame_pandas")
    except ModuleNotFoundError as error:
        raise Missing(
            f"{error.name} is not installed.", hint='Install it with  pip install "landbridge[pandas]".'
        ) from None


class District:
    """An opened district. Use it as a context manager, or call `close`."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.pool = city.pool
        self.terms: Terms = city.contexts.own
        self.tenant = city.settings.tenant

    def __enter__(self) -> "District":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the pool; everything that was written is durable already."""
        self.city.close()

    # -- reading

    def query(
        self,
        type: str | None = None,
        *,
        q: str | None = None,
        ids: Sequence[str] = (),
        attrs: Sequence[str] = (),
        scope: str | None = None,
        near: tuple[float, float, float] | None = None,
        within: Mapping[str, Any] | None = None,
        limit: int | None = None,
        form: Form = "simplified",
    ) -> Answer:
        """Find entities; what is given must all hold.

        `type` and `q` are written as NGSI-LD writes them ("A,B", "pm25>35;refArea=='urn:...'"). `near`: longitude,
        latitude and metres at most; `within`: a GeoJSON geometry. `attrs`: only entities with one of these attributes,
        and only those attributes. Without `limit` all that is found comes. Raises InvalidQuery.
        """
        names = tuple(self.terms.expand(name) for name in attrs)
        query = Query(
            tenant=self.tenant,
            types=parse_types(type, self.terms) if type else None,
            ids=tuple(ids),
            attrs=names,
            where=parse_q(q, self.terms) if q else None,
            geo=place(near, within),
            scope=parse_scopes(scope) if scope else None,
            limit=PAGE,
        )
        documents = tuple(self.found(query, limit))
        return Answer(documents, Rendering(self.terms, form, names or None))

    def found(self, query: Query, limit: int | None) -> Iterator[Document]:
        """The documents of a query, page by page."""
        left = limit
        while left is None or left > 0:
            page = self.pool.query(LIBRARY, query if left is None else replace(query, limit=min(PAGE, left)))
            yield from page.documents
            if page.next is None:
                return
            left = None if left is None else left - len(page.documents)
            query = replace(query, after=page.next)

    def get(self, id: str, form: Form = "simplified") -> dict[str, Any]:
        """One entity; raises Missing."""
        document = self.pool.entity(LIBRARY, id, tenant=self.tenant)
        return render(document, Rendering(self.terms, form))

    def types(self) -> list[TypeSummary]:
        """The types that have entities."""
        return list(self.pool.types(LIBRARY, tenant=self.tenant))

    def series(self, id: str, attribute: str, *, limit: int = 200, since: int | None = None) -> list[Point]:
        """The newest recorded values of an attribute, newest last; times in microseconds since 1970.

        Where several sources feed it, these are the values that each of them says (`owner`, `dataset_id`) and that
        clients set (owner "api"); which of them the rule chooses, `get` and `explain` tell.
        """
        name = self.terms.expand(attribute)
        return list(self.pool.series(LIBRARY, id, name, limit=limit, since=since, tenant=self.tenant))

    def explain(self, id: str, attribute: str | None = None) -> list[Trace]:
        """Where each value of an entity, or of one of its attributes, came from: source, run, place, raw row."""
        name = self.terms.expand(attribute) if attribute else None
        return list(self.pool.explain(LIBRARY, id, name, tenant=self.tenant))

    def disagreements(
        self, id: str | None = None, attribute: str | None = None, limit: int = 1000
    ) -> list[Disagreement]:
        """Where sources differ."""
        name = self.terms.expand(attribute) if attribute else None
        return list(self.pool.disagreements(LIBRARY, entity=id, attribute=name, limit=limit, tenant=self.tenant))

    def rejects(self, source: str | None = None, examples: int = 3) -> list[RejectGroup]:
        """Rejected rows by source and reason."""
        return list(self.pool.rejects(LIBRARY, source, examples=examples))

    def sources(self) -> list[SourceState]:
        """The sources and how their last runs went."""
        return list(self.pool.sources(LIBRARY))

    # -- writing

    def create(self, entity: Mapping[str, Any]) -> None:
        """Make an entity of NGSI-LD's normalized, concise or simplified form. Raises Exists, InvalidEntity."""
        self.pool.create(LIBRARY, parse_entity(dict(entity), self.terms), tenant=self.tenant)

    def patch(self, id: str, attributes: Mapping[str, Any]) -> None:
        """Replace attributes, and add those that are not there; "urn:ngsi-ld:null" for a value deletes it.

        Raises Missing, InvalidEntity, Refused for what a source owns.
        """
        self.pool.patch(LIBRARY, id, self.fragment(attributes, nulls=True), tenant=self.tenant)

    def append(self, id: str, attributes: Mapping[str, Any]) -> None:
        """Add attributes, replacing those that are there. Raises Missing, InvalidEntity, Refused."""
        self.pool.append(LIBRARY, id, self.fragment(attributes), tenant=self.tenant)

    def delete(self, id: str, attribute: str | None = None) -> None:
        """Delete an entity, or one of its attributes; lifts a pin. Raises Missing, Refused."""
        if attribute is None:
            self.pool.delete(LIBRARY, id, tenant=self.tenant)
        else:
            self.pool.delete_attribute(LIBRARY, id, self.terms.expand(attribute), tenant=self.tenant)

    def fragment(self, attributes: Mapping[str, Any], *, nulls: bool = False) -> Any:
        return parse_fragment(dict(attributes), self.terms, nulls=nulls)["attrs"]

    def pull(self, source: str, *, again: bool = False, tell: Tell = tell_nobody) -> RunRecord:
        """Pull one source and give the run's record. Raises Failed where it failed, Missing for no such source."""
        record = self.city.pull(source, again=again, tell=tell)
        if record.state == "failed":
            raise Failed(record.reason or "The pull failed.", where=f"sources/{source}")
        return record

    def replay(self, source: str, reason: str) -> str:
        """Map rejected rows again, and say in a sentence what became of them."""
        return self.city.replay(source, reason)


def place(near: tuple[float, float, float] | None, within: Mapping[str, Any] | None) -> Near | Spatial | None:
    """A geometry's condition as the query tree has it."""
    if near is not None:
        return parse_geo(f"near;maxDistance=={near[2]}", "Point", json.dumps(near[:2]), "location")
    if within is not None:
        return parse_geo("within", str(within.get("type")), json.dumps(within.get("coordinates")), "location")
    return None


def open_district(folder: Path | str) -> District:
    """Open a district's folder. Raises Missing, InvalidSettings or Damaged."""
    return District(open_city(folder))
