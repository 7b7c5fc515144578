"""What a mapping's SQL text says before it has seen a row: its columns, its literal types, whether rows stand alone.

DuckDB's own parser gives the tree (`json_serialize_sql`), so what is checked is what will run. Exactly one SELECT,
over the source's tables, the reference tables and `failed`; nothing that reads files, or answers differently each time.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from landbridge.errors import InvalidMapping

Node = dict[str, Any]
NOWHERE = 18446744073709551615
FAILED = "failed"  # the table of failed expectations
TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree"})
FORBIDDEN = re.compile(
    r"(read_|glob$|parquet_|sniff_|duckdb_|pragma_|query$|query_table$|getenv$|current_setting$|getvariable$|nextval$"
    r"|currval$|setseed$|write_log$|sql_auto_complete$|json_execute|.*_scan|__)"
)
CHANGING = frozenset(
    {"now", "current_timestamp", "get_current_timestamp", "current_date", "today", "current_time", "get_current_time"}
    | {"current_localtimestamp", "current_localtime", "transaction_timestamp", "random", "uuid", "uuidv4", "uuidv7"}
    | {"gen_random_uuid", "txid_current"}
)
MOMENTS = frozenset({"current_timestamp", "current_date", "current_time", "localtime", "localtimestamp"})
PLAIN_NAME = re.compile(r"\w[\w$ -]*\Z")


@dataclass(frozen=True)
class Statement:
    """One checked mapping. `tables`: the source tables it reads; `references`: others it names."""

    tree: Node
    columns: tuple[str, ...]
    types: tuple[str, ...] | None  # None: the type is computed
    tables: tuple[str, ...]
    references: tuple[str, ...]
    rowwise: bool
    multiplies: bool  # a join or an unnest may make more rows than there are


def position(text: str, byte: int) -> str:
    """Name a byte of the SQL text as `line:column`, counted in characters from 1."""
    before = text.encode()[:byte].decode(errors="ignore")
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def at(path: str, text: str, node: Node | None) -> str:
    """Name the place of a tree's node as `path:line:column`."""
    byte = (node or {}).get("query_location", NOWHERE)
    return f"{path}:{position(text, byte)}" if byte != NOWHERE else path


def walk(node: Any) -> Iterator[Node]:
    """Yield every object of the tree."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def parse(connection: duckdb.DuckDBPyConnection, text: str, path: str) -> Node:
    """Parse one SELECT into DuckDB's tree. Raises InvalidMapping with the place."""
    rows = connection.execute("select json_serialize_sql(?::varchar)", [text]).fetchall()
    answer = json.loads(rows[0][0])
    if answer["error"]:
        reason = str(answer.get("error_message", ""))
        if "Only SELECT" in reason:
            raise InvalidMapping(
                "A mapping is one SELECT and this is another statement.",
                where=path,
                hint="Write  select ... from source.",
            )
        place = f"{path}:{position(text, int(answer.get('position', 0)))}" if "position" in answer else path
        raise InvalidMapping(f"The SQL has a {reason}.", where=place, hint="Mend the text there.")
    statements = answer["statements"]
    if len(statements) != 1:
        raise InvalidMapping(
            f"A mapping is one SELECT and here are {len(statements)} statements.",
            where=path,
            hint="Give each SELECT a file of its own in the folder `mapping`." if statements else "Write one SELECT.",
        )
    tree: Node = statements[0]["node"]
    return tree


def analyse(
    connection: duckdb.DuckDBPyConnection, text: str, path: str, references: frozenset[str], aggregates: frozenset[str]
) -> Statement:
    """Check one mapping's text and say what it makes. Raises InvalidMapping with file, line and column."""
    tree = parse(connection, text, path)
    check_functions(tree, text, path)
    named = table_names(tree, text, path)
    shape = Shape(references | {FAILED}, aggregates)
    tables = tuple(dict.fromkeys(name for name in named if name not in shape.references))
    kind = shape.stretch(tree, {})
    alone = kind is not None and sum(name not in shape.references for name in named) == 1
    return Statement(
        tree,
        column_names(tree, text, path),
        literal_types(tree),
        tables,
        tuple(dict.fromkeys(name for name in named if name in shape.references)),
        rowwise=alone,
        multiplies=any(node.get("type") in ("JOIN", "TABLE_FUNCTION") for node in walk(tree))
        or any(node.get("function_name") == "unnest" for node in walk(tree)),
    )


