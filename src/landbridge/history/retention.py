"""Retention: values that are older than a rule allows leave history, and where the rule says so their means stay.

A mean is a line of its own, of the same series and source, at the start of its period; its member `rollup` says that
it is one, of how many values, and what is needed to aggregate it further (see `rollup`). Lines and means change in one
commit of the table, so a kill leaves it as it was; files that the table gives up so are deleted afterwards. A line goes
only where the lake alone has it: what the store still has besides waits until it is trimmed there.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import Any

import polars as pl
import pyarrow as pa

from landbridge.errors import Damaged, InvalidSettings
from landbridge.history.backfill import publish
from landbridge.history.compact import fold, groups, sweep
from landbridge.history.lake import SCHEMA, File, Lake, LakeTable
from landbridge.history.rolled import ROLLED, mark
from landbridge.history.rollup import OPENING
from landbridge.history.rows import LINES, in_order
from landbridge.history.turn import turn
from landbridge.model.instant import format_instant
from landbridge.model.temporal import ENTITY
from landbridge.store import drained, ledger, manifest
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

LENGTH = re.compile(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?)?\Z"
)
MINUTE = 60_000_000
UNITS = (365 * 1440, 30 * 1440, 7 * 1440, 1440, 60, 1)  # minutes of a year, a month, a week, a day, an hour, a minute
PERIODS = {"PT1M": 1, "PT5M": 5, "PT10M": 10, "PT15M": 15, "PT30M": 30, "PT1H": 60, "PT6H": 360, "P1D": 1440}
SOURCE = "retention"  # in the record of commits
MANY = 1_000_000  # lines of which means are made together
WHATEVER = 1 << 60
SERIES = ["tenant", "entity", "attribute", "dataset", "source", "unit"]


@dataclass(frozen=True)
class RetentionRule:
    """How long values of an attribute ("*": of all that have no rule of their own) stay, in microseconds.

    `period`: what is older becomes means of that length, which stay for `means` (None: for ever).
    """

    type: str
    attribute: str
    keep: int
    period: int | None = None
    means: int | None = None


@dataclass(frozen=True)
class Going:
    """What goes, of one attribute of a type: how many lines, about how many bytes, and from when they are.

    `means`: how many means are left instead. Times in microseconds.
    """

    type: str
    attribute: str
    rows: int
    bytes: int
    oldest: int
    newest: int
    means: int


def length(text: str, where: str) -> int:
    """A length of time as microseconds: a year has 365 days, a month 30. Raises InvalidSettings."""
    found = LENGTH.match(text)
    parts = [int(part or 0) for part in found.groups()] if found else []
    micros = sum(part * unit for part, unit in zip(parts, UNITS, strict=True)) * MINUTE if parts else 0
    if micros <= 0 or text.endswith("T"):
        raise InvalidSettings(f"`{where}` is '{text}'.", where="landbridge.toml", hint="Write it like P90D or P5Y.")
    return micros


class Retention:
    """Keeps a pool's lake to rules; of an attribute the most special rule counts. Stored names everywhere."""

    def __init__(self, store: SqliteStore, lake: Lake, rules: Sequence[RetentionRule], grace: int = 0) -> None:
        self.store, self.lake, self.rules, self.grace = store, lake, tuple(rules), grace

    def planned(self) -> list[Going]:
        """What would go now, by type and attribute; nothing is changed."""
        publish(self.store, self.lake)
        return [going for one in self.tables() for going in one.planned()]

    def keep(self) -> list[Going]:
        """Let go what the rules say, and say what went; on record before it goes and after."""
        publish(self.store, self.lake)
        gone: list[Going] = []
        with turn(self.store.path):  # nobody drains, joins or erases beside it
            for one in self.tables():
                gone += one.keep()
        return gone

    def tables(self) -> Iterator["Keeper"]:
        now = self.store.clock()
        for type_ in sorted({rule.type for rule in self.rules}):
            table = self.lake.table(type_)
            if table is not None:
                rules = [rule for rule in self.rules if rule.type == type_]
                yield Keeper(self.store, table, rules, now, self.grace)


