"""From the parameters of a temporal request to the question that history is asked (NGSI-LD 4.11, 4.5.19, 5.7.3, 5.7.4).

Which entities are meant is read as for any query (see `question`). Our own are `asOf`, the time of the knowledge;
`aggrZone`, whose calendar the periods follow; `instancesAfter` and `instancesBefore`, where a page of instances begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from landbridge.api.ngsild.fault import InvalidRequest
from landbridge.api.ngsild.operation import Parameter
from landbridge.api.ngsild.parameter import FLAG, FORMS, POSITIVE, Wanted, wanted_of
from landbridge.api.ngsild.question import DURATION, read_join, read_query
from landbridge.errors import Invalid, InvalidQuery
from landbridge.model.instant import format_instant, parse_instant
from landbridge.model.projection import CORE_MEMBERS
from landbridge.model.query import Path, Query, Selector
from landbridge.model.temporal import Aggregate, Method, Period, Relation, Span, TemporalQuery, TimeProperty
from landbridge.model.terms import Terms

Word = TypeVar("Word", bound=str)
TemporalForm = Literal["normalized", "concise", "temporalValues", "aggregatedValues"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)
PROPERTIES: tuple[TimeProperty, ...] = get_args(TimeProperty)
METHODS: tuple[Method, ...] = get_args(Method)
TEMPORAL_FORMS: Mapping[str, TemporalForm] = {
    "normalized": "normalized", "concise": "concise", "temporalValues": "temporalValues",
    "simplified": "temporalValues", "aggregatedValues": "aggregatedValues",
}  # fmt: skip
MOMENT = {"type": "string", "format": "date-time"}
USUAL_PAGE = 1_000  # instances of each attribute that one answer has
LARGEST_ANSWER = 100_000  # instances of one attribute of all the entities of an answer
LARGEST_LAST = 10_000_000
BEGINNING = parse_instant("0001-01-01T00:00:00Z")

TIMEREL = Parameter(
    "timerel", "How the time lies to timeAt: before, after, or between.", {"type": "string", "enum": list(RELATIONS)}
)
TIME_AT = Parameter("timeAt", "The time that is compared with; it belongs to after and between.", MOMENT)
END_TIME_AT = Parameter("endTimeAt", "The end of between; it does not belong to it.", MOMENT)
TIMEPROPERTY = Parameter(
    "timeproperty", "Which time of an instance is compared. Usually observedAt.",
    {"type": "string", "enum": list(PROPERTIES)},
)  # fmt: skip
LAST_N = Parameter("lastN", "Only so many instances of each attribute, the newest.", POSITIVE)
AGGR_METHODS = Parameter("aggrMethods", f"With aggregatedValues: what to make of them: {', '.join(METHODS)}.")
AGGR_PERIOD = Parameter(
    "aggrPeriodDuration", "With aggregatedValues: the length of a period (ISO 8601, such as PT1H, P1D, P1M). Usually"
    " PT0S, one period for all.",
)  # fmt: skip
AGGR_ZONE = Parameter(
    "aggrZone", "Whose days and months the periods count, as IANA names zones: Asia/Shanghai. Usually UTC. (Our own.)"
)
AS_OF = Parameter("asOf", "As it was known at this time: what was recorded later is left out. (Our own.)", MOMENT)
AFTER_INSTANCE = Parameter(
    "instancesAfter", "Only instances after this time, as the Link of the page before says. (Our own.)", MOMENT
)
BEFORE_INSTANCE = Parameter(
    "instancesBefore", "Only instances before this time, as the Link of the page before says. (Our own.)", MOMENT
)
TEMPORAL_OPTIONS = Parameter(
    "options", "Comma-separated: normalized, concise, temporalValues or aggregatedValues; sysAttrs; count."
)
TEMPORAL_FORMAT = Parameter(
    "format", "The form of the answer.", {"type": "string", "enum": list(TEMPORAL_FORMS)}
)  # fmt: skip
TEMPORAL = (
    TIMEREL, TIME_AT, END_TIME_AT, TIMEPROPERTY, LAST_N, AGGR_METHODS, AGGR_PERIOD, AGGR_ZONE, AS_OF, AFTER_INSTANCE,
    BEFORE_INSTANCE, TEMPORAL_OPTIONS, TEMPORAL_FORMAT,
)  # fmt: skip
LOCAL = Parameter("local", "true: only what this pool holds itself.", FLAG)


@dataclass(frozen=True)
class TemporalWanted:
    """What a temporal request says of the form of its answer: that of its entities, and of their instances."""

    entity: Wanted
    form: TemporalForm
    span: Span | None

    @property
    def property(self) -> TimeProperty:
        return self.span.property if self.span else "observedAt"


def read_form(given: Mapping[str, str], *, aggregated: bool = False) -> TemporalForm:
    """The form that is wanted; `format` stands over `options` (NGSI-LD 6.3.12). `aggregated`: where neither says any.

    Raises InvalidRequest for a word that is none.
    """
    options = [option for option in given.get("options", "").split(",") if option]
    for option in options:
        if option not in TEMPORAL_FORMS and option not in ("sysAttrs", "count"):
            hint = f"Use {', '.join(TEMPORAL_FORMS)}, sysAttrs, count."
            raise InvalidRequest(f"'{option[:40]}' is no option.", where="options", hint=hint)
    named = [TEMPORAL_FORMS[option] for option in options if option in TEMPORAL_FORMS]
    if "format" in given:
        if given["format"] not in TEMPORAL_FORMS:
            hint = f"Use {', '.join(TEMPORAL_FORMS)}."
            raise InvalidRequest(f"'{given['format'][:40]}' is no format.", where="format", hint=hint)
        return TEMPORAL_FORMS[given["format"]]
    if len(set(named)) > 1:
        raise InvalidQuery(f"{' and '.join(dict.fromkeys(named))} exclude each other.", where="options")
    return named[0] if named else "aggregatedValues" if aggregated else "normalized"


def read_temporal(
    given: Mapping[str, str], terms: Terms, tenant: str, media: str, prefer: str = "", *, aggregated: bool = False
) -> TemporalWanted:
    """What the parameters say of the form of the answer. Raises InvalidRequest, InvalidQuery."""
    form = read_form(given, aggregated=aggregated)
    kept = [option for option in given.get("options", "").split(",") if option in ("sysAttrs", "count")]
    plain = {name: value for name, value in given.items() if name not in ("options", "format")}
    if kept:
        plain["options"] = ",".join(kept)
    wanted = wanted_of(plain, terms, tenant, media, prefer)
    if form in FORMS:
        wanted = replace(wanted, rendering=replace(wanted.rendering, form=FORMS[form]))
    return TemporalWanted(wanted, form, read_span(given))


def read_span(given: Mapping[str, str]) -> Span | None:
    """The stretch of time that is meant (NGSI-LD 4.11); a timeproperty alone means all that have such a time."""
    property_ = one_of(given.get("timeproperty", "observedAt"), PROPERTIES, "timeproperty")
    if "timerel" not in given:
        for name in ("timeAt", "endTimeAt"):
            if name in given:
                hint = f"Give {', '.join(RELATIONS)}."
                raise InvalidQuery("The temporal query has no timerel.", where=name, hint=hint)
        return Span("after", BEGINNING, property=property_) if "timeproperty" in given else None
    relation = one_of(given["timerel"], RELATIONS, "timerel")
    if "timeAt" not in given:
        raise InvalidQuery("The temporal query has no timeAt.", where="timerel", hint="Give timeAt too.")
    at = read_moment(given, "timeAt")
    if relation != "between":
        if "endTimeAt" in given:
            raise InvalidQuery(
                f"'{relation}' has no end.", where="endTimeAt", hint="Use timerel=between, or leave it out."
            )
        return Span(relation, at, property=property_)
    if "endTimeAt" not in given:
        raise InvalidQuery("'between' needs an end.", where="timerel", hint="Give endTimeAt too.")
    until = read_moment(given, "endTimeAt")
    if until < at:
        raise InvalidQuery("The end lies before timeAt.", where="endTimeAt", hint="Exchange them.")
    return Span(relation, at, until, property_)


def one_of(given: str, words: tuple[Word, ...], where: str) -> Word:
    """The word that is given. Raises InvalidQuery for one that is none of them."""
    for word in words:
        if word == given:
            return word
    raise InvalidQuery(f"'{given[:40]}' is not known.", where=where, hint=f"Use {', '.join(words)}.")


def read_moment(given: Mapping[str, str], name: str) -> int:
    """A date and time with its zone, as microseconds (NGSI-LD 4.6.3). Raises InvalidQuery."""
    text = given[name].replace(" ", "+")  # a plus sign that was not encoded
    try:
        return parse_instant(text)
    except Invalid as error:
        raise InvalidQuery(error.message, where=name, hint=error.hint) from None


def read_last(given: Mapping[str, str]) -> int | None:
    text = given.get("lastN")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 0 < int(text) <= LARGEST_LAST):
        raise InvalidQuery(f"'{text[:20]}' is no number of instances.", where="lastN", hint=f"Use 1 to {LARGEST_LAST}.")
    return int(text)


def read_aggregate(given: Mapping[str, str]) -> Aggregate:
    """What is to be made of the instances (NGSI-LD 4.5.19.1). Raises InvalidQuery."""
    if "aggrMethods" not in given:
        hint = f"Give some of {', '.join(METHODS)}."
        raise InvalidQuery("aggregatedValues need methods.", where="aggrMethods", hint=hint)
    methods = tuple(one_of(word.strip(), METHODS, "aggrMethods") for word in given["aggrMethods"].split(","))
    zone = given.get("aggrZone", "UTC")
    return Aggregate(
        tuple(dict.fromkeys(methods)), parse_period(given.get("aggrPeriodDuration", "PT0S")), read_zone(zone)
    )


def read_zone(name: str) -> str:
    """The name of a zone. Raises InvalidQuery for one that is none."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidQuery(
            f"'{name[:60]}' is no time zone.", where="aggrZone", hint="Write it like Asia/Shanghai."
        ) from None


