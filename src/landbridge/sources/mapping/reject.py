"""Finding the rows that fail: the mapping runs once more over the batch, with each cast and check noting its failures.

`cast(x as double)` becomes "if it cannot be cast, note the row and go on", so one more pass finds every row and the
exact execution of the mapping decides (a branch not taken does not fail). What has no such twin is found by halving.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from landbridge.sources.mapping.function import EXPLAINED
from landbridge.sources.mapping.rewrite import ROW, Carrying, call, reference
from landbridge.sources.mapping.statement import Node

Notes = dict[int, str]
QUERIES = 4_000  # how often a batch may be run again to find its bad rows by halving
TRY = {"strptime": "try_strptime"}


class Notebook:
    """What failing rows say of themselves while the noting query runs."""

    def __init__(self) -> None:
        self.notes: Notes = {}

    def note(self, reasons: pa.ChunkedArray, rows: pa.ChunkedArray) -> pa.Array:
        """DuckDB's side: keeps the first reason of each row; always true."""
        for reason, row in zip(reasons.to_pylist(), rows.to_pylist(), strict=True):
            if row is not None:
                self.notes.setdefault(row, reason or "the row cannot be mapped")
        return pa.array([True] * len(rows), pa.bool_())

    def take(self) -> Notes:
        notes, self.notes = self.notes, {}
        return notes


class Noting:
    """Turns a mapping's tree into one whose failures are noted instead of raised."""

    def __init__(self, carrying: Carrying, parse: Callable[[str], Node]) -> None:
        self.carrying = carrying
        self.parse = parse

    def rewrite(self, tree: Node) -> Node:
        """A noting copy of a tree that already carries `_row`."""
        made = copy.deepcopy(tree)
        self.query(made, {})
        return made

    def query(self, node: Node, ctes: dict[str, bool]) -> None:
        ctes = dict(ctes)
        for entry in node.get("cte_map", {}).get("map", []):
            inner = entry["value"]["query_node"]
            self.query(inner, ctes)
            ctes[str(entry["key"]).lower()] = has_row(inner)
        if node["type"] == "SET_OPERATION_NODE":
            for part in node.get("children") or [node["left"], node["right"]]:
                self.query(part, ctes)
        if node["type"] != "SELECT_NODE":
            return
        carriers = carriers_of(node["from_table"], ctes, self.carrying.references)
        self.subqueries(node["from_table"], ctes)
        if carriers:
            row = reference(carriers[0], ROW)
            for part in ("select_list", "where_clause", "from_table"):
                node[part] = self.expressions(node[part], row)
            if not groups(node):
                for part in ("qualify", "modifiers"):
                    node[part] = self.expressions(node[part], row)

    def subqueries(self, table: Node, ctes: dict[str, bool]) -> None:
        if table["type"] == "SUBQUERY":
            self.query(table["subquery"]["node"], ctes)
        if table["type"] == "JOIN":
            self.subqueries(table["left"], ctes)
            self.subqueries(table["right"], ctes)

    def expressions(self, node: Any, row: Node) -> Any:
        """Replace what can fail, innermost first; what a subquery holds is its own."""
        if isinstance(node, list):
            return [self.expressions(part, row) for part in node]
        if not isinstance(node, dict) or node.get("class") == "SUBQUERY" or node.get("type") == "SUBQUERY":
            return node
        made = {key: self.expressions(value, row) for key, value in node.items()}
        if gathers(node, self.carrying.aggregates):
            return made
        if node.get("class") == "CAST" and not node.get("try_cast"):
            return self.noting_cast(made, row)
        name = str(node.get("function_name", "")).lower()
        if name in ("reject", "error"):
            return self.template("case when __note(cast(_r as varchar), _row) then null end", made, row, argument(made))
        if name in EXPLAINED:
            problem = call(EXPLAINED[name], [item["expression"] for item in made["arguments"]])
            text = "case when __p is not null and __note(__p, _row) then null else __c end"
            return self.template(text, made, row, made, problem)
        if name in TRY:
            tried = {**made, "function_name": TRY[name], "qualified_name": {"path": [TRY[name]]}, "alias": ""}
            text = (
                "case when _r is null or __p is not null or __note('''' || _r || ''' is no ' || _f, _row) then __p end"
            )
            return self.template(text, made, row, argument(made), tried, argument(made, 1))
        return made

    def noting_cast(self, node: Node, row: Node) -> Node:
        """A cast that notes the row and gives NULL where it fails."""
        tried = {**node, "try_cast": True, "alias": ""}
        label = column_label(node["child"])
        kind = type_label(node)
        text = (
            f"case when _r is null or __p is not null or __note({label} || '''' || cast(_r as varchar)"
            f" || ''' is no {kind}', _row) then __p end"
        )
        return self.template(text, node, row, node["child"], tried)

    def template(
        self, text: str, node: Node, row: Node, first: Node, second: Node | None = None, third: Node | None = None
    ) -> Node:
        """Parse an expression and put parts of the mapping's tree into its places."""
        parts = {"_row": row, "_r": first, "__c": first, "__p": second, "_f": third}
        made = self.parse(f"select {text}")["select_list"][0]
        filled: Node = fill(made, {name: bare(part) for name, part in parts.items() if part is not None})
        return {**filled, "alias": node.get("alias", "")}


