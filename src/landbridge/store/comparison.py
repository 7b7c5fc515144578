"""Comparisons: what one element of a target has to be, as SQL over an element's JSON type and atom or over a slot.

Types never mix: a number is compared with numbers, a text with texts, a boolean equals booleans only. Two texts
that are both dates and times are compared as instants (NGSI-LD 4.9).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from landbridge.errors import InvalidQuery
from landbridge.model.query import Between, Compare, OneOf, Scalar
from landbridge.model.slot import FALSE, TRUE
from landbridge.store.fragment import NEVER, Fragment, every, listed, put, some
from landbridge.store.function import instant
from landbridge.store.pattern import check_pattern

Choice = Scalar | tuple[Scalar, Scalar]
Leaf = Compare | Between | OneOf
SQL_OPERATORS = {"==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
MOST_VALUES = 1000


@dataclass(frozen=True)
class Comparison:
    """A leaf of the tree in one shape: an element equals, orders or matches one of the choices.

    `negated`: no element may; `equality`: also relationships can be asked so, other operators never match them;
    `texts`: only a target with a text in it can match.
    """

    operator: Literal["==", "<", "<=", ">", ">=", "~="]
    choices: tuple[Choice, ...]
    negated: bool = False
    equality: bool = True
    texts: bool = False


def comparison(leaf: Leaf) -> Comparison:
    """Bring a leaf into the one shape. Raises InvalidQuery for a pattern or a list that cannot be used."""
    if isinstance(leaf, Between):
        return Comparison("==", ((leaf.low, leaf.high),), leaf.negated)
    if isinstance(leaf, OneOf):
        if len(leaf.values) > MOST_VALUES:
            raise InvalidQuery(f"The list has more than {MOST_VALUES} values.", hint="Ask in parts.")
        return Comparison("==", leaf.values, leaf.negated)
    operator = leaf.operator
    if operator == "~=" or operator == "!~=":
        return Comparison("~=", (check_pattern(str(leaf.value)),), operator == "!~=", equality=False, texts=True)
    if operator == "==" or operator == "!=":
        return Comparison("==", (leaf.value,), operator == "!=")
    return Comparison(operator, (leaf.value,), equality=False)


def element(asked: Comparison, alias: str) -> Fragment:
    """The condition on one row of `json_each`: an element of a list, or the target itself. Members of objects don't."""
    number, text = f"{alias}.type IN ('integer', 'real')", f"{alias}.type = 'text'"
    atom = f"{alias}.atom"
    parts = [
        every([Fragment(number), numbers(asked, atom)]) if has_numbers(asked) else NEVER,
        every([Fragment(text), texts(asked, atom)]) if has_texts(asked) else NEVER,
        *(Fragment(f"{alias}.type = '{str(choice).lower()}'") for choice in booleans(asked)),
    ]
    return every([Fragment(f"typeof({alias}.key) <> 'text'"), some(parts)])


def slot(asked: Comparison, column: str) -> Fragment:
    """The condition on a slot that is neither absent nor says to look into the document."""
    parts = [
        every([numbers(asked, column), *bound(asked, column, "''", {">", ">="})]) if has_numbers(asked) else NEVER,
        texts_of_slot(asked, column) if has_texts(asked) else NEVER,
        *(put(f"{column} = {{}}", TRUE if choice else FALSE) for choice in booleans(asked)),
    ]
    found = some(parts)
    if not asked.negated:
        return found
    kind = [Fragment(f"typeof({column}) = 'text'")] if asked.texts else [Fragment(f"{column} <> x''")]
    return every([*kind, put("NOT {}", found if found.sql.startswith("(") else put("({})", found))])


def texts_of_slot(asked: Comparison, column: str) -> Fragment:
    """Numbers sort before texts and marks after them, so an open end needs a fence."""
    if asked.operator == "~=" or any(instant(text) is not None for text in every_text(asked)):
        return every([Fragment(f"typeof({column}) = 'text'"), texts(asked, column)])
    fences = [*bound(asked, column, "x''", {">", ">="}), *bound(asked, column, "''", {"<", "<="}, ">=")]
    return every([texts(asked, column), *fences])


