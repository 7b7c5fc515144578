"""Sentences that sources and runs make, in the reader's language: why a row is rejected, what an expectation found.

They are kept as they were made, in English, since programs tell them apart by their text. Here each is matched against
the known sentences, and what it quotes is put into the catalogue's translation. A source's own texts (what its mapping
rejects with, what its expectations are called) are translated by the `words` of its source.toml. What is not known
stays as it is.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache

from landbridge.console.language import Language, mark
from landbridge.model.answer import SourceState

DEPTH = 4  # how often a sentence may hold another
PLACE = re.compile(r"%\((\w+)\)s")
INNER = frozenset({"rest", "more"})  # places that hold a known sentence again
FREE = INNER | {"why", "names", "examples"}  # places that may hold anything
LONGEST = 1_000  # characters of a text that is looked at
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")
WHERE = re.compile(r"([^\s:]+(?::\d+)*): (?=[A-Z])")

SENTENCES: tuple[str, ...] = (
    # rows: casts, times, numbers, keys
    mark("'%(value)s' is no date and time"),
    mark("'%(value)s' is no number"),
    mark("%(value)s is no number"),
    mark("'%(value)s' is no longitude and latitude"),
    mark("'%(value)s' is no longitude"),
    mark("'%(value)s' is no latitude"),
    mark("%(column)s '%(value)s' is no URI"),
    mark("'%(value)s' is no GeoJSON geometry"),
    mark("'%(value)s' is no well-known text of a geometry"),
    mark("'%(value)s' is no %(kind)s"),
    mark("is no JSON %(kind)s"),
    mark("%(value)s has more than 64 bits"),
    mark("no finite time"),
    mark("no id"),
    mark("no type"),
    mark("%(time)s does not exist in %(zone)s"),
    mark("%(time)s is there twice in %(zone)s"),
    mark("the row cannot be mapped"),
    # rows: geometry
    mark("the position %(position)s is outside the world; are longitude and latitude swapped?"),
    mark("the position %(position)s is outside the world"),
    mark("the geometry is no object"),
    mark("the geometry's type '%(kind)s' is none of %(kinds)s"),
    mark("the %(kind)s has more than %(count)s positions"),
    mark("the %(kind)s has no coordinates"),
    mark("the coordinates are no array"),
    mark("%(value)s is not two or three numbers"),
    mark("a polygon has no ring"),
    mark("a ring of the polygon has fewer than four positions"),
    mark("a ring of the polygon is not closed"),
    mark("the %(kind)s cannot be built: %(why)s"),
    mark("the %(kind)s is not valid: %(why)s"),
    # rows: reading
    mark("the row has %(count)s cells and the header %(expected)s"),
    mark("a cell holds a NUL character"),
    mark("%(column)s holds a NUL character"),
    mark("the record is no object"),
    mark("the record is empty"),
    mark("the record nests more than %(count)s levels"),
    mark("%(column)s is '%(value)s', not %(kind)s"),
    mark("The record is no object."),
    mark("The record is no JSON: %(why)s."),
    mark("The feature is no object."),
    mark("The feature is no JSON: %(why)s."),
    mark("The feature's properties are no object."),
    mark("The feature's geometry is none of GeoJSON's."),
    mark("The entity is no object."),
    mark("The entity has no id."),
    mark("The entity has no type."),
    # expectations
    mark("%(value)s is below %(bound)s"),
    mark("%(value)s is above %(bound)s"),
    mark("'%(value)s' is not allowed"),
    mark("%(columns)s '%(value)s' is there again"),
    mark("%(columns)s never given"),
    mark("%(columns)s the same from %(start)s to %(end)s"),
    mark("the newest is of %(time)s"),
    mark("there is no time"),
    mark("there is no row"),
    mark("%(count)s rows, and at least %(bound)s are expected"),
    mark("%(count)s rows, and at most %(bound)s are expected"),
    mark("column %(column)s is missing"),
    mark("column %(column)s: %(rest)s"),
    mark("holds for %(count)s rows"),
    mark("holds for %(count)s series"),
    mark("holds"),
    mark("%(failed)s of %(total)s series: %(names)s (%(rest)s)"),
    mark("%(failed)s of %(total)s rows, such as: %(rest)s"),
    # runs: why they failed, and what to do
    mark("The source yields nothing."),
    mark("See whether its origin still has the data."),
    mark("%(rejected)s of %(read)s rows are rejected, and %(share)s may be: %(why)s."),
    mark("%(rejected)s of %(read)s rows are rejected: %(why)s."),
    mark("Mend the mapping, or raise `reject_share` in source.toml."),
    mark("What could be mapped is kept."),
    mark("Mend the mapping, then replay the rejected rows."),
    mark("An expectation that must hold does not: %(rest)s."),
    mark("See to the data, or change [[expectations]] in source.toml."),
    mark("The mapping makes nothing of %(count)s rows."),
    mark("See its WHERE and its joins."),
    mark("The pull is stopped before its end."),
    mark("What was there before stays."),
    mark("The machine refuses: %(why)s."),
    mark("Make room on the disk; what was there before stays."),
    mark("The pull meets an error that nobody expected, number %(number)s."),
    mark("Look it up in the log."),
    mark("There is no mapping."),
    mark("Write a SELECT into mapping.sql."),
    mark('The source has no column "%(column)s".'),
    mark("No file is at '%(place)s'."),
    mark("The address cannot be reached: %(why)s."),
    mark("The address says nothing for %(seconds)s s."),
    mark("The address answers %(status)s."),
    mark("The database %(name)s does not answer as it should: %(why)s."),
    mark("See that it runs and that the account may read; the next pull tries again."),
    mark("The MQTT broker at %(address)s cannot be used: %(why)s."),
    mark("See that it runs and that address, user and password are right."),
    mark("%(gone)s of the %(all)s entities of this source are gone from it, and %(share)s may be: %(why)s."),
    mark("See whether the source is complete, or raise `gone_share` in source.toml."),
    mark("%(value)s is not set."),
    # runs: what was noted
    mark("%(file)s: encoding detected: %(encoding)s."),
    mark("%(file)s: delimiter detected: %(delimiter)s."),
    mark("%(file)s: %(count)s line before the header left out."),
    mark("%(file)s: %(count)s lines before the header left out."),
    mark("%(file)s: %(count)s row before the header left out."),
    mark("%(file)s: %(count)s rows before the header left out."),
    mark("%(count)s row repeats a key (id, observedAt, datasetId) with other values; the later stands: %(examples)s."),
    mark("%(count)s rows repeat a key (id, observedAt, datasetId) with other values; the later stands: %(examples)s."),
    # replay
    mark("%(mapped)s of %(tried)s rows are mapped now; %(left)s stay rejected."),
    mark("Pulled again: %(state)s, %(count)s rows are rejected."),
    mark("There are no rejected rows with this reason that can be mapped again."),
    mark("The mapping of '%(name)s' does not map rows one by one, so they cannot be replayed."),
    # an expectation's name before what it found
    mark("%(name)s: %(more)s"),
)
PLACES: tuple[str, ...] = (
    mark("%(origin)s line %(number)s"),
    mark("%(origin)s row %(number)s"),
    mark("%(origin)s record %(number)s"),
    mark("%(origin)s feature %(number)s"),
    mark("%(origin)s entity %(number)s"),
    mark("%(origin)s message %(number)s"),
)

Words = Mapping[str, str]
NO_WORDS: Words = {}


@cache
def pattern(sentence: str) -> re.Pattern[str]:
    """What matches a sentence, its places as groups; what stands before a colon belongs to none of them."""
    texts, names = PLACE.split(sentence)[::2], PLACE.split(sentence)[1::2]
    made = re.escape(texts[0])
    for before, name, after in zip(texts, names, texts[1:], strict=False):
        free = name in FREE or before.endswith(("'", '"'))
        made += f"(?P<{name}>{'.' if free else '(?:(?!: ).)'}+?){re.escape(after)}"
    return re.compile(made, re.DOTALL)


def told(text: str, language: Language, words: Words = NO_WORDS) -> str:
    """A sentence, or several, in the language; `words` are the source's own texts in it."""
    if language.tag == "en" or not text or len(text) > LONGEST:
        return text
    if ("", text) in language.catalogue:
        return language.gettext(text)
    whole = said(text, language, words, DEPTH)
    if whole is not None:
        return whole
    where = WHERE.match(text)
    start = where.group(0) if where else ""
    parts = SENTENCE.split(text[len(start) :])
    return start + "".join(joined(said(part, language, words, DEPTH), part) for part in parts).strip()


