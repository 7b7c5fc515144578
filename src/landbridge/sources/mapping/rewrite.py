"""Changes to a mapping's tree before it runs: each output row learns which source row it came from.

The column `_row` is carried through selections, joins, CTEs, subqueries and UNION ALL; a GROUP BY keeps the greatest.
Where it cannot be carried (DISTINCT, other set operations) `_row` is null, unless the mapping names a column `row`.
"""

import copy
import json
from typing import Any

import duckdb

from landbridge.sources.mapping.statement import Node, Statement, parts, shallow

ROW = "_row"


def render(connection: duckdb.DuckDBPyConnection, tree: Node) -> str:
    """Write a tree as SQL."""
    document = {"error": False, "statements": [{"node": tree, "named_param_map": []}]}
    rows = connection.execute("select json_deserialize_sql(?::varchar::json)", [json.dumps(document)]).fetchall()
    return str(rows[0][0])


def with_rows(statement: Statement, references: frozenset[str], aggregates: frozenset[str]) -> Node:
    """A copy of the mapping's tree that carries `_row` where it can."""
    tree = copy.deepcopy(statement.tree)
    carry = Carrying(references, aggregates)
    return tree if "row" in statement.columns or carry.inject(tree, {}) else copy.deepcopy(statement.tree)


class Carrying:
    """Adds `_row` to the select lists of a tree, from the source outwards."""

    def __init__(self, references: frozenset[str], aggregates: frozenset[str]) -> None:
        self.references = references
        self.aggregates = aggregates

    def inject(self, node: Node, ctes: dict[str, bool]) -> bool:
        """Add `_row` to the query's columns; whether that could be done."""
        ctes = dict(ctes)
        for entry in node.get("cte_map", {}).get("map", []):
            ctes[str(entry["key"]).lower()] = self.inject(entry["value"]["query_node"], ctes)
        if node["type"] == "SET_OPERATION_NODE":
            return self.inject_union(node, ctes)
        if node["type"] != "SELECT_NODE":
            return False
        carriers = self.carriers(node["from_table"], ctes)
        if not carriers or any(
            m["type"] == "DISTINCT_MODIFIER" and not m["distinct_on_targets"] for m in node["modifiers"]
        ):
            return False
        if any(item["class"] == "STAR" and not item["relation_name"] for item in node["select_list"]):
            return not any(item.get("exclude_list") or item.get("expr") for item in node["select_list"])
        node["select_list"].append(row_column(carriers[0], self.aggregated(node)))
        return True

    def inject_union(self, node: Node, ctes: dict[str, bool]) -> bool:
        tried = copy.deepcopy(node)
        if node["setop_type"] != "UNION" or not node["setop_all"]:
            return False
        if not all(self.inject(part, ctes) for part in parts(tried)):
            return False
        node.update(tried)
        return True

    def aggregated(self, node: Node) -> bool:
        return bool(node["group_expressions"]) or any(
            item.get("class") == "FUNCTION" and str(item.get("function_name", "")).lower() in self.aggregates
            for item in shallow([node["select_list"], node["having"]], lambda item: item.get("class") == "SUBQUERY")
        )

    def carriers(self, table: Node, ctes: dict[str, bool]) -> list[str]:
        """The names, within a FROM, of what has `_row`."""
        kind = table["type"]
        if kind == "BASE_TABLE":
            name = str(table["table_name"])
            known = ctes.get(name.lower(), name not in self.references)
            return [str(table["alias"] or name)] if known else []
        if kind == "SUBQUERY":
            return [str(table["alias"])] if self.inject(table["subquery"]["node"], ctes) and table["alias"] else []
        if kind == "JOIN":
            left = self.carriers(table["left"], ctes)
            hidden = table["join_type"] in ("SEMI", "ANTI")
            return left if hidden else [*left, *self.carriers(table["right"], ctes)]
        return []


def row_column(alias: str, aggregated: bool) -> Node:
    """`alias._row as _row`, or the greatest of a group."""
    column = reference(alias, ROW)
    return call("max", [column], ROW) if aggregated else {**column, "alias": ROW}


def reference(*names: str) -> Node:
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "query_location": 0, "column_names": list(names)}


def call(name: str, arguments: list[Node], alias: str = "") -> Node:
    """A function's call as a tree."""
    made: dict[str, Any] = {
        "class": "FUNCTION",
        "type": "FUNCTION",
        "alias": alias,
        "query_location": 0,
        "function_name": name,
        "schema": "",
        "filter": None,
        "order_bys": {"type": "ORDER_MODIFIER", "orders": []},
        "distinct": False,
        "is_operator": False,
        "export_state": False,
        "catalog": "",
        "arguments": [{"name": "", "expression": argument} for argument in arguments],
        "qualified_name": {"path": [name]},
        "is_legacy_function_call": False,
    }
    return made