def bound(asked: Comparison, column: str, end: str, operators: set[str], sign: str = "<") -> list[Fragment]:
    return [Fragment(f"{column} {sign} {end}")] if asked.operator in operators else []


def moment(asked: Comparison, column: Fragment) -> Fragment:
    """The condition on an integer of microseconds: only dates and times compare with it."""
    if asked.operator == "~=":
        return NEVER
    parts = []
    for choice in asked.choices:
        low, high = choice if isinstance(choice, tuple) else (choice, choice)
        first, last = instant(low), instant(high)
        if first is None or last is None:
            continue
        if isinstance(choice, tuple):
            parts.append(put("{} BETWEEN {} AND {}", column, first, last))
        else:
            parts.append(put("{} " + SQL_OPERATORS[asked.operator] + " {}", column, first))
    found = some(parts)
    return put("{} IS NOT NULL AND NOT ({})", column, found) if asked.negated else found


# -- the choices by type


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def singles(asked: Comparison) -> Iterator[Scalar]:
    return (choice for choice in asked.choices if not isinstance(choice, tuple))


def ranges(asked: Comparison) -> Iterator[tuple[Scalar, Scalar]]:
    return (choice for choice in asked.choices if isinstance(choice, tuple))


def booleans(asked: Comparison) -> list[bool]:
    return [choice for choice in singles(asked) if isinstance(choice, bool)] if asked.operator == "==" else []


def every_text(asked: Comparison) -> Iterator[str]:
    yield from (choice for choice in singles(asked) if isinstance(choice, str))
    for low, high in ranges(asked):
        if isinstance(low, str) and isinstance(high, str):
            yield from (low, high)


def has_numbers(asked: Comparison) -> bool:
    return any(map(is_number, singles(asked))) or any(is_number(a) and is_number(b) for a, b in ranges(asked))


def has_texts(asked: Comparison) -> bool:
    return next(every_text(asked), None) is not None


def numbers(asked: Comparison, atom: str) -> Fragment:
    """The part of the condition that numbers can meet."""
    values = [fitting(choice) for choice in singles(asked) if is_number(choice)]
    between = [
        put(f"{atom} BETWEEN {{}} AND {{}}", fitting(low), fitting(high))
        for low, high in ranges(asked)
        if is_number(low) and is_number(high)
    ]
    return some([*compared(asked, atom, values), *between])


def fitting(value: object) -> int | float:
    """A number as SQLite holds it: what needs more than 64 bits is a float."""
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else float(value)
    return float(str(value)) if not isinstance(value, float) else value


def texts(asked: Comparison, atom: str) -> Fragment:
    """The part of the condition that texts can meet."""
    if asked.operator == "~=":
        return put(f"regexp({{}}, {atom})", str(asked.choices[0]))
    values = [choice for choice in singles(asked) if isinstance(choice, str)]
    plain = [value for value in values if instant(value) is None]
    parts = compared(asked, atom, plain)
    for value in values:
        if instant(value) is not None:
            sign = SQL_OPERATORS[asked.operator]
            parts.append(put(f"coalesce(instant({atom}) {sign} {{}}, {atom} {sign} {{}})", instant(value), value))
    for low, high in ranges(asked):
        if isinstance(low, str) and isinstance(high, str):
            parts.append(text_range(low, high, atom))
    return some(parts)


def text_range(low: str, high: str, atom: str) -> Fragment:
    as_text = put(f"{atom} BETWEEN {{}} AND {{}}", low, high)
    if instant(low) is None or instant(high) is None:
        return as_text
    return put(f"coalesce(instant({atom}) BETWEEN {{}} AND {{}}, {{}})", instant(low), instant(high), as_text)


def compared(asked: Comparison, atom: str, values: list[int | float] | list[str]) -> list[Fragment]:
    """Values of one type against the atom; many are one list, for SQLite bounds the depth of an expression."""
    if asked.operator == "==" and len(values) > 1:
        return [put(f"{atom} IN ({{}})", listed(values))]
    return [put(f"{atom} {SQL_OPERATORS[asked.operator]} {{}}", value) for value in values]
