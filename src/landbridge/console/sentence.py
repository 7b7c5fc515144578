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
KNOWN = INNER | {"why"}  # places whose text is told in the language where it is known
LONGEST = 1_000  # characters of a text that is looked at
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")
WHERE = re.compile(r"(\S+): (?=[A-Z])")

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
    mark("The database %(name)s does not answer, or stops half-way: %(why)s."),
    mark("The database refuses the query: %(why)s."),
    mark("Correct `table`, `query` or `grows`."),
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
    # notifications: why they were given up, and what to do
    mark("The receiver answers %(status)s."),
    mark("The address does not answer within %(seconds)s s."),
    mark("The address redirects more than %(count)s times."),
    mark("The answer is larger than %(count)s bytes."),
    mark("%(host)s is a loopback or private machine, or its name leads to one."),
    mark("The operator allows it with  landbridge serve --allow-egress %(host)s."),
    mark("The name %(host)s cannot be found."),
    mark("Is it spelt right?"),
    mark("The name %(host)s has no address."),
    mark("The certificate of %(host)s is of no trusted authority (%(why)s)."),
    mark("The operator names the authority:  landbridge serve --ca-file FILE."),
    mark("The certificate of %(host)s is for another name."),
    mark("Use the name that it is for, or have it renewed."),
    mark("The certificate of %(host)s is not valid today."),
    mark("Have it renewed."),
    mark("%(host)s does not speak TLS as it should: %(why)s."),
    mark("The broker cannot be reached: %(why)s."),
    mark("The broker does not take the connection: %(why)s."),
    mark("The broker does not acknowledge within %(seconds)s s."),
    # what systems, databases and brokers say is wrong
    mark("no answer within %(seconds)s s"),
    mark("[Errno %(number)s] %(why)s"),
    mark("Connection refused"),
    mark("Connection reset by peer"),
    mark("Connection timed out"),
    mark("timed out"),
    mark("No route to host"),
    mark("Network is unreachable"),
    mark("Name or service not known"),
    mark("Temporary failure in name resolution"),
    mark("Broken pipe"),
    mark("Server disconnected without sending a response"),
    mark("No space left on device"),
    mark("Permission denied"),
    mark("Read-only file system"),
    mark("Too many open files"),
    mark("No such file or directory"),
    mark("Not authorized"),
    mark("Bad user name or password"),
    mark("Bad username or password"),
    mark("unable to get local issuer certificate"),
    mark("self-signed certificate"),
    mark("self-signed certificate in certificate chain"),
    mark("WRONG_VERSION_NUMBER"),
    mark("connection failed: %(why)s"),
    mark('connection to server at "%(host)s", port %(port)s failed: %(why)s'),
    mark("FATAL: %(why)s"),
    mark("ERROR: %(why)s"),
    mark('password authentication failed for user "%(user)s"'),
    mark('role "%(user)s" does not exist'),
    mark('database "%(name)s" does not exist'),
    mark('relation "%(name)s" does not exist LINE %(examples)s'),
    mark('relation "%(name)s" does not exist'),
    mark('column "%(name)s" does not exist LINE %(examples)s'),
    mark('column "%(name)s" does not exist'),
    mark('syntax error at or near "%(name)s" LINE %(examples)s'),
    mark("permission denied for table %(name)s"),
    mark("canceling statement due to statement timeout"),
    mark("server closed the connection unexpectedly"),
    mark("no such table: %(name)s"),
    mark("no such column: %(name)s"),
    mark('near "%(name)s": syntax error'),
    mark("database is locked"),
    mark("unable to open database file"),
    mark("(%(number)s, \"Access denied for user '%(user)s'@'%(host)s' (using password: %(value)s)\")"),
    mark("(%(number)s, \"Can't connect to MySQL server on '%(host)s' (%(why)s)\")"),
    mark("(%(number)s, \"Table '%(name)s' doesn't exist\")"),
    mark("(%(number)s, \"Unknown column '%(name)s' in '%(place)s'\")"),
    mark("(%(number)s, \"Unknown database '%(name)s'\")"),
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
    where = WHERE.match(text)
    start = where.group(0) if where else ""
    parts = SENTENCE.split(text[len(start) :])
    found = [said(part, language, words, DEPTH) for part in parts]
    if len(parts) == 1 or None in found:  # else it might be one sentence, which quotes others
        whole = said(text, language, words, DEPTH)
        if whole is not None:
            return whole
    return start + "".join(joined(one, part) for one, part in zip(found, parts, strict=True)).strip()


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
        inner = {name: said(value, language, words, depth - 1) for name, value in values.items() if name in KNOWN}
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
