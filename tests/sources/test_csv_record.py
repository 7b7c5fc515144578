"""Cutting CSV text into records agrees with Python's own reader, wherever the pieces are cut."""

import csv
import io
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from landbridge.sources.csv_record import Stretch, stretches

texts = st.text(st.sampled_from('ab,"\n\r"",\n'), max_size=60)


def cut(text: str, places: list[int]) -> list[Stretch]:
    data = text.encode()
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return list(stretches(iter([data[a:b] for a, b in pairwise(bounds)]), ",", True, "a.csv"))


def records(text: str) -> list[tuple[int, list[str]]]:
    """The line at which each record that is no empty line begins, and its cells, by Python's reader."""
    reader = csv.reader(io.StringIO(text, newline=""))
    found, line = [], 1
    for record in reader:
        if record:
            found.append((line, record))
        line = reader.line_num + 1
    return found


@settings(max_examples=1500, deadline=None)
@given(text=texts, places=st.lists(st.integers(0, 100), max_size=4))
def test_records_begin_where_python_says(text: str, places: list[int]) -> None:
    made = cut(text, places)
    whole = "".join((part.text + part.tail).decode() for part in made)
    assert whole.rstrip("\n") == text.rstrip("\n")  # nothing is lost; only a last line end is added
    lines = [int(line) for part in made for line in part.lines]
    tails = [part.tail_line for part in made if part.tail]
    assert lines + tails == [line for line, _ in records(text)]


@settings(max_examples=500, deadline=None)
@given(text=texts, places=st.lists(st.integers(0, 100), max_size=6))
def test_the_cut_makes_no_difference(text: str, places: list[int]) -> None:
    def flat(parts: list[Stretch]) -> tuple[bytes, list[int], bytes, int]:
        tail = next(((part.tail, part.tail_line) for part in parts if part.tail), (b"", 0))
        return b"".join(part.text for part in parts), [int(n) for part in parts for n in part.lines], *tail

    assert flat(cut(text, places)) == flat(cut(text, []))
