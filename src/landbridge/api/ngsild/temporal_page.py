"""Pages of instances: one end for all series of an answer, and what its headers say of it (NGSI-LD 6.3.10).

Where an answer cannot hold all, it is partial (206), and Content-Range says from when to when it goes: forwards from
the oldest instance, or backwards from the newest where `lastN` is asked for. A Link names the page behind.
"""

from collections.abc import Iterator, Mapping, Sequence

from landbridge.api.ngsild.listing import Headers, encoded
from landbridge.model.instant import format_instant
from landbridge.model.temporal import Evolution, Moment, TemporalQuery, time_in

Range = tuple[int, int]


def cut(evolutions: Sequence[Evolution], asked: TemporalQuery) -> Range | None:
    """Let all evolutions of a page end where the shortest one does; the times that it holds. None: it holds all.

    An attribute of which nothing is left stays, without instances: other pages have some.
    """
    ranges = [one.cut for one in evolutions if one.cut is not None]
    if not ranges:
        return None
    bound = max(first for first, _ in ranges) if asked.last is not None else min(last for _, last in ranges)
    for evolution in evolutions:
        for name, moments in evolution.attrs.items():
            kept = within(moments, bound, asked)
            if moments and not kept:
                evolution.kinds[name] = moments[0].kind
            evolution.attrs[name] = kept
    times = [time_in(moment, asked) for moment in all_of(evolutions)]
    return (min(times), max(times)) if times else (bound, bound)


def within(moments: Sequence[Moment], bound: int, asked: TemporalQuery) -> list[Moment]:
    if asked.last is not None:
        return [one for one in moments if time_in(one, asked) >= bound]
    return [one for one in moments if time_in(one, asked) <= bound]


def all_of(evolutions: Sequence[Evolution]) -> Iterator[Moment]:
    return (moment for one in evolutions for moments in one.attrs.values() for moment in moments)


def range_headers(held: Range, asked: TemporalQuery, path: str, given: Mapping[str, str], media: str) -> Headers:
    """Content-Range, and the Link to the page behind; its relation is named as TS 104 176, 6.4.7 names it."""
    first, last = held
    span = asked.span
    if asked.last is None:
        start = span.at if span is not None and span.relation != "before" and "timeAt" in given else first
        end, size = last, "*"
        rel, place = "intervalafter", {"instancesAfter": format_instant(last)}
    else:
        bounds = {"before": span.at, "between": span.until} if span is not None else {}
        found = bounds.get(span.relation) if span is not None else None
        start = last if found is None else found
        end, size = first, str(asked.last)
        rel, place = "intervalbefore", {"instancesBefore": format_instant(first)}
    kept = {name: value for name, value in given.items() if name not in ("instancesAfter", "instancesBefore")}
    return [
        ("Content-Range", f"date-time {format_instant(start)}-{format_instant(end)}/{size}"),
        ("Link", f'<{path}?{encoded(kept | place)}>; rel="{rel}"; type="{media}"'),
    ]
