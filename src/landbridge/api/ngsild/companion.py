"""What goes along with a reading request when registered sources are asked too: its words, headers and conditions."""

from collections.abc import Mapping

from landbridge.api.ngsild.filter import render_q
from landbridge.api.ngsild.operation import Ask
from landbridge.api.ngsild.parameter import Wanted
from landbridge.federation.trip import Trip
from landbridge.model.query import Query
from landbridge.model.terms import Terms

AS_THEY_ARE = ("georel", "geometry", "coordinates", "scopeQ", "datasetId", "jsonKeys")  # no names of a context in them


def trip_of(ask: Ask, wanted: Wanted, query: Query | None = None) -> Trip:
    """The trip of a request; `query` is the question that it asks, None where it is about one entity."""

    def spelt(terms: Terms) -> Mapping[str, str]:
        return {} if query is None else conditions(query, wanted, terms)

    local = wanted.parameters.get("local") == "true"
    attrs = tuple(wanted.rendering.attrs or ())
    datasets = frozenset(filter(None, wanted.parameters.get("datasetId", "").split(",")))
    headers = dict(ask.request.headers)
    return Trip(wanted.terms, headers, local=local, attrs=attrs, datasets=datasets, spelt=spelt)


def beside(trip: Trip) -> Trip:
    """The trip of what is linked to an answer: the same, without the conditions of the question."""
    return Trip(trip.terms, trip.headers, local=trip.local, warnings=trip.warnings)


def conditions(query: Query, wanted: Wanted, terms: Terms) -> Mapping[str, str]:
    """The conditions of a question as parameters, in the words of other terms (NGSI-LD 4.3.6.6)."""
    given = wanted.parameters
    found = {name: given[name] for name in AS_THEY_ARE if name in given}
    same = terms is wanted.terms
    if query.where is not None:
        found["q"] = given["q"] if same else render_q(query.where, terms)
    if query.geo is not None and "geoproperty" in given:
        found["geoproperty"] = given["geoproperty"] if same else terms.compact(query.geo.geoproperty)
    if same and "expandValues" in given:
        found["expandValues"] = given["expandValues"]
    return found
