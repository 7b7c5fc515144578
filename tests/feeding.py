"""Rows for the pool as a mapping would hand them over, and a pool's state as plain values to compare."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from landbridge.governance.policy import Actor, Role
from landbridge.model.answer import Disagreement, RunRecord, Said
from landbridge.model.claim import ClaimRule, Claims
from landbridge.model.column import plan_columns
from landbridge.model.feed import Delivery, Raw, SourceFacts
from landbridge.pool.ingest import Ingest, open_ingest
from landbridge.store import reading
from landbridge.store.document import unfold
from landbridge.store.segment import iterate, unpack
from landbridge.store.sqlite import SqliteStore, open_store

ACTOR = Actor("tester", Role.OPERATOR)
TIMES = pa.timestamp("us", tz="UTC")
Rows = Sequence[Mapping[str, Any]]


def when(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def micro(text: str) -> int:
    return int(when(text).timestamp()) * 1_000_000


def number(*parts: object) -> int:
    return int.from_bytes(hashlib.sha1("\x1f".join(map(str, parts)).encode()).digest()[:8], "big")


def delivery(rows: Rows, *, types: Mapping[str, pa.DataType] | None = None, first: int = 0, **more: Any) -> Delivery:
    """Rows keyed by column names (id and type among them) as a delivery."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    plan = plan_columns(names)
    times = {name for name in names if name.rpartition(".")[2] == "observedAt"}
    arrays = [
        pa.array([row.get(name) for row in rows], TIMES if name in times else (types or {}).get(name)) for name in names
    ]
    datasets = [attribute.dataset_id for attribute in plan.attributes if attribute.dataset_id]
    keys = [number(row["id"], row.get("observedAt"), *(row.get(name) for name in datasets)) for row in rows]
    hashes = [number(*(row.get(name) for name in names)) for row in rows]
    arrays += [
        pa.array(range(first, first + len(rows)), pa.int64()),
        pa.array(keys, pa.uint64()),
        pa.array(hashes, pa.uint64()),
    ]
    batch = pa.RecordBatch.from_arrays(arrays, names=[*names, "_row", "_key", "_hash"])
    return Delivery(plan, batch, more.pop("raw", raw_of(rows, first)), read=len(rows), **more)


def raw_of(rows: Rows, first: int = 0) -> Raw:
    """The rows themselves as the source's rows, all in texts, lines counted from 2."""
    texts = [{name: None if value is None else str(value) for name, value in row.items()} for row in rows]
    return Raw(
        lambda numbers: pa.RecordBatch.from_pylist([texts[at - first] for at in numbers]),
        lambda numbers: (["file.csv"] * len(numbers), "line", [at + 2 for at in numbers]),
    )


class City:
    """A store with sources that write into it. `clock` is set by hand: microseconds, one more at each look."""

    def __init__(self, path: Path | str = ":memory:", claims: Claims | None = None, start: str = "2026-01-01T00:00Z"):
        self.time = micro(start)
        self.store: SqliteStore = open_store(path, self.clock)
        self.claims = claims or Claims()

    def clock(self) -> int:
        self.time += 1
        return self.time

    def open(self, source: str = "one", **facts: Any) -> Ingest:
        return open_ingest(self.store, self.claims, SourceFacts(source, **facts), actor=ACTOR, fingerprint="f")

    def pull(
        self, source: str, rows: Rows, *, types: Mapping[str, pa.DataType] | None = None, **facts: Any
    ) -> RunRecord:
        """One whole run of a source (or what `manner` says) that brings these rows in one delivery."""
        run = self.open(source, **facts)
        run.write([delivery(rows, types=types)])
        return run.finish()

    def document(self, id_: str, tenant: str = "") -> dict[str, Any] | None:
        stored = self.store.get(tenant, id_)
        found: dict[str, Any] | None = unfold(stored.doc) if stored else None
        return found

    def values(self, id_: str, attribute: str, tenant: str = "") -> list[tuple[str | None, Any, str | None]]:
        """Each instance as (datasetId's last part, value, observedAt), the default (None) first."""
        document = self.document(id_, tenant)
        return [
            (one.get("datasetId", ":").rpartition(":")[2] or None, one["value"], one.get("observedAt"))
            for one in (document["attrs"].get(attribute, []) if document else [])
        ]

    def journal(self) -> list[tuple[str, str, str | None, int | None, str, str, Any]]:
        """All recorded instances: id, attribute, dataset, observed, owner, operation, value; sorted."""
        with self.store.reader() as connection:
            names = dict(connection.execute("SELECT key, id FROM name"))
            found = [
                (names.get(key, str(key)), attribute, dataset, observed, owner, operation, value(text))
                for key, attribute, dataset, observed, owner, operation, text in connection.execute(
                    "SELECT key, attribute, dataset, observed, owner, operation, instance FROM journal"
                )
            ]
            for source, body in list(connection.execute("SELECT source, body FROM segment ORDER BY seq")):
                found += [
                    (names.get(row.key, str(row.key)), row.attribute, row.dataset, row.observed, source, row.operation,
                     value(row.instance))
                    for row in iterate(unpack(body))
                ]  # fmt: skip
        return sorted(found, key=repr)

    def disagreements(self, tenant: str = "") -> list[Disagreement]:
        with self.store.reader() as connection:
            rows = reading.disagreements(connection, tenant, None, None, 10_000)
        return [Disagreement(id_, name, since, until, said(words)) for id_, name, since, until, words in rows]

    def announced(self) -> list[dict[str, Any]]:
        with self.store.reader() as connection:
            return [orjson.loads(body) for (body,) in connection.execute("SELECT body FROM outbox ORDER BY number")]

    def close(self) -> None:
        self.store.close()


def said(words: str) -> tuple[Said, ...]:
    return tuple(Said(one["source"], one["value"], one["observedAt"]) for one in orjson.loads(words))


def value(text: str | None) -> Any:
    if text is None:
        return None
    instance = orjson.loads(text)
    instance.pop("@", None)
    return instance


def rivals(*sources: str, attributes: Sequence[str] = ("n",), type_: str = "T", **rule: Any) -> Claims:
    """Claims in which these sources feed the attributes of a type. `holds`: source -> microseconds."""
    holds = rule.pop("holds", {})
    return Claims(
        {("", type_, name): tuple(sorted(sources)) for name in attributes},
        {(type_, "*"): ClaimRule(rule.pop("rule", "priority"), tuple(sources), **rule)},
        holds,
    )


def bare(document: dict[str, Any] | None) -> Any:
    """A document without commit numbers and recorded times."""
    if document is None:
        return None
    attrs = {
        name: [{**one, "@": [one["@"][0], one["@"][5]]} for one in instances]
        for name, instances in sorted(document["attrs"].items())
    }
    return {**document, "attrs": attrs}
