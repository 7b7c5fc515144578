"""Export wired to a city: from the parameters of a request, or of a command, to a file in the form that is wanted.

The parameters are those of NGSI-LD's queries, so what can be asked can be taken away. Loaded by processes that have
the heavy engines.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from landbridge.api.ngsild.parameter import JSON, wanted_of
from landbridge.api.ngsild.question import read_query
from landbridge.api.ngsild.temporal_question import question_of, read_temporal
from landbridge.app.download import Order, actor_in
from landbridge.app.entity_table import EntityTable
from landbridge.app.entrance import contexts_of, kept_contexts
from landbridge.governance.egress import Egress
from landbridge.governance.policy import Actor
from landbridge.history.export import SHAPE
from landbridge.history.lake import Lake
from landbridge.history.table_form import write
from landbridge.model.address import read_allowed
from landbridge.model.terms import Contexts
from landbridge.pool import export
from landbridge.pool.pool import Pool
from landbridge.settings import Operator, Settings

LEFT = 3600.0  # seconds after which nobody comes for a file any more
FOLDER = "exports"  # in the folder of what waits


@dataclass(frozen=True)
class Exporter:
    """Takes tables out of a city's pool. `spool`: where pages of entities wait."""

    pool: Pool
    lake: Lake
    contexts: Contexts
    spool: Path

    def write(self, actor: Actor, order: Order, file: BinaryIO) -> int:
        """Write what an order asks for; answers how many rows it is. Raises Refused, InvalidQuery, Damaged."""
        return self.history(actor, order, file) if order.history else self.entities(actor, order, file)

    def entities(self, actor: Actor, order: Order, file: BinaryIO) -> int:
        """The entities of a query as they are now, a row each."""
        terms = order.terms(self.contexts)
        wanted = wanted_of(local(order.parameters), terms, order.tenant, JSON)
        query = read_query(wanted)
        shown = wanted.rendering.attrs
        documents = export.entities(self.pool, actor, query)
        if shown is not None:
            documents = (
                {**one, "attrs": {name: one["attrs"][name] for name in shown if name in one["attrs"]}}
                for one in documents
            )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="export-", dir=self.spool) as folder:
            table = EntityTable(Path(folder) / "pages", documents, terms.compact)
            return write(table.pieces(), table.schema, order.form, file, table.shape)

    def history(self, actor: Actor, order: Order, file: BinaryIO) -> int:
        """The instances of a temporal question that stand, a row each."""
        terms = order.terms(self.contexts)
        wanted = read_temporal(local(order.parameters), terms, order.tenant, JSON)
        asked = question_of(wanted, read_query(wanted.entity), 1)
        taken = export.history(self.pool, actor, self.lake, asked, terms.compact, provenance=order.provenance)
        return write(taken.pieces, taken.schema, order.form, file, SHAPE)


def exporter_of(pool: Pool, lake: Lake, settings: Settings, operator: Operator) -> Exporter:
    """What takes tables out of a city's pool and its lake."""
    egress = Egress(read_allowed(operator.allow_egress))
    contexts = contexts_of(settings, kept_contexts(pool, egress, operator))
    spool = (operator.spool or settings.store.parent / "spool") / FOLDER
    spool.mkdir(parents=True, exist_ok=True)
    for left in spool.iterdir():  # by a process that was killed
        if left.is_file() and time.time() - left.stat().st_mtime > LEFT:
            left.unlink(missing_ok=True)
    return Exporter(pool, lake, contexts, spool)


def exported(exporter: Exporter, told: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the serving process orders: make a file, and say where it is and how many rows it has."""
    order, actor = Order(**told["order"]), actor_in(told["actor"])
    handle, path = tempfile.mkstemp(prefix="export-", dir=exporter.spool)
    try:
        with os.fdopen(handle, "wb") as file:
            rows = exporter.write(actor, order, file)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
    return {"path": path, "rows": rows}


def local(given: Mapping[str, str]) -> dict[str, str]:
    """The parameters, of what this pool holds itself."""
    return {**given, "local": "true"}
