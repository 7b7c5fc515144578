"""`landbridge new-source`: looks at data of any kind and writes a first source that already runs."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import orjson
import pyarrow as pa

from landbridge.cli.check import shortened
from landbridge.cli.draft import Draft, draft_mapping, type_name
from landbridge.cli.kind_guess import Guess, guess_kind
from landbridge.cli.listening import listening
from landbridge.cli.preview import Preview, try_source
from landbridge.cli.profile import Column, profile
from landbridge.cli.screen import err, out
from landbridge.errors import Exists, Invalid, InvalidSettings, Unreachable
from landbridge.settings import Settings, read_settings
from landbridge.sources.contract import Declaration, Noted, Source
from landbridge.sources.declaration import NAME, read_declaration
from landbridge.sources.gather import tell_nobody
from landbridge.sources.kind import find_kind

SAMPLE = 5_000  # rows that are looked at
SOUND = 0.01  # share of rows that may be rejected: an hour that a clock skipped is no wrong guess
TRIES = 4  # how often a mapping that does not fit is written more plainly


@dataclass(frozen=True)
class Sample:
    """The first rows of a source, and what it noted while reading."""

    rows: pa.Table
    notes: tuple[str, ...]


@click.command(
    name="new-source",
    epilog="""\b
Examples:
  landbridge new-source trees mycity --from ~/Downloads/trees.csv
  landbridge new-source stops mycity --from https://city.example/gtfs.zip
  landbridge new-source permits mycity --from postgresql://reader@db/city --table permits
  landbridge new-source air mycity --from 'mqtt://broker.example:1883/air/#' --seconds 30