def check_functions(tree: Node, text: str, path: str) -> None:
    """Refuse what reaches outside the mapping or answers differently each time."""
    for node in walk(tree):
        if node.get("type") == "SHOW_REF":
            raise InvalidMapping(
                "A mapping is one SELECT and this describes one.", where=path, hint="Write the SELECT."
            )
        if node.get("type") == "TABLE_FUNCTION":
            name = str(node["function"]["function_name"]).lower()
            if name not in TABLE_FUNCTIONS:
                raise InvalidMapping(
                    f"The table function '{name}' is not within a mapping's reach.",
                    where=at(path, text, node),
                    hint="Read a file as a reference table: declare it under [tables] in source.toml.",
                )
        if node.get("class") == "COLUMN_REF" and node["column_names"][0].lower() in MOMENTS:
            raise InvalidMapping(  # SQL's words for now look like columns
                f"'{node['column_names'][0]}' answers differently each time.",
                where=at(path, text, node),
                hint="Use what the row says; a column of that name is written with its table's:  source.current_date.",
            )
        if node.get("class") in ("FUNCTION", "WINDOW"):
            check_function(str(node.get("function_name", "")).lower(), at(path, text, node))


def check_function(name: str, where: str) -> None:
    if name in CHANGING:
        raise InvalidMapping(
            f"The function '{name}' answers differently each time.",
            where=where,
            hint="A pull of the same rows must make the same entities: use what the row says.",
        )
    if FORBIDDEN.match(name):
        raise InvalidMapping(
            f"The function '{name}' is not within a mapping's reach.", where=where, hint="Leave it out."
        )


def table_names(tree: Node, text: str, path: str) -> list[str]:
    """The tables that the SELECT reads, once per mention, without its own CTEs."""
    own = {str(entry["key"]).lower() for node in walk(tree) for entry in node.get("cte_map", {}).get("map", [])}
    own |= {str(node["cte_name"]).lower() for node in walk(tree) if node.get("cte_name")}
    names = []
    for node in walk(tree):
        if node.get("type") != "BASE_TABLE":
            continue
        name = str(node["table_name"])
        if node.get("schema_name") or node.get("catalog_name") or not PLAIN_NAME.match(name):
            raise InvalidMapping(
                f"The table '{name}' is not within a mapping's reach.",
                where=at(path, text, node),
                hint="Read `source`, a table of the source, or one declared under [tables] in source.toml.",
            )
        if name.lower() not in own:
            names.append(name)
    return names


def outputs(tree: Node) -> list[Node]:
    """The SELECT nodes whose rows come out: one, or each part of a set operation."""
    if tree["type"] == "SET_OPERATION_NODE":
        return [node for part in parts(tree) for node in outputs(part)]
    return [tree] if tree["type"] == "SELECT_NODE" else []


def parts(tree: Node) -> list[Node]:
    return [part for part in (tree.get("children") or [tree.get("left"), tree.get("right")]) if part]


def column_names(tree: Node, text: str, path: str) -> tuple[str, ...]:
    """The names of the SELECT's columns, in order."""
    first = next(iter(outputs(tree)), None)
    if first is None:
        raise InvalidMapping("The outermost part is no SELECT.", where=path, hint="End with  select ... as id ...")
    names = []
    for place, expression in enumerate(first["select_list"], 1):
        if expression["class"] == "STAR":
            raise InvalidMapping(
                "The columns of '*' are not known before a row is read.",
                where=at(path, text, expression),
                hint="Write each column:  ... as id, ... as type, ... as name",
            )
        name = expression.get("alias") or (expression.get("column_names") or [""])[-1]
        if not name:
            raise InvalidMapping(
                f"Column {place} of the SELECT has no name.",
                where=at(path, text, expression),
                hint="Write  ... as name",
            )
        names.append(str(name))
    return tuple(names)


