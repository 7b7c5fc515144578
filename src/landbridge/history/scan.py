"""All lines of some attributes within a stretch of time as one lazy table, over store and lake, those that stand.

Nothing is read until it is collected, and then only the columns that are asked for, in parts: so sums over a hundred
million lines need little memory. Lines that were replaced or taken away are left out on the way.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from landbridge.history.block import said
from landbridge.history.lake import SCHEMA, File
from landbridge.history.line import CLIENTS, Line
from landbridge.history.rows import pending
from landbridge.history.spread import View, Views, may_hold
from landbridge.history.supersede import superseding
from landbridge.model.instant import EPOCH, FIRST, LAST, MICROSECOND
from landbridge.model.temporal import ENTITY, Span, TemporalQuery

BASE = ("entity", "attribute", "time")


def plain(lines: pa.Table) -> pl.DataFrame:
    """Lines as a frame, texts as texts."""
    found = pl.from_arrow(lines)
    assert isinstance(found, pl.DataFrame)
    return found.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


EMPTY = plain(SCHEMA.empty_table())
TYPES = EMPTY.schema


def moment(instant: int) -> pl.Expr:
    """An instant as a literal that files' statistics are compared with."""
    told: datetime = EPOCH + min(max(instant, FIRST), LAST) * MICROSECOND
    return pl.lit(told).cast(pl.Datetime("us", "UTC"))


def in_span(column: str, span: Span) -> pl.Expr:
    found = pl.col(column)
    match span.relation:
        case "before":
            return found < moment(span.at)
        case "after":
            return found >= moment(span.at)
    upto = [found < moment(span.until)] if span.until is not None else []
    return pl.all_horizontal([found >= moment(span.at), *upto])


