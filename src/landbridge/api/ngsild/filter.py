"""The `q` parameter: text to query tree and back. NGSI-LD 4.9 (query language).

query     = all *("|" all)
all       = term *(";" term)                              ";" binds before "|"
term      = "(" query ")" / attribute [operator values]
attribute = name "{" [name *("," name) ":"] attribute "}" / path      an entity that a relationship points at
path      = name *("." name) ["[" key *("." key) "]"]
operator  = "==" / "!=" / ">" / ">=" / "<" / "<=" / "~=" / "!~="
values    = value *("," value), a value being one or low..high
value     = number / "text" / true / false / date, time or date-time / URI / word (after == and != alone)
"""

import json
import re
from collections.abc import Callable
from typing import Any

from landbridge.api.ngsild.reader import Reader
from landbridge.errors import Invalid
from landbridge.model.query import And, Between, Compare, Exists, Leaf, Linked, Node, OneOf, Or, Path, Scalar
from landbridge.model.terms import Terms, full_name

MEMBERS = frozenset({"observedAt", "unitCode", "datasetId", "createdAt", "modifiedAt"})
MOST_VALUES = 200
ENDLESS = (float("inf"), float("-inf"))

IRI_NAME = re.compile(r"[A-Za-z][A-Za-z0-9+-]*://[^\s\"'<>=;()\[\]{}|!~,\x00-\x1f]+")
NAME = re.compile(r"[^\s\"'<>=;()\[\]{}|!~,.@\x00-\x1f][^\s\"'<>=;()\[\]{}|!~,.\x00-\x1f]*")
HINT = re.compile(r"([^\W\d][\w-]*)(?:,[^\W\d][\w-]*)*:(?!//)")
KEY = re.compile(r"[^\s\"\[\].\x00-\x1f]+|\*")
OPERATOR = re.compile(r"!~=|~=|==|!=|>=|<=|>|<")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)?(?![\w:+-])", re.ASCII)
TIME = re.compile(r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?(?![\w:+-])", re.ASCII)
NUMBER = re.compile(r"[+-]?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?(?![\w+:-])", re.ASCII)
TRUTH = re.compile(r"(?:true|false)(?![\w:.-])")
WORD = re.compile(r"[^\W\d][\w-]*(?![\w:.-])")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:(?!\.\.)[^\s\"<>;|(),\x00-\x1f])+")
PATTERN = re.compile(r"[^;|()\"\x00-\x1f]+")
PLAIN_NAME = re.compile(rf"(?:{NAME.pattern})\Z")


def parse_q(text: str, terms: Terms, expanded: frozenset[str] = frozenset()) -> Node:
    """Read a `q`. `expanded`: stored names of attributes whose texts are terms of a vocabulary (`expandValues`).

    Raises InvalidQuery that says at which character it goes wrong, and nothing else.
    """
    reader = Reader(text, "q")
    try:
        node = parse_query(reader, Language(terms, expanded))
    except RecursionError:
        reader.wrong("The query is too deep.")
    if not reader.done:
        reader.wrong(f"'{text[reader.at]}' is not expected here.", "Join terms by ';' (and) or '|' (or).")
    return node


class Language:
    """How names are understood."""

    def __init__(self, terms: Terms, expanded: frozenset[str]) -> None:
        self.terms = terms
        self.expanded = expanded

    def stored(self, reader: Reader, name: str) -> str:
        try:
            return self.terms.expand(name)
        except Invalid as error:
            reader.wrong(error.message)


def parse_query(reader: Reader, language: Language) -> Node:
    parts = [parse_all(reader, language)]
    while reader.take("|"):
        parts.append(parse_all(reader, language))
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def parse_all(reader: Reader, language: Language) -> Node:
    parts = [parse_term(reader, language)]
    while reader.take(";"):
        parts.append(parse_term(reader, language))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def parse_term(reader: Reader, language: Language) -> Node:
    if reader.take("("):
        reader.enter()
        node = parse_query(reader, language)
        reader.need(")")
        reader.leave()
        return node
    reader.count_term()
    links = parse_links(reader, language)
    path = parse_path(reader, language)
    for _ in links:
        reader.need("}")
        reader.leave()
    term = parse_condition(reader, path, language)
    for relationship, types in reversed(links):
        term = Linked(relationship, types, term)
    return term


def parse_links(reader: Reader, language: Language) -> list[tuple[str, tuple[str, ...]]]:
    """Read `relationship{Type,Type:` as often as it comes: which relationships are followed, and to which types."""
    links: list[tuple[str, tuple[str, ...]]] = []
    while True:
        start = reader.at
        name = reader.match(IRI_NAME) or reader.match(NAME)
        if name is None or not reader.take("{"):
            reader.at = start
            return links
        reader.enter()
        links.append((language.stored(reader, name), parse_hint(reader, language)))


def parse_hint(reader: Reader, language: Language) -> tuple[str, ...]:
    """Read `Type,Type:`, unless what stands before the colon is a prefix of the @context."""
    start = reader.at
    hint = reader.match(HINT)
    if hint is None:
        return ()
    names = hint[:-1].split(",")
    whole = hint + (reader.match(NAME) or "")
    reader.at = start
    if len(names) == 1 and language.stored(reader, whole) != whole:
        return ()
    reader.at += len(hint)
    return tuple(language.stored(reader, name) for name in names)


def parse_condition(reader: Reader, path: Path, language: Language) -> Leaf:
    """Read the operator and the values behind a path; a path alone asks whether there is something."""
    operator = reader.match(OPERATOR)
    if operator is None:
        return Exists(path)
    if operator in ("~=", "!~="):
        return Compare(path, operator, parse_pattern(reader))  # type: ignore[arg-type] # one of its literals
    return comparison(reader, path, operator, language)


def parse_path(reader: Reader, language: Language) -> Path:
    """Read `attribute.sub.sub[key.key]`. An attribute may be a whole IRI with `//`; then it has no subs."""
    whole = reader.match(IRI_NAME)
    names = [whole or need_name(reader)]
    while whole is None and reader.take("."):
        names.append(need_name(reader))
    keys: list[str] = []
    if reader.take("["):
        keys.append(need_key(reader))
        while reader.take("."):
            keys.append(need_key(reader))
        reader.need("]")
    stored = [name if name in MEMBERS else language.stored(reader, name) for name in names]
    return Path(stored[0], tuple(stored[1:]), tuple(keys))


def need_name(reader: Reader) -> str:
    name = reader.match(NAME)
    return name if name is not None else reader.wrong("The name of an attribute is expected.")


def need_key(reader: Reader) -> str:
    key = reader.match(KEY)
    return key if key is not None else reader.wrong("A key inside the value is expected.")


def comparison(reader: Reader, path: Path, operator: str, language: Language) -> Leaf:
    """Read the values after an operator; only `==` and `!=` take ranges, lists and bare words."""
    equality = operator in ("==", "!=")
    first = parse_value(reader, equality)
    values: list[Scalar | tuple[Scalar, Scalar]] = [first]
    if equality:
        values = [maybe_range(reader, first)]
        while reader.take(","):
            values.append(maybe_range(reader, parse_value(reader, equality)))
            if len(values) > MOST_VALUES:
                reader.wrong(f"A list has at most {MOST_VALUES} values.")
        values = compared(reader, path, values, language)
    if len(values) > 1:
        return OneOf(path, tuple(values), operator == "!=")
    if isinstance(values[0], tuple):
        return Between(path, *values[0], negated=operator == "!=")
    return Compare(path, operator, values[0])  # type: ignore[arg-type] # one of its literals


def compared(reader: Reader, path: Path, values: list[Any], language: Language) -> list[Any]:
    """Values as they are compared: terms of a vocabulary as IRIs where that is asked for (`expandValues`)."""
    if path.attribute in language.expanded and not path.subs and not path.keys:
        return [full_name(language.stored(reader, one)) if isinstance(one, str) else one for one in values]
    return values


def maybe_range(reader: Reader, low: Scalar) -> Scalar | tuple[Scalar, Scalar]:
    if not reader.take(".."):
        return low
    high = parse_value(reader, words=False)
    if isinstance(low, bool) or isinstance(high, bool) or isinstance(low, str) != isinstance(high, str):
        reader.wrong("A range goes from a number to a number, or from a text to a text.")
    return low, high


def parse_value(reader: Reader, words: bool) -> Scalar:
    readers: list[tuple[re.Pattern[str], Callable[[str], Scalar]]] = [
        (DATE, str), (TIME, str), (TRUTH, lambda text: text == "true"), (NUMBER, number), (URI, str),
    ]  # fmt: skip
    readers += [(WORD, str)] if words else []
    if reader.peek('"'):
        return unquoted(reader)
    for pattern, read in readers:
        found = reader.match(pattern)
        if found is not None:
            value = read(found)
            return value if value not in ENDLESS else reader.wrong("The number is too large.")
    return reader.wrong("A value is expected.", 'Put a text in quotes: name=="Binhai".')


def number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def unquoted(reader: Reader) -> str:
    """Read a text in quotes, with the escapes of JSON."""
    start = reader.at
    quoted = reader.match(QUOTED)
    if quoted is None:
        reader.wrong("The text has no closing quote.")
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError:
        reader.at = start
        return reader.wrong("The text has an escape that JSON does not know.")


def parse_pattern(reader: Reader) -> str:
    """Read a regular expression: in quotes (only `\\"` is an escape), or bare up to the next mark."""
    if reader.peek('"'):
        quoted = reader.match(QUOTED)
        if quoted is None:
            reader.wrong("The pattern has no closing quote.")
        return quoted[1:-1].replace('\\"', '"')
    found = reader.match(PATTERN)
    if found is None:
        reader.wrong("A pattern is expected.", 'Write it like name~="^Bin.*".')
    if (len(found) - len(found.rstrip("\\"))) % 2:
        reader.wrong("The pattern ends in a backslash.")
    return found


# -- back to text


def render_q(node: Node, terms: Terms) -> str:
    """Write a tree as `q`, so that reading it gives the tree again."""
    match node:
        case Or(parts):
            return "|".join(grouped(part, terms, Or) for part in parts)
        case And(parts):
            return ";".join(grouped(part, terms, Or, And) for part in parts)
        case Exists() | Compare() | Between() | OneOf() | Linked():
            attribute, condition = render_leaf(node, terms)
            return attribute + condition
        case _:
            raise Invalid("Types are asked for by the parameter 'type'.")


def render_leaf(leaf: Leaf, terms: Terms) -> tuple[str, str]:
    """What a term is about, and what is asked of it."""
    match leaf:
        case Linked(relationship, types, term):
            attribute, condition = render_leaf(term, terms)
            hint = ",".join(terms.compact(name) for name in types)
            return f"{spelt(relationship, terms)}{{{hint + ':' if hint else ''}{attribute}}}", condition
        case Exists(path):
            return render_path(path, terms), ""
        case Compare(path, operator, value) if operator in ("~=", "!~="):
            return render_path(path, terms), operator + '"' + str(value).replace('"', '\\"') + '"'
        case Compare(path, operator, value):
            return render_path(path, terms), operator + render_value(value)
        case Between(path, low, high, negated):
            return render_path(path, terms), f"{'!=' if negated else '=='}{render_value(low)}..{render_value(high)}"
        case OneOf(path, values, negated):
            listed = ",".join(
                "..".join(map(render_value, one)) if isinstance(one, tuple) else render_value(one) for one in values
            )
            return render_path(path, terms), f"{'!=' if negated else '=='}{listed}"


def grouped(part: Node, terms: Terms, *kinds: type[Or | And]) -> str:
    text = render_q(part, terms)
    return f"({text})" if isinstance(part, kinds) else text


def render_path(path: Path, terms: Terms) -> str:
    names = [name if name in MEMBERS else spelt(name, terms) for name in (path.attribute, *path.subs)]
    return ".".join(names) + (f"[{'.'.join(path.keys)}]" if path.keys else "")


def spelt(name: str, terms: Terms) -> str:
    """A name as a path can have it: where the short one has a dot, which would end it, the whole IRI."""
    short, whole = terms.compact(name), full_name(name)
    return short if PLAIN_NAME.match(short) or not IRI_NAME.fullmatch(whole) else whole


def render_value(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
