"""Conditions: one small function for each node of the query tree, from the node to SQL over an entity's row.

A condition on an attribute holds if it holds for one of its instances (NGSI-LD 4.9). Where the attribute has a slot,
its column answers, and the document is opened only where the slot says so.
"""

from dataclasses import dataclass

from landbridge.errors import InvalidQuery
from landbridge.model.query import And, Between, Compare, Exists, Has, Linked, Node, OneOf, Or, Path, Scope
from landbridge.store.comparison import Comparison, comparison, element, moment, slot
from landbridge.store.contract import Kind
from landbridge.store.fragment import ALWAYS, NEVER, Fragment, every, json_path, put, some
from landbridge.store.pattern import escaped
from landbridge.store.schema import KIND_BITS, SLOTS
from landbridge.store.target import OBJECTS, Target, target

ENTITY_TIMES = {"createdAt": "created", "modifiedAt": "modified"}
DEEPEST, MOST_NODES = 40, 400


@dataclass(frozen=True)
class Ground:
    """The rows a condition is compiled for: of one kind (then its slots can be used), or of any."""

    kind: Kind | None
    kinds: dict[str, Kind]
    tenant: str = ""
    depth: int = 0  # relationships followed to get here

    @property
    def row(self) -> str:
        """The name under which the rows are read."""
        return f"e{self.depth}" if self.depth else "entity"

    def slot(self, attribute: str) -> str | None:
        """The column that holds the attribute."""
        number = self.kind.slots.get(attribute) if self.kind else None
        return None if number is None else f"s{number}"

    def lacks(self, attribute: str) -> bool:
        """Whether no row has the attribute: there was a slot for it and it was never taken."""
        return self.kind is not None and attribute not in self.kind.slots and len(self.kind.slots) < SLOTS


def check_size(node: Node, depth: int = 1) -> int:
    """Count the nodes of a tree. Raises InvalidQuery for one too deep or too large."""
    parts = node.parts if isinstance(node, And | Or) else (node.term,) if isinstance(node, Linked) else ()
    count = 1 + sum(check_size(part, depth + 1) for part in parts)
    if depth > DEEPEST or count > MOST_NODES:
        raise InvalidQuery(f"The query has more than {MOST_NODES} terms or {DEEPEST} levels.", hint="Ask in parts.")
    return count


def condition(node: Node, ground: Ground) -> Fragment:
    """Compile a node of the tree."""
    match node:
        case And(parts):
            return every(condition(part, ground) for part in parts)
        case Or(parts):
            return some(condition(part, ground) for part in parts)
        case Has(type_):
            return has_type(type_, ground)
        case Exists(path):
            return exists(path, ground)
        case Compare(path) | Between(path) | OneOf(path):
            return compares(path, comparison(node), ground)
        case Linked():
            return linked(node, ground)


def has_type(type_: str, ground: Ground) -> Fragment:
    """Being of a type: of its kind, or listed as of that type too."""
    kind = ground.kinds.get(type_)
    if kind is None:
        return NEVER
    if ground.kind is not None and ground.kind.num == kind.num:
        return ALWAYS
    extra = put("EXISTS (SELECT 1 FROM extra_type AS x WHERE x.kind = {} AND x.key = " + f"{ground.row}.key)", kind.num)
    parts = [extra] if kind.shared else []
    if ground.kind is None:
        parts.insert(0, put(f"({ground.row}.key >> {KIND_BITS}) = {{}}", kind.num))
    return some(parts)


def exists(path: Path, ground: Ground) -> Fragment:
    """A path that leads somewhere."""
    if path.attribute in ENTITY_TIMES and not path.subs:
        return ALWAYS
    if ground.lacks(path.attribute):
        return NEVER
    if not path.subs and not path.keys:
        column = ground.slot(path.attribute)
        if column:
            return Fragment(f"{column} IS NOT NULL")
        return put("json_type(doc, {}) IS NOT NULL", json_path("attrs", path.attribute))
    found = target(path)
    if not path.keys and not found.meta:
        return put("EXISTS (SELECT 1 FROM {})", found.tables)
    return put("EXISTS (SELECT 1 FROM {} WHERE {} IS NOT NULL)", found.tables, found.value)


def compares(path: Path, asked: Comparison, ground: Ground) -> Fragment:
    """A comparison with what a path leads to."""
    if path.attribute in ENTITY_TIMES and not path.subs:
        return moment(asked, Fragment(ENTITY_TIMES[path.attribute]))
    if ground.lacks(path.attribute):
        return NEVER
    slow = opened(target(path), asked)
    column = ground.slot(path.attribute)
    if column is None or path.subs or path.keys:
        return slow
    fast = slot(asked, column)
    if not asked.equality and not only_numbers(asked):
        fast = every([fast, put("doc -> {} IS NULL", json_path("attrs", path.attribute) + "[0].object")])
    return some([fast, every([Fragment(f"{column} = x''"), slow])])


