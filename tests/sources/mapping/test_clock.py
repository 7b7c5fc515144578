"""Plainly written local times are read at once, and mean what the slow way of reading makes of them."""

import datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from landbridge.sources.mapping.clock import LocalClock

BERLIN = LocalClock("Europe/Berlin", "reject")
SIGNS = st.text(alphabet=st.sampled_from("0123456789-:T /"), max_size=19)


def plain(texts: list[str | None], clock: LocalClock = BERLIN) -> list[datetime.datetime | None]:
    found: list[datetime.datetime | None] = clock.plain(pa.chunked_array([pa.array(texts, pa.string())])).to_pylist()
    return found


def resolved(text: str) -> datetime.datetime | None:
    """The same by Python's own reading; None for what is not there just once."""
    local = datetime.datetime.fromisoformat(text)
    early, late = (local.replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        return None
    return early.astimezone(datetime.UTC)


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime.datetime(1895, 1, 1), datetime.datetime(2100, 1, 1)),
            st.sampled_from(["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]),
        ).map(lambda pair: pair[0].strftime(pair[1])),
        min_size=1,
        max_size=8,
    )
)
@example(["2021-03-28 02:30", "2021-10-31 02:30", "2021-10-31 03:00", "2000-02-29"])
def test_written_times_are_read_as_python_reads_them(texts: list[str]) -> None:
    assert plain(list(texts)) == [resolved(text) for text in texts]


@given(SIGNS)
@example("2021-02-29")
@example("1900-02-29")
@example("2021-13-01")
@example("2021-00-10")
@example("2021-01-00")
@example("2021-01-01 24:00")
@example("2021-01-01 10:60")
@example("0000-01-01")
@example("2021-01-01 10:00:60")
def test_what_is_no_such_time_is_left_to_others(text: str) -> None:
    try:
        wanted = resolved(text) if len(text) in (10, 16, 19) and text[4:5] == text[7:8] == "-" else None
    except ValueError:
        wanted = None
    if len(text) > 10 and text[10] not in " T":
        wanted = None
    assert plain([text, None]) == [wanted, None]


@pytest.mark.parametrize("ambiguous", ["earlier", "later"])
def test_a_time_that_is_there_twice_is_not_chosen_here(ambiguous: str) -> None:
    assert plain(["2021-10-31 02:30"], LocalClock("Europe/Berlin", ambiguous)) == [None]