def bare(node: Node) -> Node:
    return {**node, "alias": ""}


def fill(node: Any, parts: dict[str, Node]) -> Any:
    if isinstance(node, list):
        return [fill(part, parts) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("class") == "COLUMN_REF" and node["column_names"][-1] in parts and len(node["column_names"]) == 1:
        return copy.deepcopy(parts[node["column_names"][0]])
    return {key: fill(value, parts) for key, value in node.items()}


def argument(node: Node, place: int = 0) -> Node:
    found: Node = node["arguments"][place]["expression"]
    return found


def groups(node: Node) -> bool:
    return bool(node["group_expressions"])


def gathers(node: Node, aggregates: frozenset[str]) -> bool:
    return node.get("class") == "WINDOW" or str(node.get("function_name", "")).lower() in aggregates


def column_label(child: Node) -> str:
    """`column pm25: ` where exactly one column is behind the value."""
    names = {str(part["column_names"][-1]) for part in columns(child)}
    name = names.pop() if len(names) == 1 else ""
    return "'" + f"column {name}: ".replace("'", "''") + "'" if name else "''"


def columns(node: Any) -> Iterator[Node]:
    if isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            yield node
        for value in node.values():
            yield from columns(value)
    elif isinstance(node, list):
        for value in node:
            yield from columns(value)


def type_label(node: Node) -> str:
    kind = node.get("type_expr") or {}
    return str(kind.get("type_name", "value of its type")).upper().replace("'", "")


def has_row(node: Node) -> bool:
    """Whether a rewritten query gives `_row`."""
    if node["type"] == "SET_OPERATION_NODE":
        return all(has_row(part) for part in node.get("children") or [node["left"], node["right"]])
    if node["type"] != "SELECT_NODE":
        return False
    return any(
        item.get("alias") == ROW or (item.get("column_names") or [""])[-1] == ROW or item["class"] == "STAR"
        for item in node["select_list"]
    )


def carriers_of(table: Node, ctes: dict[str, bool], references: frozenset[str]) -> list[str]:
    """The names, within a FROM of a rewritten tree, of what has `_row`."""
    kind = table["type"]
    if kind == "BASE_TABLE":
        name = str(table["table_name"])
        known = ctes.get(name.lower(), name not in references)
        return [str(table["alias"] or name)] if known else []
    if kind == "SUBQUERY":
        return [str(table["alias"])] if table["alias"] and has_row(table["subquery"]["node"]) else []
    if kind == "JOIN":
        left = carriers_of(table["left"], ctes, references)
        if table["join_type"] in ("SEMI", "ANTI"):
            return left
        return [*left, *carriers_of(table["right"], ctes, references)]
    return []


def halve(rows: list[int], fails: Callable[[list[int]], str | None], found: Notes) -> bool:
    """Find rows that fail on their own. `fails` runs the mapping over some rows and gives the reason.

    Fills `found`; False when the work's bound is reached or a failure needs several rows at once.
    """
    budget = [QUERIES]
    return halve_within(rows, fails, found, budget)


def halve_within(rows: list[int], fails: Callable[[list[int]], str | None], found: Notes, budget: list[int]) -> bool:
    pending = [rows]
    while pending:
        part = pending.pop()
        if not part:
            continue
        if budget[0] <= 0:
            return False
        budget[0] -= 1
        reason = fails(part)
        if reason is None:
            continue
        if len(part) == 1:
            found[part[0]] = reason
            continue
        middle = len(part) // 2
        pending += [part[:middle], part[middle:]]
    return True