class Keeper:
    """One type's table and its rules, at one moment."""

    def __init__(
        self, store: SqliteStore, table: LakeTable, rules: Sequence[RetentionRule], now: int, grace: int
    ) -> None:
        self.store, self.table, self.now, self.grace = store, table, now, grace
        self.rules = sorted(rules, key=lambda rule: rule.attribute == "*")
        self.files = table.snapshot().files
        with store.reader() as connection:
            self.upto = drained.of_type(connection, table.type).trimmed
            self.numbers = [one.number for one in manifest.of_type(connection, table.type)]

    # -- which lines

    def lines(self, files: Sequence[File] | None = None) -> pl.LazyFrame:
        paths = [file.path for file in (self.files if files is None else files)]
        return pl.scan_parquet(paths, storage_options=self.table.lake.options or None)

    @property
    def alone(self) -> pl.Expr:
        """Lines that the store has not, nor a line that they replace."""
        ours = (pl.col("commit") <= self.upto) | pl.col("commit").is_in(self.numbers)
        other = pl.col("replaces_commit")
        return ours & (other.is_null() | (other <= self.upto) | other.is_in(self.numbers))

    def of(self, rule: RetentionRule) -> pl.Expr:
        """Lines of a rule's attributes."""
        if rule.attribute != "*":
            return pl.col("attribute") == rule.attribute
        named = [one.attribute for one in self.rules if one.attribute != "*"]
        return ~pl.col("attribute").is_in([*named, ENTITY])

    def before(self, rule: RetentionRule) -> int:
        """The time before which raw values go: whole periods of means alone."""
        limit = self.now - rule.keep
        return limit if rule.period is None else limit - limit % rule.period

    def old(self, rule: RetentionRule) -> pl.Expr:
        """Raw values that go by a rule; with means, what has none stays as long as these."""
        told = self.alone & self.of(rule) & pl.col("operation").is_in(["set", "delete"]) & ~ROLLED
        raw = told & (instant < self.before(rule))
        if rule.period is None:
            return raw
        late = told & (instant < self.now - rule.means) if rule.means is not None else pl.lit(False)
        return (raw & NUMBERS) | late

    def meant(self, rule: RetentionRule) -> pl.Expr:
        """Raw values of which means are made."""
        told = self.old(rule) & NUMBERS & STANDS
        return told if rule.means is None else told & (instant >= self.now - rule.means)

    def old_means(self, rule: RetentionRule) -> pl.Expr:
        """Means that go by a rule: all of them, where it wants none any more."""
        limit = self.before(rule) if rule.period is None else None if rule.means is None else self.now - rule.means
        return ROLLED & self.alone & self.of(rule) & (instant < limit) if limit is not None else pl.lit(False)

    @property
    def going(self) -> pl.Expr:
        return pl.any_horizontal(*(self.old(rule) | self.old_means(rule) for rule in self.rules))

    # -- before

    def planned(self) -> list[Going]:
        """What would go, by attribute."""
        if not self.files:
            return []
        size = sum(file.size for file in self.files) / max(sum(file.rows for file in self.files), 1)
        gone = self.counted(
            self.lines().filter(self.going).group_by("attribute").agg(
                rows=pl.len(), oldest=instant.min(), newest=instant.max()
            )
        )  # fmt: skip
        means: dict[str, int] = {}
        for rule in self.rules:
            if rule.period is not None:
                places = self.lines().filter(self.meant(rule)).select(*SERIES, at=bucket(rule.period))
                found = self.counted(places.unique().group_by("attribute").len())
                means |= dict(found.iter_rows())
        return [
            Going(self.table.type, name, rows, round(rows * size), oldest, newest, means.get(name, 0))
            for name, rows, oldest, newest in gone.sort("attribute").iter_rows()
        ]

    def counted(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return self.table.guarded(lambda: frame.collect(engine="streaming"))

    # -- the work

    def keep(self) -> list[Going]:
        """Let lines go and means come, in one commit of the table."""
        fold(self.table, self.now, WHATEVER)  # so that each line says itself whether it stands
        self.files = self.table.snapshot().files
        going = self.planned()
        if not going:
            self.forget()
            return []
        number = self.store.queue(
            partial(begin, self.table.type, self.now, going), ("", SOURCE, "", SOURCE, None)
        ).result()
        touched = [file for file in self.files if self.meets(file)]
        made = self.means(number)
        left = [new for file in touched if (new := self.rewritten(file)) is not None]
        if self.table.commit([*left, *made], touched) is None:
            raise Damaged("Files of the lake have changed meanwhile.", where=self.table.address, hint="Try it again.")
        self.store.tend(partial(record, self.table.type, self.now, going, "done"))
        self.forget()
        return going

    def meets(self, file: File) -> bool:
        """Whether a file has any line that goes, or a mean that is made anew."""
        wanted = self.going | pl.any_horizontal(*self.remade.values())
        return bool(self.counted(self.lines([file]).select(wanted.any()))[0, 0])

    @cached_property
    def remade(self) -> dict[RetentionRule, pl.Expr]:
        """Means of periods of which raw values have come late: they are made again of both."""
        found: dict[RetentionRule, pl.Expr] = {}
        any_ = self.counted(self.lines().select(ROLLED.any()))[0, 0]
        for rule in self.rules:
            found[rule] = pl.lit(False)
            if any_ and rule.period is not None:
                late = self.counted(self.lines().filter(self.meant(rule)).select(bucket(rule.period)).unique())
                found[rule] = ROLLED & self.alone & self.of(rule) & instant.is_in(late.to_series().implode())
        return found

    def means(self, number: int) -> list[File]:
        """The files of means, of commit `number`."""
        made: list[File] = []
        ordinal = 0
        for rule in self.rules:
            for low, high in self.stretches(rule):
                inputs = self.lines().filter(self.meant(rule) | self.remade[rule], instant >= low, instant < high)
                lines = in_order(averaged(self.counted(averages(inputs, rule.period or 1)), number, ordinal))
                ordinal += lines.num_rows
                if lines.num_rows:
                    made.append(self.table.write(lines, corrects=False))
        return made

    def stretches(self, rule: RetentionRule) -> Iterator[tuple[int, int]]:
        """Times from and until which so many values go that their means can be made together."""
        if rule.period is None:
            return
        days = self.lines().filter(self.meant(rule)).group_by(day=instant // DAY).len()
        low, count, last = None, 0, 0
        for day, lines in self.counted(days).sort("day").iter_rows():
            if low is not None and count + lines > MANY:
                yield low, day * DAY
                low, count = None, 0
            low = day * DAY if low is None else low
            count, last = count + lines, day
        if low is not None:
            yield low, (last + 1) * DAY

    def rewritten(self, file: File) -> File | None:
        """A file without the lines that go; None where none is left."""
        stay = ~(self.going | pl.any_horizontal(*self.remade.values()))

        def parts() -> Iterator[pa.Table]:
            for lines in groups(self.table, file):
                frame = pl.from_arrow(lines)
                assert isinstance(frame, pl.DataFrame)
                left = lines.filter(pa.array(frame.select(stay.fill_null(True)).to_series().to_numpy()))
                if left.num_rows:
                    yield left

        left = parts()
        first = next(left, None)
        if first is None:
            return None
        return self.table.write_parts(chain([first], left), file.low, file.high, corrects=file.corrects)

    def forget(self) -> None:
        """Delete the files that the table has given up, so that what went is gone."""
        with self.store.reader() as connection:
            waiting = [one for one in manifest.of_type(connection, self.table.type) if not one.published]
        if not waiting:
            sweep(self.table, (), self.now, self.grace, False)


DAY = 86_400_000_000
instant = pl.col("time").dt.epoch("us")
NUMBERS = pl.col("form").is_in(["number", "integer"])
STANDS = pl.col("until").is_null() & (pl.col("operation") == "set")


def bucket(period: int) -> pl.Expr:
    """When the period begins in which a line lies: periods of UTC."""
    return instant - instant.mod(period)


def averages(lines: pl.LazyFrame, period: int) -> pl.LazyFrame:
    """Counts, sums and extremes of each series in each period, of raw values and of former means."""
    number = pl.col("number")
    weighed = lines.with_columns(
        at=bucket(period),
        count=pl.when(ROLLED).then(mark("count")).otherwise(1.0),
        least=pl.when(ROLLED).then(mark("min")).otherwise(number),
        greatest=pl.when(ROLLED).then(mark("max")).otherwise(number),
        squares=pl.when(ROLLED).then(mark("sumsq")).otherwise(number * number),
    )
    return weighed.group_by(*SERIES, "at").agg(
        total=(number * pl.col("count")).sum(),
        count=pl.col("count").sum().cast(pl.Int64),
        least=pl.col("least").min(),
        greatest=pl.col("greatest").max(),
        squares=pl.col("squares").sum(),
        recorded=pl.col("recorded").max(),
        until=pl.lit(None, pl.Datetime("us", "UTC")),
        end=(bucket(period) + period).first(),
    )


def averaged(found: pl.DataFrame, number: int, first: int) -> pa.Table:
    """Means as lines of the lake, of commit `number`, in no order."""
    moment = pl.col("at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    lines = found.sort(*SERIES, "at").with_row_index("ordinal", first).with_columns(
        time=moment, day=moment.dt.date(), timed=pl.lit(True), commit=pl.lit(number, pl.Int64),
        ordinal=pl.col("ordinal").cast(pl.Int32), run=pl.lit(None, pl.Int64), row=pl.lit(None, pl.Int64),
        operation=pl.lit("set"), kind=pl.lit("Property"), form=pl.lit("number"),
        number=pl.col("total") / pl.col("count"), text=pl.lit(None, pl.String), json=pl.lit(None, pl.String),
        lon=pl.lit(None, pl.Float64), lat=pl.lit(None, pl.Float64), rest=marked(),
        replaces_commit=pl.lit(None, pl.Int64), replaces_ordinal=pl.lit(None, pl.Int32),
    )  # fmt: skip
    made: pa.Table = lines.select(SCHEMA.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    return made.cast(LINES)


def marked() -> pl.Expr:
    """The members by which a mean says that it is one: of how many values, their extremes, the sum of their squares."""
    end = pl.col("end").cast(pl.Datetime("us")).dt.to_string("%Y-%m-%dT%H:%M:%SZ")
    return pl.concat_str(
        pl.lit(OPENING + '{"type":"JsonProperty","json":{"method":"mean","count":'), pl.col("count"),
        pl.lit(',"min":'), pl.col("least"), pl.lit(',"max":'), pl.col("greatest"),
        pl.lit(',"sumsq":'), pl.col("squares"), pl.lit(',"until":"'), end, pl.lit('"}}}'),
    )  # fmt: skip


# -- on record


def begin(type_: str, now: int, going: Sequence[Going], transaction: SqliteTransaction) -> int:
    """Put on record what is about to go; answers the commit that the means are of, which has no line in the store."""
    record(type_, now, going, "begun", transaction)
    transaction.connection.execute(
        "INSERT INTO manifest (type, source, run, number, recorded, files) VALUES (?, ?, 0, ?, 0, NULL)",
        (type_, SOURCE, transaction.number),
    )
    return transaction.number


def record(type_: str, now: int, going: Sequence[Going], outcome: str, transaction: SqliteTransaction) -> None:
    rows: list[Any] = []
    for one in going:
        stretch = f"{format_instant(one.oldest)} to {format_instant(one.newest)}"
        said = f"{one.rows:,} lines, {stretch}; {one.means:,} means"
        rows.append((now, SOURCE, "", "retention", f"{type_}/{one.attribute}", outcome, said, ""))
    ledger.add_audit(transaction.connection, rows)