def joined(translated: str | None, part: str) -> str:
    return f" {part}" if translated is None else translated


def said(text: str, language: Language, words: Words, depth: int) -> str | None:
    """The translation of one sentence; None where it is not known."""
    if text in words:
        return words[text]
    for sentence in SENTENCES:
        found = pattern(sentence).fullmatch(text)
        if found is None:
            continue
        values = found.groupdict()
        inner = {name: said(value, language, words, depth - 1) for name, value in values.items() if name in INNER}
        if "more" in inner and (depth <= 0 or inner["more"] is None):
            continue  # a colon alone makes no sentence: what stands before it has to be a name
        filled = {name: inner.get(name) or words.get(value, value) for name, value in values.items()}
        return language.gettext(sentence) % filled
    return None


def place_told(text: str, language: Language) -> str:
    """Where a row stands (`admin.csv line 12`), in the language."""
    if language.tag != "en":
        for place in PLACES:
            if found := pattern(place).fullmatch(text):
                return language.gettext(place) % found.groupdict()
    return text


def teller(language: Language, sources: Iterable[SourceState]) -> Callable[[str, str], str]:
    """A function of a source's name and a sentence of it, that tells it in the language."""
    words = {source.name: source.words.get(language.tag, NO_WORDS) for source in sources}
    return lambda source, text: told(text, language, words.get(source, NO_WORDS))
