"""A row's hash says all that the row says, whatever batch it comes in; the quick look takes no wrong URI."""

import re

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from landbridge.model.column import plan_columns
from landbridge.sources.mapping.normal import URI
from landbridge.sources.mapping.rowhash import LONG, column_hashes, plain_uris, with_hashes

TEXTS = st.one_of(st.none(), st.text(max_size=40), st.text(min_size=LONG, max_size=LONG + 40))


def hashes(values: list[object], kind: pa.DataType | None = None) -> list[int]:
    found: list[int] = column_hashes(pa.chunked_array([pa.array(values, kind)])).tolist()
    return found


@given(st.lists(TEXTS, max_size=30))
def test_texts_share_a_hash_just_where_they_are_equal(texts: list[str | None]) -> None:
    found = hashes(list(texts), pa.string())
    assert len(set(found)) == len(set(texts))
    assert len(set(zip(found, texts, strict=True))) == len(set(texts))


@given(st.lists(TEXTS, min_size=1, max_size=30), st.data())
def test_a_text_has_its_hash_wherever_it_stands(texts: list[str | None], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(texts) - 1))
    column = pa.array(texts, pa.string())
    part = column_hashes(pa.chunked_array([column.slice(start)])).tolist()
    assert part == hashes(list(texts), pa.string())[start:]
    alone = [hashes([text], pa.string())[0] for text in texts]
    assert alone == hashes(list(texts), pa.string())


def test_what_is_alike_and_not_the_same_differs() -> None:
    kinds = [
        *hashes([None, 0, 1, -1, 2**62], pa.int64()),
        *hashes([0.0, 1.0, 5e-324], pa.float64()),
        *hashes(["", "0", "1", "\0", "a", "a\0", "a\0\0", "aaaaaaaa", "aaaaaaaaa"], pa.string()),
        *hashes([True, False], pa.bool_()),
        *hashes([["a"], ["a", "b"]], pa.list_(pa.string())),
    ]
    assert len(set(kinds)) == len(kinds)
    assert hashes([-0.0], pa.float64()) == hashes([0.0], pa.float64())
    assert hashes([None], pa.int64()) == hashes([None], pa.string())


def test_the_same_values_in_other_columns_are_another_row() -> None:
    plan = plan_columns(["id", "type", "a", "b"])
    rows = pa.table({"id": ["urn:a", "urn:a"], "type": ["T", "T"], "a": ["x", "y"], "b": ["y", "x"], "_row": [0, 1]})
    found = with_hashes(rows, plan)
    assert len(set(found.column("_hash").to_pylist())) == 2
    assert len(set(found.column("_key").to_pylist())) == 1
    later = with_hashes(rows.set_column(4, "_row", pa.array([7, 8])), plan)
    assert later.column("_hash") == found.column("_hash")  # where a row stood says nothing


PARTS = st.text(alphabet=st.sampled_from('ab1+:. \t\n<"é|\\\x7f\x00-'), max_size=8)


@given(st.lists(st.one_of(st.none(), st.just("urn:x:1"), PARTS, PARTS.map("urn:".__add__)), max_size=5))
def test_the_quick_look_takes_nothing_that_the_pattern_refuses(texts: list[str | None]) -> None:
    if plain_uris(pa.chunked_array([pa.array(texts, pa.string())])):
        pattern = URI.replace(r"\s", " \\t\\n\\f\\r")  # as RE2 has it
        assert all(re.match(pattern, text, re.ASCII) and not text.endswith("\n") for text in texts if text is not None)


def test_the_quick_look_takes_common_uris() -> None:
    common = ["urn:ngsi-ld:Sensor:1", "https://example.org/a?b=c#d", "tag:é", None, "http://[::1]/"]
    assert plain_uris(pa.chunked_array([pa.array(common, pa.string())]))
    assert plain_uris(pa.chunked_array([pa.array(common, pa.string()).slice(1, 2)]))
    for wrong in ("", "urn", "urn:", ":a", "1urn:a", "urn:a b", "urn:a\x00"):
        assert not plain_uris(pa.chunked_array([pa.array([*common, wrong], pa.string())]))
