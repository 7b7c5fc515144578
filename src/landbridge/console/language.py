"""Texts for people: gettext catalogues (`locale/*.po`), and the choice of a language for each visitor.

English is the source language, so its catalogue holds only the names of terms (`msgctxt "term"`: what the attribute
`pm25` is called). Every text and every term must be in each other catalogue; a test fails where one is not.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Catalogue = Mapping[tuple[str, str], tuple[str, ...]]  # (context, text) -> translation, or its plural forms

FOLDER = Path(__file__).parent / "locale"
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+(?:\.\d+)?|[^\W\d_A-Za-z]+")


def mark(text: str) -> str:
    """Mark a text in a table for the catalogues; it is translated where it is shown."""
    return text


def read_catalogue(text: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Read a .po file: entries with msgctxt, msgid, msgid_plural and msgstr; the header is left out."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    entry: dict[str, str] = {}
    field = ""
    for line in [*text.splitlines(), ""]:
        line = line.strip()
        if not line:
            keep_entry(entry, found)
            entry, field = {}, ""
        elif line.startswith('"'):
            entry[field] += ast.literal_eval(line)
        elif not line.startswith("#"):
            field, quoted = line.split(" ", 1)
            entry[field] = ast.literal_eval(quoted.strip())
    return found


def keep_entry(entry: Mapping[str, str], found: dict[tuple[str, str], tuple[str, ...]]) -> None:
    forms = tuple(entry[field] for field in sorted(entry) if field.startswith("msgstr"))
    if entry.get("msgid") and all(forms):
        found[entry.get("msgctxt", ""), entry["msgid"]] = forms


def spelled(term: str) -> str:
    """Spell a stored name for people: `OffStreetParking` is "Off street parking", an IRI its last part."""
    last = re.split(r"[/#]", term.rstrip("/#"))[-1] or term
    words = WORD.findall(last)
    if not words:
        return last
    plain = " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)
    return plain[0].upper() + plain[1:]


@dataclass(frozen=True)
class Language:
    """One language of the console: its tag and its texts."""

    tag: str
    own_name: str
    catalogue: Catalogue

    def gettext(self, text: str) -> str:
        return self.catalogue.get(("", text), (text,))[0]

    def ngettext(self, one: str, many: str, number: int) -> str:
        """Translate a counted text; languages other than English have one form here."""
        forms = self.catalogue.get(("", one))
        if forms is not None:
            return forms[0 if len(forms) == 1 or number == 1 else 1]
        return one if number == 1 else many

    def term(self, name: str) -> str:
        """Name a type or an attribute as people call it."""
        return self.catalogue.get(("term", name), (spelled(name),))[0]

    def of(self, texts: Mapping[str, object]) -> str:
        """Choose from a language map: this language, the same without region, English, any."""
        for tag in (self.tag, f"{self.tag}-CN", f"{self.tag}-Hans", "en", "@none", *texts):
            if tag in texts:
                chosen = texts[tag]
                return ", ".join(map(str, chosen)) if isinstance(chosen, list) else str(chosen)
        return ""


def load_languages(folder: Path = FOLDER) -> dict[str, Language]:
    """Read the catalogues that the console ships with, by tag."""
    names = {"en": "English", "zh": "中文"}
    return {
        tag: Language(tag, name, read_catalogue((folder / f"{tag}.po").read_text(encoding="utf-8")))
        for tag, name in names.items()
    }


def choose_language(languages: Mapping[str, Language], chosen: str | None, accepted: str) -> Language:
    """Pick the visitor's own choice, else the best of an Accept-Language header, else English."""
    if chosen and chosen in languages:
        return languages[chosen]
    weighed = []
    for order, part in enumerate(accepted[:500].split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        weighed.append((-weight, order, tag.split("-")[0].lower()))
    for weight, _, tag in sorted(weighed):
        if weight < 0 and tag in languages:
            return languages[tag]
    return languages["en"]
