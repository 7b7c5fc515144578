"""Every text and term that the console can show is in every catalogue, with the same places to fill."""

import re

import pytest

from console.texts import all_texts
from landbridge.console.language import choose_language, load_languages, spelled
from landbridge.console.unit import UNITS, symbol

LANGUAGES = load_languages()
PLACES = re.compile(r"%\((\w+)\)[sd]")
OTHERS = [tag for tag in LANGUAGES if tag != "en"]


@pytest.mark.parametrize("tag", OTHERS)
def test_every_text_is_translated(tag: str) -> None:
    catalogue = LANGUAGES[tag].catalogue
    missing = [texts[0] for texts in all_texts() if ("", texts[0]) not in catalogue]
    assert missing == []


@pytest.mark.parametrize("tag", OTHERS)
def test_a_translation_fills_the_same_places(tag: str) -> None:
    for texts in all_texts():
        given = set().union(*(PLACES.findall(text) for text in texts))
        for form in LANGUAGES[tag].catalogue["", texts[0]]:
            assert set(PLACES.findall(form)) == given, texts[0]


@pytest.mark.parametrize("tag", OTHERS)
def test_every_english_term_is_translated(tag: str) -> None:
    terms = [name for context, name in LANGUAGES["en"].catalogue if context == "term"]
    assert len(terms) > 40
    assert [name for name in terms if ("term", name) not in LANGUAGES[tag].catalogue] == []


@pytest.mark.parametrize("tag", OTHERS)
def test_no_translation_is_left_over(tag: str) -> None:
    texts = {texts[0] for texts in all_texts()}
    assert [text for context, text in LANGUAGES[tag].catalogue if not context and text not in texts] == []


def test_every_unit_has_a_name_in_chinese() -> None:
    zh = LANGUAGES["zh"]
    assert [name for _, name in UNITS.values() if zh.gettext(name) == name] == []
    assert (symbol("GQ"), symbol("XYZ"), symbol(None)) == ("µg/m³", "XYZ", "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("OffStreetParking", "Off street parking"),
        ("confirmedCases", "Confirmed cases"),
        ("https://example.org/terms#waterLevel", "Water level"),
        ("AED", "AED"),
        ("总数", "总数"),
        ("", ""),
    ],
)
def test_a_name_is_spelled_for_people(name: str, words: str) -> None:
    assert spelled(name) == words


@pytest.mark.parametrize(
    ("chosen", "accepted", "tag"),
    [
        ("zh", "en", "zh"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr, zh;q=0.2, en;q=0.9", "en"),
        (None, "zh;q=0", "en"),
        ("xx", "de", "en"),
        (None, "zh;q=much", "en"),
    ],
)
def test_a_visitor_gets_a_language(chosen: str | None, accepted: str, tag: str) -> None:
    assert choose_language(LANGUAGES, chosen, accepted).tag == tag