class Scan:
    """The lines of one question, of some types. `ids`: of these entities only."""

    def __init__(self, views: Views, types: Sequence[str], asked: TemporalQuery, ids: Sequence[str] | None = None):
        self.views = views
        self.parts = [views.of(type_) for type_ in types]
        self.asked = asked
        self.ids = ids
        self.held: dict[tuple[str, ...], pl.DataFrame] = {}
        self.hiding: dict[tuple[str, ...], tuple[pl.DataFrame, pl.DataFrame]] = {}

    def collect(self, lines: pl.LazyFrame) -> pl.DataFrame:
        """Read. Raises Damaged or Unreachable where a file cannot be read."""
        if self.views.lake is None:
            return lines.collect()
        with self.views.lake.told():
            return lines.collect(engine="streaming")

    def lines(self, attributes: Sequence[str], columns: Iterable[str]) -> pl.LazyFrame:
        """Instances of these attributes (none named: of all) that count, with entity, attribute, time and columns."""
        wanted = list(dict.fromkeys([*BASE, *columns]))
        found = []
        for view in self.parts:
            for part, same in self.sources(view, attributes):
                part = part.filter(self.conditions(attributes, same))
                found.append(self.standing(view, part, wanted, attributes, same))
        if not found:
            return EMPTY.lazy().select(wanted)
        return pl.concat(found)

    def sources(self, view: View, attributes: Sequence[str]) -> list[tuple[pl.LazyFrame, Mapping[str, Any]]]:
        """The lines of a type's files, and those of the store that are not there yet, before any are left out.

        With each what is the same in all of its lines that may be meant, as far as that is known.
        """
        found: list[tuple[pl.LazyFrame, Mapping[str, Any]]] = []
        files = [file for file in view.snapshot.files if may_hold(file, self.asked.span)]
        if files and self.views.lake is not None:
            paths = [file.path for file in files]
            options = self.views.lake.options or None
            found.append((pl.scan_parquet(paths, storage_options=options), self.same(view, files, attributes)))
        waiting = self.waiting(view, attributes)
        if waiting.height:
            found.append((waiting.lazy(), {}))
        return found

    def same(self, view: View, files: Sequence[File], attributes: Sequence[str]) -> dict[str, Any]:
        """What is the same in all lines of some attributes, by the statistics of the files."""
        assert view.table is not None
        found: dict[str, Any] | None = None
        for file in files:
            for group in self.views.blocks.groups(view.table, file):
                low, high = group.attribute
                if attributes and not any(low <= name <= high for name in attributes):
                    continue
                if found is None:
                    found = dict(group.same)
                else:
                    found = {name: one for name, one in found.items() if name in group.same and group.same[name] == one}
        return found or {}

    def conditions(self, attributes: Sequence[str], same: Mapping[str, Any]) -> list[pl.Expr]:
        """Which lines are meant; what is the same in all of them need not be looked at."""
        asked, span = self.asked, self.asked.span
        found = [] if same.get("tenant") == asked.query.tenant else [pl.col("tenant") == asked.query.tenant]
        if len(attributes) == 1:
            found.append(pl.col("attribute") == attributes[0])
        else:
            found.append(pl.col("attribute").is_in(list(attributes)) if attributes else pl.col("attribute") != ENTITY)
        if self.ids is not None and len(self.ids) == 1:
            found.append(pl.col("entity") == self.ids[0])
        elif self.ids is not None:
            found += [pl.col("entity") >= min(self.ids, default=""), pl.col("entity") <= max(self.ids, default="")]
            found.append(pl.col("entity").is_in(list(self.ids)))
        operation = "delete" if span is not None and span.property == "deletedAt" else "set"
        if same.get("operation") != operation:
            found.append(pl.col("operation") == operation)
        if span is not None:
            if span.property == "observedAt":
                found += [*([] if same.get("timed") is True else [pl.col("timed")]), in_span("time", span)]
            else:
                found.append(in_span("recorded", span))
        if asked.datasets:
            found.append(pl.col("dataset").fill_null("").is_in(list(asked.datasets)))
        return found

    def waiting(self, view: View, attributes: Sequence[str]) -> pl.DataFrame:
        """What the store alone has, of these attributes or that hides something."""
        key = (view.type, *attributes)
        if key not in self.held:
            parts = []
            for part in pending(self.views.connection, view.kinds, view.snapshot.position):
                names = pc.cast(part.column("attribute"), pa.string())
                part = part.filter(pc.is_in(names, pa.array([*attributes, ENTITY]))) if attributes else part
                if part.num_rows:
                    parts.append(plain(self.superseded(view, part)))
            self.held[key] = pl.concat(parts) if parts else EMPTY.clear()
        return self.held[key]

    def superseded(self, view: View, lines: pa.Table) -> pa.Table:
        """Lines of the store with what they take the place of, as the drain will find it."""
        times = pc.min_max(lines.column("time").cast(pa.int64())).as_py()
        earlier = [
            file.path for file in view.snapshot.files if file.first <= times["max"] and file.last >= times["min"]
        ]
        sources = pc.invert(pc.is_in(pc.cast(lines.column("source"), pa.string()), pa.array(CLIENTS)))
        if not pc.any(pc.and_(sources, lines.column("timed"))).as_py():
            return lines
        return superseding(lines, earlier, self.views.lake.options if self.views.lake is not None else None)

    def has_json(self, attributes: Sequence[str]) -> bool:
        """Whether there may be values that are neither numbers nor texts."""
        return any(
            same.get("json", "") is not None for view in self.parts for _, same in self.sources(view, attributes)
        )

    def has_means(self, attributes: Sequence[str]) -> bool:
        """Whether some lines may be means that retention left in the place of others (see `history.rollup`)."""
        return any(
            same.get("rest", "") is not None for view in self.parts for _, same in self.sources(view, attributes)
        )

    def last(self) -> int | None:
        """A time after which no line lies, as files say; None where there are no lines."""
        found = [file.last for view in self.parts for file in view.snapshot.files if may_hold(file, self.asked.span)]
        for frame in self.held.values():
            if frame.height:
                found.append(int(frame["time"].dt.epoch("us").max()))  # type: ignore[arg-type]  # there are some
        return max(found, default=None)

    # -- what stands

    def standing(
        self, view: View, lines: pl.LazyFrame, wanted: Sequence[str], attributes: Sequence[str], same: Mapping[str, Any]
    ) -> pl.LazyFrame:
        asked = self.asked
        if asked.as_of is not None:
            known = pl.col("recorded") <= moment(asked.as_of)
            for number, since in view.since.items():
                if since > asked.as_of:
                    known &= pl.col("commit") != number
            lines = lines.filter(known, pl.col("until").is_null() | (pl.col("until") > moment(asked.as_of)))
        elif same.get("until", "") is not None:
            lines = lines.filter(pl.col("until").is_null())
        hidden, clears = self.corrections(view, attributes)
        if hidden.height:
            lines = lines.join(hidden.lazy(), on=["commit", "ordinal"], how="anti")
        if clears.height:
            lines = self.uncleared(lines, clears)
        alike = {name: same[name] for name in wanted if name in same}
        rest = [name for name in wanted if name not in alike]
        return lines.select(*rest, *(pl.lit(one, TYPES[name]).alias(name) for name, one in alike.items())).select(
            wanted
        )

    def corrections(self, view: View, attributes: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Which lines are hidden by others, by place; and up to which commit series of entities are."""
        key = (view.type, *attributes)
        if key not in self.hiding:
            self.hiding[key] = self.find_corrections(view, attributes)
        return self.hiding[key]

    def find_corrections(self, view: View, attributes: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
        columns = ["tenant", "entity", "attribute", "dataset", "commit", "recorded", "operation", "replaces_commit",
                   "replaces_ordinal"]  # fmt: skip
        parts = []
        files = [file.path for file in view.snapshot.files if file.corrects]
        if files and self.views.lake is not None:
            parts.append(pl.scan_parquet(files, storage_options=self.views.lake.options or None).select(columns))
        waiting = self.waiting(view, attributes)
        if waiting.height:
            parts.append(waiting.lazy().select(columns))
        if not parts:
            return EMPTY.select("commit", "ordinal"), EMPTY.select("entity", "attribute", "dataset", "commit")
        lines = pl.concat(parts).filter(
            pl.col("replaces_commit").is_not_null() | (pl.col("operation") == "clear"),
            *([pl.col("recorded") <= moment(self.asked.as_of)] if self.asked.as_of is not None else []),
        )
        found = self.collect(lines)
        hidden = found.filter(pl.col("replaces_commit").is_not_null()).select(
            commit=pl.col("replaces_commit"), ordinal=pl.col("replaces_ordinal")
        )
        clears = (
            found.filter(pl.col("operation") == "clear", pl.col("tenant") == self.asked.query.tenant)
            .group_by("entity", "attribute", "dataset")
            .agg(cleared=pl.col("commit").max())
        )
        return hidden.unique(), clears

    def uncleared(self, lines: pl.LazyFrame, clears: pl.DataFrame) -> pl.LazyFrame:
        whole = clears.filter(pl.col("attribute") == ENTITY).group_by("entity").agg(pl.col("cleared").max())
        series = clears.filter(pl.col("attribute") != ENTITY)
        for part, keys in ((whole, ["entity"]), (series, ["entity", "attribute", "dataset"])):
            if part.height:
                lines = lines.join(part.lazy(), on=keys, how="left", nulls_equal=True)
                lines = lines.filter(pl.col("cleared").is_null() | (pl.col("commit") >= pl.col("cleared")))
                lines = lines.drop("cleared")
        return lines

    def line(self, attribute: str, told: Mapping[str, Any]) -> Line:
        """A line of values from columns, where others do not matter."""
        blank: dict[str, Any] = dict.fromkeys(SCHEMA.names)
        told = {**blank, "timed": False, "ordinal": 0, "source": "", **told}
        times = {name: (told[name] - EPOCH) // MICROSECOND if told[name] else 0 for name in ("time", "recorded")}
        instance = said(told, times["time"])
        observed = times["time"] if told["timed"] else None
        return Line(
            attribute, told["dataset"], observed, times["recorded"], told["commit"] or 0, told["ordinal"],
            told["source"], "set", instance,
        )  # fmt: skip