def only_numbers(asked: Comparison) -> bool:
    return not any(isinstance(choice, str) for choice in asked.choices)


def opened(found: Target, asked: Comparison) -> Fragment:
    """A comparison answered from the document: some instance has an element that fits, or none that does not."""
    if found.time:
        return put("EXISTS (SELECT 1 FROM {} WHERE {})", found.tables, moment(asked, found.value))
    value = found.value
    plain = Fragment(f"{found.instance} -> '$.object' IS NULL AND {found.instance} -> '$.objectList' IS NULL")
    kinds = [] if asked.equality or found.meta else [plain]
    fits = element(asked, "v")
    if not asked.negated:
        return put("EXISTS (SELECT 1 FROM {}, json_each({}) AS v WHERE {})", found.tables, value, every([*kinds, fits]))
    terms = [*kinds, put("{} IS NOT NULL", value)]
    if asked.texts:
        text = "EXISTS (SELECT 1 FROM json_each({}) AS v WHERE v.type = 'text' AND typeof(v.key) <> 'text')"
        terms.append(put(text, value))
    terms.append(put("NOT EXISTS (SELECT 1 FROM json_each({}) AS v WHERE {})", value, fits))
    return put("EXISTS (SELECT 1 FROM {} WHERE {})", found.tables, every(terms))


def linked(node: Linked, ground: Ground) -> Fragment:
    """A relationship that points at an entity of which the term is true.

    The entities pointed at are looked up by their ids, one for each row that is met: a page stops when it is full,
    where a list of all entities that meet the term would be made first. Where the type is told, its slots answer.
    """
    if ground.lacks(node.relationship):
        return NEVER
    types = [ground.kinds[name] for name in node.types if name in ground.kinds]
    if node.types and not types:
        return NEVER
    alone = types[0] if len(types) == 1 and not types[0].shared else None
    there = Ground(alone, ground.kinds, ground.tenant, ground.depth + 1)
    terms = [some(of_kind(kind, there) for kind in types)] if types else []
    meets = every([*terms, condition(node.term, there)])
    if meets == NEVER:
        return NEVER
    found, column = objects(node.relationship, ground)
    number = there.depth
    name, row = f"n{number}", there.row
    target = put(
        f"EXISTS (SELECT 1 FROM name AS {name}, entity AS {row}"
        f" WHERE {name}.tenant = {{}} AND {name}.id = o{number}.atom AND {row}.key = {name}.key AND {{}})",
        *(ground.tenant, meets),
    )
    some_object = put(f"EXISTS (SELECT 1 FROM {{}} AS o{number} WHERE {{}})", found, target)
    return some_object if column is None else every([Fragment(f"{column} IS NOT NULL"), some_object])


def objects(relationship: str, ground: Ground) -> tuple[Fragment, str | None]:
    """The tables whose last holds the ids that a relationship's instances point at, and the column of its slot."""
    number = ground.depth + 1
    instance = f"r{number}.value"
    tables = put(
        f"json_each({ground.row}.doc, {{}}) AS r{number},"
        f" json_each(coalesce({instance} -> '$.object', {OBJECTS.format(instance)}))",
        json_path("attrs", relationship),
    )
    return tables, ground.slot(relationship)


def of_kind(kind: Kind, ground: Ground) -> Fragment:
    """Being of a kind, or listed as of its type too."""
    if ground.kind is None:
        return has_type(kind.type, ground)
    return Fragment(f"({ground.row}.key >> {KIND_BITS}) = {kind.num}")


def present(attributes: tuple[str, ...], ground: Ground) -> Fragment:
    """One of the attributes at least."""
    return some(exists(Path(attribute), ground) for attribute in attributes)


def scoped(scope: Scope) -> Fragment:
    """One alternative of which every pattern is met by one of the entity's scopes (NGSI-LD 4.19)."""
    return some(every(in_scope(pattern) for pattern in patterns) for patterns in scope.alternatives)


def in_scope(pattern: str) -> Fragment:
    if pattern == "/#":
        return Fragment("EXISTS (SELECT 1 FROM json_each(doc, '$.scope') AS s)")
    if not pattern.startswith("/") or "" in pattern[1:].split("/") or "#" in pattern.removesuffix("/#"):
        raise InvalidQuery(
            f"'{pattern[:60]}' is no scope.", hint="Write it like /Binhai/Hebei, /Binhai/+ or /Binhai/#."
        )
    if "+" not in pattern and "#" not in pattern:
        return put("EXISTS (SELECT 1 FROM json_each(doc, '$.scope') AS s WHERE s.value = {})", pattern)
    levels = pattern.removesuffix("/#").split("/")[1:]
    text = "".join("/[^/]+" if level == "+" else "/" + escaped(level) for level in levels)
    text = f"^{text}(/.*)?$" if pattern.endswith("/#") else f"^{text}$"
    return put("EXISTS (SELECT 1 FROM json_each(doc, '$.scope') AS s WHERE regexp({}, s.value))", text)