""",
)
@click.argument("name")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--from", "place", metavar="FILE_OR_ADDRESS", required=True, help="A file, a glob, or an address.")
@click.option("--kind", metavar="KIND", help="The kind of source, where the guess is wrong.")
@click.option("--type", "type_", metavar="TYPE", help="The entity type. [default: made of NAME]")
@click.option("--table", metavar="TABLE", help="Of a database: the table or view.")
@click.option("--link", is_flag=True, help="Leave a file where it is, in place of copying it beside the source.")
@click.option("--seconds", default=10.0, show_default=True, help="Of a stream: how long to listen for a sample.")
def new_source(
    name: str,
    folder: Path,
    place: str,
    kind: str | None,
    type_: str | None,
    table: str | None,
    link: bool,
    seconds: float,
) -> None:
    """Look at data and write sources/NAME with a source.toml and a mapping.sql that run at once.

    Kind, types, units, times, places and the likely key are guessed and commented, for you to correct.
    """
    settings = read_settings(folder)
    target = settings.sources / name
    refuse(name, target)
    guess = guess_kind(place, table)
    if kind is not None:
        guess = replace(guess, kind=known_kind(kind))
    with tempfile.TemporaryDirectory(prefix="landbridge-") as waiting:
        draft_folder = Path(waiting) / name
        draft_folder.mkdir()
        options = placed(guess, draft_folder, link)
        err.print(f"Reading {place} as {guess.kind} ...", markup=False)
        write_toml(draft_folder, guess.kind, options, settings, None, {})
        sample = read_sample(draft_folder, seconds)
        columns = profile(sample.rows)
        absent = sorted({text for column in columns for text in column.absent})
        if absent and guess.kind == "csv":
            options["null"] = absent
            write_toml(draft_folder, guess.kind, options, settings, None, {})
            sample = read_sample(draft_folder, seconds)
            columns = profile(sample.rows)
        draft, preview = fit(draft_folder, guess.kind, options, settings, columns, sample, type_ or type_name(name))
        shutil.copytree(draft_folder, target)
    report(folder, target, sample, draft, preview)


def refuse(name: str, target: Path) -> None:
    """Refuse a name that a source cannot have or has already."""
    if NAME.fullmatch(name) is None:
        raise InvalidSettings(f"'{name}' cannot name a source.", hint="Use letters, digits, '-', '_' and '.'.")
    if target.exists():
        raise Exists(f"The city has a source '{name}' already.", where=str(target), hint="Choose another name.")


def known_kind(kind: str) -> str:
    find_kind(kind)  # raises InvalidSettings, naming the kinds there are
    return kind


def placed(guess: Guess, folder: Path, link: bool) -> dict[str, Any]:
    """The options that reach the data; a file is put beside the source, or linked to by its full path."""
    options = dict(guess.options)
    if guess.file is None:
        return options
    if not link:
        shutil.copy2(guess.file, folder / guess.file.name)
        return options
    full = str(guess.file.resolve())
    return {
        name: value.replace(guess.file.name, full) if isinstance(value, str) else value
        for name, value in options.items()
    }


def write_toml(
    folder: Path, kind: str, options: Mapping[str, Any], settings: Settings, key: Column | None, more: Mapping[str, Any]
) -> None:
    """Write source.toml: the place of the data, and as comments what a person may want to add."""
    lines = [
        "# Where the data is, and who answers for it. Every key is in docs/sources.md of Landbridge.",
        f"kind = {toml(kind)}",
        *(f"{name} = {toml(value)}" for name, value in options.items() if not isinstance(value, Mapping)),
        f"time_zone = {toml(settings.time_zone)}  # of times that name no zone: the city's own, please check",
        *(f"{name} = {toml(value)}" for name, value in more.items()),
        '# title = {en = "..."}',
        '# owner = "who answers for the data"',
        '# licence = "the licence that it comes under"',
        '# schedule = "every 1h"         # `landbridge serve` pulls it then; without it, only when asked',
        '# gone = "end"                  # rows that a later pull no longer has are withdrawn',
    ]
    for name, value in options.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *(f"{toml_key(key)} = {toml(one)}" for key, one in value.items())]
    if key is not None:
        lines += ["", "[[expectations]]", f"name = {toml(f'every row has a {key.name}')}", 'kind = "not-null"']
        lines += [f"column = {toml(key.name)}"]
    (folder / "source.toml").write_text("\n".join([*lines, ""]), encoding="utf-8")


def toml(value: Any) -> str:
    """A value as TOML: JSON's way of writing texts, numbers, truths and lists is a part of TOML's."""
    return orjson.dumps(value).decode()


def toml_key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)


def read_sample(folder: Path, seconds: float) -> Sample:
    """The first rows of the main table. Raises what the source raises, Invalid or Unreachable where there are none."""
    declaration = read_declaration(folder)
    source = find_kind(declaration.kind)(declaration)
    kept: list[pa.Table] = []
    rows = 0
    with listening(source, seconds):
        for batch in source.batches(None):
            if batch.table != "source" or not batch.rows.num_rows:
                continue
            kept.append(pa.Table.from_batches([batch.rows.slice(0, SAMPLE)]))
            rows += batch.rows.num_rows
            if rows >= SAMPLE:
                break
    source.stop()
    if not rows:
        raise nothing(declaration, source, seconds)
    notes = tuple(source.notes) if isinstance(source, Noted) else ()
    return Sample(pa.concat_tables(kept, promote_options="permissive").slice(0, SAMPLE), notes)


def nothing(declaration: Declaration, source: Source, seconds: float) -> Invalid | Unreachable:
    if source.manner == "stream":
        return Unreachable(f"No message comes within {seconds:g} s.", hint="Listen longer: --seconds 60")
    place = declaration.options.get("location") or declaration.options.get("address")
    return Invalid("The data has no row to look at.", where=str(place), hint="Give it with some rows.")


def fit(
    folder: Path,
    kind: str,
    options: Mapping[str, Any],
    settings: Settings,
    columns: list[Column],
    sample: Sample,
    type_: str,
) -> tuple[Draft, Preview]:
    """Write the mapping and try it; a column whose guess does not hold is taken as it is, until all rows pass."""
    plain: frozenset[str] = frozenset()
    for attempt in range(TRIES + 1):
        draft = draft_mapping(columns, type_, sample.rows.num_rows, plain)
        more = {"never_store": draft.never_store} if draft.never_store else {}
        write_toml(folder, kind, options, settings, draft.key, more)
        (folder / "mapping.sql").write_text(draft.sql(head(sample)), encoding="utf-8")
        preview = try_source(read_declaration(folder), SAMPLE, tell_nobody)
        few = sum(preview.rejects.values()) <= max(1, SOUND * (preview.read or 0))
        if preview.failure is None and few:
            break
        guilty = frozenset(c.name for c in columns if attempt + 1 >= TRIES or blamed(c, preview))
        plain |= guilty or frozenset(column.name for column in columns)
    if preview.failure is not None:
        raise preview.failure
    return draft, preview


def blamed(column: Column, preview: Preview) -> bool:
    """Whether the rejects or the failure speak of the column, by its name or by one of its values."""
    said = [*preview.rejects, str(preview.failure or "")]
    return any(
        column.name in reason or any(f"'{value}'" in reason for value in column.values[:SAMPLE] if value)
        for reason in said
    )


def head(sample: Sample) -> list[str]:
    """What the mapping's first lines say."""
    return [
        f"A first mapping, guessed from {sample.rows.num_rows:,} rows: each line is for you to correct.",
        "Column names say what each value is: docs/mapping.md of Landbridge.",
    ]


def report(folder: Path, target: Path, sample: Sample, draft: Draft, preview: Preview) -> None:
    """What was found and written, with the first entities, and what to type next for the `folder` that was typed."""
    for note in sample.notes:
        out.print(note, markup=False)
    for line in draft.left_out:
        out.print(line, markup=False)
    out.print(f"\n{folder / 'sources' / target.name}/mapping.sql", style="bold", markup=False)
    out.print((target / "mapping.sql").read_text(encoding="utf-8"), markup=False)
    for entity in preview.entities(2):
        out.print(shortened(orjson.dumps(entity, default=str).decode()), markup=False)
    here = "" if folder.resolve() == Path().resolve() else f" {folder}"
    out.print(
        f"\nNext:  landbridge check{here} {target.name}   then   landbridge pull{here} {target.name}", markup=False
    )