def parse_period(text: str) -> Period:
    """Read `P[n]Y[n]M[n]DT[n]H[n]M[n]S` or `P[n]W` (NGSI-LD 4.5.19.1). Raises InvalidQuery."""
    found = DURATION.match(text)
    parts = found.groups() if found else ()
    weeks_beside = found is not None and found.group(3) is not None and sum(part is not None for part in parts) > 1
    if found is None or not any(part is not None for part in parts) or text.endswith("T") or weeks_beside:
        raise InvalidQuery(
            f"'{text[:40]}' is no duration.", where="aggrPeriodDuration", hint="Write it like PT1H, P1D, P2W or P1M."
        )
    years, months, weeks, days, hours, minutes = (int(part or 0) for part in parts[:6])
    seconds, _, fraction = (parts[6] or "0").partition(".")
    micros = ((hours * 60 + minutes) * 60 + int(seconds)) * 1_000_000 + int((fraction + "000000")[:6])
    return Period(years * 12 + months, weeks * 7 + days, micros)


def read_question(
    wanted: TemporalWanted, selectors: tuple[Selector, ...] = (), *, page: int = USUAL_PAGE
) -> TemporalQuery:
    """The question of a temporal query (NGSI-LD 5.7.4). Raises InvalidQuery, also where it has no temporal query."""
    given = wanted.entity.parameters
    if wanted.span is None or "timerel" not in given:
        raise InvalidQuery("There is no temporal query.", where="timerel", hint="Give timerel and timeAt.")
    query = read_query(wanted.entity, selectors)
    read_join(wanted.entity, query.where)
    for order in query.order:
        if order.path != Path("id") or order.origin is not None:
            raise InvalidQuery(
                "Evolutions are put in order by their ids alone.", where="orderBy", hint="Use orderBy=id."
            )
    most = max(1, min(page, LARGEST_ANSWER // max(1, query.limit)))
    return question_of(wanted, query, most)


def read_retrieval(wanted: TemporalWanted, id_: str, *, page: int = USUAL_PAGE) -> TemporalQuery:
    """The question for one entity's evolution (NGSI-LD 5.7.3)."""
    read_join(wanted.entity)
    query = Query(wanted.entity.tenant, ids=(id_,), attrs=tuple(wanted.entity.rendering.attrs or ()), limit=1)
    return question_of(wanted, query, page)


def question_of(wanted: TemporalWanted, query: Query, most: int) -> TemporalQuery:
    given = wanted.entity.parameters
    datasets = wanted.entity.rendering.datasets or ()
    return TemporalQuery(
        query,
        wanted.span,
        attributes_of(wanted.entity),
        tuple("" if one == "@none" else one for one in datasets),
        read_last(given),
        read_moment(given, "asOf") if "asOf" in given else None,
        read_aggregate(given) if wanted.form == "aggregatedValues" else None,
        most,
        read_moment(given, "instancesAfter") + 1 if "instancesAfter" in given else None,
        read_moment(given, "instancesBefore") if "instancesBefore" in given else None,
    )


def attributes_of(wanted: Wanted) -> tuple[str, ...]:
    """The attributes that the answer shows; none said: all of them."""
    rendering = wanted.rendering
    if rendering.pick is not None:
        return tuple(sorted(rendering.pick.names - CORE_MEMBERS))
    return tuple(rendering.attrs or ())


def spelt(asked: TemporalQuery) -> dict[str, Any]:
    """The temporal parts of a question as parameters again, for others who are asked the same."""
    found: dict[str, Any] = {}
    if asked.span is not None:
        found |= {"timeproperty": asked.span.property}
        if asked.span.at != BEGINNING:
            found |= {"timerel": asked.span.relation, "timeAt": format_instant(asked.span.at)}
        if asked.span.until is not None:
            found["endTimeAt"] = format_instant(asked.span.until)
    if asked.last is not None:
        found["lastN"] = str(asked.last)
    return found