def literal_types(tree: Node) -> tuple[str, ...] | None:
    """The entity types, where the column `type` is a literal or a CASE of literals."""
    found: dict[str, None] = {}
    for node in outputs(tree):
        names = [e.get("alias") or (e.get("column_names") or [""])[-1] for e in node["select_list"]]
        first = outputs(tree)[0]
        place = next(
            (
                i
                for i, e in enumerate(first["select_list"])
                if (e.get("alias") or (e.get("column_names") or [""])[-1]) == "type"
            ),
            None,
        )
        if place is None or place >= len(names):
            return None
        literals = constants(node["select_list"][place])
        if not literals:
            return None
        found.update(dict.fromkeys(literals))
    return tuple(found)


def constants(expression: Node) -> list[str]:
    """The texts that an expression can be; none where one of them is computed."""
    if expression["class"] == "CONSTANT" and expression["literal"]["kind"] == "STRING":
        return [str(expression["literal"]["text"])]
    if expression["class"] == "CASE":
        ends = [check["then_expr"] for check in expression["case_checks"]] + [expression["else_expr"]]
        ends = [end for end in ends if not rejects(end) and not is_null(end)]
        literals = [constants(end) for end in ends]
        return [text for found in literals for text in found] if all(literals) else []
    return []


def is_null(expression: Node) -> bool:
    return bool(expression["class"] == "CONSTANT" and expression["literal"]["kind"] == "NULL_LITERAL")


def rejects(expression: Node) -> bool:
    return str(expression.get("function_name", "")).lower() in ("reject", "error")


@dataclass(frozen=True)
class Shape:
    """Judges whether each output row depends on one source row alone."""

    references: frozenset[str]
    aggregates: frozenset[str]

    def stretch(self, node: Node, ctes: dict[str, str | None]) -> str | None:
        """The source table whose rows this query passes on one by one; None where it does not."""
        if node["type"] != "SELECT_NODE" or node["modifiers"] or node["group_expressions"] or node["having"]:
            return None
        ctes = dict(ctes)
        for entry in node["cte_map"]["map"]:
            ctes[str(entry["key"]).lower()] = self.stretch(entry["value"]["query_node"], ctes)
        own = [*node["select_list"], node["where_clause"], node["qualify"]]
        if node["qualify"] or node["sample"] or any(self.gathers(part) for part in own):
            return None
        return self.origin(node["from_table"], ctes)

    def origin(self, table: Node, ctes: dict[str, str | None]) -> str | None:
        kind = table["type"]
        if table.get("sample"):
            return None
        if kind == "BASE_TABLE":
            name = str(table["table_name"])
            if name.lower() in ctes:
                return ctes[name.lower()]
            return None if name in self.references else name
        if kind == "SUBQUERY":
            return self.stretch(table["subquery"]["node"], ctes)
        if kind == "JOIN" and table["ref_type"] != "POSITIONAL":
            left, right = self.origin(table["left"], ctes), self.origin(table["right"], ctes)
            if left and table["join_type"] in ("INNER", "LEFT", "SEMI", "ANTI"):
                return left
            if right and table["join_type"] in ("INNER", "RIGHT"):
                return right
        return None

    def gathers(self, part: Any) -> bool:
        """Whether an expression looks over several rows (subqueries apart: they are counted as mentions)."""
        return any(
            node.get("class") == "WINDOW" or str(node.get("function_name", "")).lower() in self.aggregates
            for node in shallow(part, lambda node: node.get("class") == "SUBQUERY")
        )


def shallow(node: Any, stop: Callable[[Node], bool]) -> Iterator[Node]:
    """Like `walk`, without what lies below an object that `stop` names."""
    if isinstance(node, dict):
        if stop(node):
            return
        yield node
        for value in node.values():
            yield from shallow(value, stop)
    elif isinstance(node, list):
        for value in node:
            yield from shallow(value, stop)
