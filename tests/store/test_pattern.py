"""Patterns from outside: matched in linear time, refused when they cannot be read."""

import time

import apsw
import pytest

from landbridge.errors import InvalidQuery
from landbridge.store.pattern import add_patterns, check_pattern, escaped


@pytest.fixture
def connection() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    add_patterns(connection)
    return connection


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|a|a)*b", ".*.*.*.*.*x", "(a+)+$"])
def test_patterns_that_ruin_other_engines_take_no_time(connection: apsw.Connection, pattern: str) -> None:
    begun = time.process_time()
    connection.execute("SELECT regexp(?, ?)", (check_pattern(pattern), "a" * 50_000 + "!")).fetchall()
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{1,1000}{1,1000}", "(?i)a", "x" * 1001, "a**", "a+*", "a{2}+"])
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidQuery):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", ["\\*+", "[*]+", "[]*]+", "(a*)*", "a*?"])
def test_a_repetition_of_a_mark_or_a_group_is_fine(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize("text", ["a.b", "a|b", "(a)", "a\\b", "[x]*", "^a$", "滨海+?{2}"])
def test_an_escaped_text_matches_itself_only(connection: apsw.Connection, text: str) -> None:
    pattern = f"^{escaped(text)}$"
    assert connection.execute("SELECT regexp(?, ?)", (pattern, text)).get == 1
    assert connection.execute("SELECT regexp(?, ?)", (pattern, text + "x")).get == 0
    assert connection.execute("SELECT regexp(?, ?)", (pattern, "axb")).get == 0
