"""Texts in the order that people expect, and refusal of orders that cannot be honoured."""

import pytest

from landbridge.errors import InvalidQuery
from landbridge.model.collation import parse_collation


def ordered(tag: str, *texts: str) -> list[str]:
    return sorted(texts, key=parse_collation(tag).key)


def test_accents_stand_with_their_letters_and_small_before_capital() -> None:
    assert ordered("und", "b", "á", "A", "z", "a", "10", "Ä") == ["10", "a", "A", "á", "Ä", "b", "z"]


def test_the_phone_book_reads_an_umlaut_as_two_letters() -> None:
    assert ordered("de-u-co-phonebk", "Af", "Ähre", "Ad") == ["Ad", "Ähre", "Af"]
    assert ordered("de", "Af", "Ähre", "Ad") == ["Ad", "Af", "Ähre"]


def test_strength_says_what_is_equal() -> None:
    base, case = parse_collation("und-u-ks-level1").key, parse_collation("und-u-ks-level2").key
    assert base("Ä") == base("a") != base("b")
    assert case("A") == case("a") != case("á")
    assert len({parse_collation("und-u-ks-identic").key(text) for text in ("a", "A", "á")}) == 3


@pytest.mark.parametrize("tag", ["", "!!nope", "not a bcp47 tag!!", "sv", "de-u-co-eor", "und-u-kn", "zh", "x" * 101])
def test_what_cannot_be_honoured_is_refused(tag: str) -> None:
    with pytest.raises(InvalidQuery) as refused:
        parse_collation(tag)
    assert refused.value.where == "collation"
