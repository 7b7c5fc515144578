"""Forgetting names in texts: what waits to be told, what clients left, records of runs, commits and the audit.

What describes the subject itself goes; what only names it keeps the mark in its place, so that a subscription, a map
or a record of others stays what it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import apsw
import orjson

from landbridge.model.erasure import Naming, Subject, walked
from landbridge.pool.untold import is_about_nothing
from landbridge.store import entity_map, shelf, wipe
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

FREE = ("reason", "notes", "expectations")  # members of a run's record that people read
NAMED: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (  # table, its key, columns that may name anything
    ("shelf_gone", ("shelf", "tenant", "id"), ("id",)),
    ("interest", ("tenant", "type", "id", "attribute"), ("id",)),
    ("delivered", ("shelf", "tenant", "subscription"), ("body",)),
    ("commits", ("number",), ("actor", "request")),
    ("audit", ("seq",), ("actor", "target", "reason", "request")),
    ("source", ("name",), ("cursor",)),
    ("meta", ("name",), ("value",)),
    ("past", ("key",), ("types",)),
)


def forget(store: SqliteStore, subject: Subject, naming: Naming, mark: str) -> dict[str, int]:
    """Forget a subject in all texts."""
    texts = Texts(subject, naming, mark)
    counts: dict[str, int] = {}
    jobs = (texts.changes, texts.deliveries, texts.outbox, texts.maps, texts.runs, texts.names, texts.of_source)
    done = [store.tend(job) for job in jobs]
    done.append(store.write(texts.shelves, tenant=subject.tenant, actor="erasure"))  # at a time of its own
    for found in done:
        for what, number in found.items():
            counts[what] = counts.get(what, 0) + number
    return counts


@dataclass
class Texts:
    """One subject's names in texts."""

    subject: Subject
    naming: Naming
    mark: str

    @property
    def needles(self) -> list[str]:
        return list(self.naming.marks)

    # -- what waits to be told

    def changes(self, transaction: SqliteTransaction) -> dict[str, int]:
        """Changes that nobody has been told of yet."""
        connection, subject = transaction.connection, self.subject
        if subject.entity is not None:
            connection.execute(
                f"DELETE FROM change WHERE {wipe.WITHIN} AND id=?2",  # noqa: S608  (a condition of ours)
                (subject.tenant, subject.entity),
            )
        else:
            said = f'"@":[{orjson.dumps(subject.source).decode()},'
            connection.execute(
                f"DELETE FROM change WHERE {wipe.WITHIN} AND (instr(before, ?2) OR instr(after, ?2))",  # noqa: S608  (as above)
                (subject.tenant, said),
            )
        count = connection.changes()
        wipe.rewrite(
            transaction, "change", ("rank",), ("before", "after"), self.needles,
            lambda *texts: [text and self.naming.named(text) for text in texts],
        )  # fmt: skip
        return {"changes to be told": count}

    def deliveries(self, transaction: SqliteTransaction) -> dict[str, int]:
        """Notifications that wait, also those that were given up."""
        connection, counts = transaction.connection, {"notifications that wait": 0}
        key = ("shelf", "tenant", "subscription", "rank")
        gone = self.gone(connection)
        rows = list(connection.execute(f"SELECT {', '.join(key)}, body, reason FROM delivery"))  # noqa: S608  (names)
        for *place, body, reason in rows:
            made = self.notified(body, gone)
            said = self.naming.free(reason)
            if made == body and said == reason:
                continue
            counts["notifications that wait"] += 1
            found = " AND ".join(f"{name}=?" for name in key)
            if made is None:
                connection.execute(f"DELETE FROM delivery WHERE {found}", place)  # noqa: S608  (names above)
            else:
                connection.execute(
                    f"UPDATE delivery SET body=?, reason=? WHERE {found}",  # noqa: S608  (names above)
                    (made, said, *place),
                )
        return counts

    def notified(self, body: bytes, gone: Callable[[str], bool]) -> bytes | None:
        """A notification without what describes the subject; None where it was about nothing else."""
        told = orjson.loads(body)
        clean = walked(told, self.naming.named, gone)
        if clean == told:
            return body
        return None if is_about_nothing(clean) else orjson.dumps(clean)

    def gone(self, connection: apsw.Connection) -> Callable[[str], bool]:
        """Which ids describe the subject: its own, or of entities that its source fed or that are no more."""
        if self.subject.entity is not None:
            return lambda text: text == self.subject.entity
        said, known = f'"@":[{orjson.dumps(self.subject.source).decode()},', dict[str, bool]()

        def fed(text: str) -> bool:
            if ":" not in text:
                return False
            if text not in known:
                doc = connection.execute(
                    "SELECT e.doc FROM name n JOIN entity e USING (key) WHERE n.tenant=? AND n.id=?",
                    (self.subject.tenant, text),
                ).get
                known[text] = doc is None or said in doc
            return known[text]

        return fed

    def outbox(self, transaction: SqliteTransaction) -> dict[str, int]:
        """Announcements of commits: those of a source go, others no longer name what is gone."""
        connection, subject = transaction.connection, self.subject
        if subject.source is not None:
            connection.execute(
                "DELETE FROM outbox WHERE number IN (SELECT number FROM commits WHERE source=?)", (subject.source,)
            )
            return {"announcements": connection.changes()}

        def without(body: str) -> tuple[str]:
            told = orjson.loads(body)
            left = [id_ for id_ in told["entities"] if id_ not in self.naming.marks]
            return (orjson.dumps({**told, "entities": left}).decode(),)

        return {"announcements": wipe.rewrite(transaction, "outbox", ("number",), ("body",), self.needles, without)}

    # -- what clients left

    def maps(self, transaction: SqliteTransaction) -> dict[str, int]:
        """Entity maps."""
        connection, count = transaction.connection, 0
        rows = list(connection.execute("SELECT tenant, id, body FROM shelf WHERE shelf=?", (entity_map.SHELF,)))
        for tenant, id_, body in rows:
            told = orjson.loads(body)
            gone = self.gone_of_map(connection, tenant, told["entities"])
            if gone:
                left = {name: where for name, where in told["entities"].items() if name not in gone}
                linked = {name: where for name, where in told["linked"].items() if name not in gone}
                connection.execute(
                    "UPDATE shelf SET body=? WHERE shelf=? AND tenant=? AND id=?",
                    (
                        orjson.dumps({**told, "entities": left, "linked": linked}).decode(),
                        entity_map.SHELF,
                        tenant,
                        id_,
                    ),
                )
                count += 1
        return {"entity maps": count}

    def gone_of_map(self, connection: apsw.Connection, tenant: str, ids: Mapping[str, Any]) -> set[str]:
        if tenant != self.subject.tenant:
            return set()
        if self.subject.source is None:
            return set(ids) & set(self.naming.marks)
        rows: Any = (
            connection.execute(
                "SELECT id FROM name WHERE tenant=? AND id IN carray(?)", (tenant, apsw.carray(tuple(ids)))
            )
            if ids
            else []
        )
        return set(ids) - {id_ for (id_,) in rows}

    def names(self, transaction: SqliteTransaction) -> dict[str, int]:
        """Names in whatever clients and records hold; telling values in the reasons of the audit."""
        counts: dict[str, int] = {}
        for table, key, columns in NAMED:
            clean = self.naming.free if table == "audit" else self.naming.named
            count = wipe.rewrite(
                transaction, table, key, columns, self.needles,
                lambda *texts, clean=clean: [text and clean(text) for text in texts],
            )  # fmt: skip
            counts["records that named it"] = counts.get("records that named it", 0) + count
        return counts

    def shelves(self, transaction: SqliteTransaction) -> dict[str, int]:
        """Documents that clients left: they count as changed, so that whoever has them in memory reads them again."""
        changed: set[tuple[str, str, str]] = set()

        def renamed(name: str, tenant: str, id_: str, body: str) -> tuple[str, str, str, str]:
            clean = self.naming.named(body)
            if clean != body:
                changed.add((name, tenant, id_))
            return name, tenant, id_, clean

        key = ("shelf", "tenant", "id")
        wipe.rewrite(transaction, "shelf", key, (*key, "body"), self.needles, renamed)
        for place in changed:
            transaction.connection.execute(
                "UPDATE shelf SET modified=? WHERE shelf=? AND tenant=? AND id=?", (transaction.recorded, *place)
            )
        for name in {name for name, _, _ in changed}:
            shelf.grow(transaction, name)
        return {"clients' documents that named it": len(changed)}

    # -- records

    def runs(self, transaction: SqliteTransaction) -> dict[str, int]:
        """What the records of runs say in words: reasons, notes, examples of what was expected."""
        connection, count = transaction.connection, 0
        for source, run, body in list(connection.execute("SELECT source, run, body FROM run")):
            told = orjson.loads(body)
            words = orjson.dumps([told.get(name) for name in FREE]).decode()
            hits = frozenset(text for text in self.naming.telling if text in words)
            if not hits and not any(needle in words for needle in self.needles):
                continue
            naming = replace(self.naming, telling=hits)
            clean = {name: walked(told.get(name), naming.free, lambda text: False) for name in FREE if name in told}
            if {**told, **clean} != told:
                made = orjson.dumps({**told, **clean}).decode()
                connection.execute("UPDATE run SET body=? WHERE source=? AND run=?", (made, source, run))
                count += 1
        return {"records of runs": count}

    def of_source(self, transaction: SqliteTransaction) -> dict[str, int]:
        """The record of a source that is erased whole."""
        connection, name = transaction.connection, self.subject.source
        if name is None or self.subject.timed:
            return {}
        connection.execute("DELETE FROM run WHERE source=?", (name,))
        count = connection.changes()
        connection.execute("DELETE FROM source WHERE name=?", (name,))
        connection.execute("UPDATE commits SET source=? WHERE source=?", (self.mark, name))
        connection.execute("UPDATE audit SET target=? WHERE target=?", (self.mark, name))
        connection.execute("UPDATE manifest SET source=? WHERE source=?", (self.mark, name))
        return {"records of runs": count}
