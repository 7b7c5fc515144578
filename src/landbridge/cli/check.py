"""`landbridge check`: a whole city's folder tried without writing: texts, rules, first rows, likely mistakes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import click
import orjson
from rich.progress import Progress as Display
from shapely.geometry.base import BaseGeometry

from landbridge.app.claims import claims_of
from landbridge.app.retention import retention_rules
from landbridge.cli.exit_code import CODE_OF
from landbridge.cli.folder import complete_sources, source_names, split_folder
from landbridge.cli.mistake import Finding, district, likely_mistakes
from landbridge.cli.preview import Preview, try_source
from landbridge.cli.screen import JSON_HELP, out, print_json, progress
from landbridge.errors import Invalid, LandbridgeError, Missing
from landbridge.settings import FILE, Settings, read_settings
from landbridge.sources.contract import Declaration
from landbridge.sources.declaration import FILE as TOML
from landbridge.sources.declaration import read_declaration
from landbridge.sources.gather import Progress
from landbridge.sources.mapping.mapper import MappingFile, mapping_paths, read_mappings

CITY = ""  # the name under which findings of the city itself stand


@dataclass
class Looked:
    """Everything that was found out about one source."""

    name: str
    declaration: Declaration | None = None
    mappings: tuple[MappingFile, ...] = ()
    preview: Preview = field(default_factory=Preview)
    findings: list[Finding] = field(default_factory=list)


@click.command(
    epilog="""\b
Examples:
  landbridge check binhai
  landbridge check binhai air-quality --rows 0 --entities 10
  landbridge check binhai --json | jq '.findings'
"""
)
@click.argument("words", metavar="[DIR] [SOURCE]...", nargs=-1, shell_complete=complete_sources)
@click.option("--rows", default=20_000, show_default=True, type=click.IntRange(0), help="Rows read a source; 0: all.")
@click.option("--entities", default=2, show_default=True, type=click.IntRange(0, 100), help="Entities shown a mapping.")
@click.option("--strict", is_flag=True, help="End with exit code 3 for a warning, too.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
@click.pass_context
def check(
    context: click.Context, words: tuple[str, ...], rows: int, entities: int, strict: bool, as_json: bool
) -> None:
    """Try a city's folder without writing anything: its settings, each source's first rows, its claims rules.

    Prints the first entities of each source and names likely mistakes: an unknown unit code, a point outside the
    district, a forgotten time zone, an id that is no URI, attributes of several sources without a rule. Streams and
    pushed sources have no first rows: of them the mapping is checked.
    """
    folder, wanted = split_folder(words)
    settings = read_settings(folder)
    names = chosen(settings, wanted)
    outline = district(settings.district)
    with progress() as display:
        looked = [look(settings, name, rows, outline, display) for name in names]
    findings = [*city_findings(settings, looked, everything=not wanted), *(f for one in looked for f in one.findings)]
    if as_json:
        print_json(as_object(looked, findings, entities))
    else:
        for one in looked:
            show(one, entities)
        show_findings(findings, len(looked))
    worst = [finding for finding in findings if strict or finding.level == "error"]
    context.exit(CODE_OF[Invalid] if worst else 0)


def chosen(settings: Settings, wanted: Sequence[str]) -> list[str]:
    """The sources to look at; raises Missing for one that the city does not have."""
    there = source_names(settings.folder)
    for name in wanted:
        if name not in there:
            raise Missing(f"The city has no source '{name}'.", hint=f"Its sources: {', '.join(there) or 'none'}.")
    return list(wanted) or there


def look(settings: Settings, name: str, rows: int, outline: BaseGeometry | None, display: Display) -> Looked:
    """Look at one source; what is wrong with it becomes a finding, so that the others are looked at as well."""
    one = Looked(name)
    task = display.add_task(name, total=None, said="")
    try:
        one.declaration = read_declaration(settings.sources / name)
        one.mappings = read_mappings(one.declaration)
    except LandbridgeError as error:
        one.findings.append(as_finding(name, error))
        return one
    one.preview = try_source(one.declaration, rows, showing(display, task))
    if one.preview.failure:
        one.findings.append(as_finding(name, one.preview.failure))
    folder = one.declaration.folder
    texts = {f"{name}/{path.relative_to(folder)}": path.read_text("utf-8-sig") for path in mapping_paths(folder)}
    one.findings += likely_mistakes(settings, one.declaration, one.preview, texts, outline)
    display.remove_task(task)
    return one


def showing(display: Display, task: Any) -> Callable[[Progress], None]:
    return lambda now: display.update(task, completed=now.read, said="rows")


def as_finding(source: str, error: LandbridgeError) -> Finding:
    row = getattr(error, "row", None)
    shown = f" Row: {orjson.dumps(row, default=str).decode()[:300]}" if row else ""
    return Finding("error", source, error.message, error.where or "", (error.hint or "") + shown)


def city_findings(settings: Settings, looked: Sequence[Looked], *, everything: bool) -> list[Finding]:
    """What only all sources together show."""
    if not everything:
        return []
    unnamed = [
        Finding("warning", CITY, f"The folder '{name}' is no source: it has no source.toml.", f"sources/{name}",
                "Write one, or take the folder away.")
        for name in nameless(settings)
    ]  # fmt: skip
    if not looked:
        none = Finding("warning", CITY, "The city has no source.", "sources/", "Make one: landbridge new-source")
        return [*unnamed, none]
    return [*unnamed, *rule_findings(settings, looked)]


def nameless(settings: Settings) -> list[str]:
    """The folders in sources/ that nobody will ever pull."""
    folders = sorted(settings.sources.iterdir()) if settings.sources.is_dir() else []
    return [one.name for one in folders if one.is_dir() and one.name[0] not in "._" and not (one / TOML).is_file()]


def rule_findings(settings: Settings, looked: Sequence[Looked]) -> list[Finding]:
    """Attributes without a rule, rules without an attribute."""
    declarations = [one.declaration for one in looked if one.declaration]
    try:
        claims = claims_of(settings, declarations, {one.name: one.mappings for one in looked})
    except LandbridgeError as error:
        return [as_finding(CITY, error)]
    found = retention_findings(settings, {(type_, name) for _, type_, name in claims.feeds})
    found += [
        Finding(
            "error",
            CITY,
            f"'{attribute}' of {type_} comes from {' and '.join(sources)}, and no rule says whose value counts.",
            FILE,
            f'Add  [claims.{type_}]  rule = "newest"  (or priority, highest, lowest, median).',
        )
        for type_, attribute, sources in claims.unruled()
    ]
    mapped = {(type_, attribute) for _, type_, attribute in claims.feeds}
    for rule in settings.rules:
        if not any(t == rule.type and rule.attribute in ("*", a) for t, a in mapped):
            what = rule.type if rule.attribute == "*" else f"{rule.type}.{rule.attribute}"
            found.append(
                Finding("warning", CITY, f"A rule is for {what}, which no source maps.", FILE, "Is it a slip?")
            )
    return found


def retention_findings(settings: Settings, mapped: set[tuple[str, str]]) -> list[Finding]:
    """Rules of retention that cannot be kept, or are for nothing that a source maps."""
    found = []
    try:
        retention_rules(settings, lambda name: name)
    except LandbridgeError as error:
        found.append(as_finding(CITY, error))
    for rule in settings.retention:
        if not any(t == rule.type and rule.attribute in ("*", a) for t, a in mapped):
            what = rule.type if rule.attribute == "*" else f"{rule.type}.{rule.attribute}"
            text = f"A rule of retention is for {what}, which no source maps."
            found.append(Finding("warning", CITY, text, FILE, "Is it a slip?"))
    return found


def as_object(looked: Sequence[Looked], findings: Sequence[Finding], entities: int) -> Mapping[str, Any]:
    return {
        "sources": [
            {
                "name": one.name,
                "kind": one.declaration.kind if one.declaration else None,
                "types": sorted({type_ for file in one.mappings for type_ in file.types}),
                "attributes": sorted({name for file in one.mappings for name in file.attributes}),
                "read": one.preview.read,
                "whole": one.preview.whole,
                "mapped": one.preview.made,
                "rejected": sum(one.preview.rejects.values()),
                "expectations": list(one.preview.expectations),
                "notes": list(one.preview.notes),
                "entities": one.preview.entities(entities),
            }
            for one in looked
        ],
        "findings": [asdict(finding) for finding in findings],
    }


def show(one: Looked, entities: int) -> None:
    """A source's first entities, as NGSI-LD."""
    preview = one.preview
    kind = one.declaration.kind if one.declaration else "not readable"
    out.print(f"\n{one.name}", style="bold", markup=False, end="")
    out.print(f"  ({kind}){counts(one)}", markup=False)
    for note in preview.notes:
        out.print(f"  {note}", markup=False)
    for result in preview.expectations:
        if result.get("failed"):
            out.print(f"  expectation: {result.get('name')}: {result.get('detail')}", markup=False)
    for entity in preview.entities(entities):
        for name, member in entity.items():
            indent = "  " if name == "id" else "    "
            text = member if isinstance(member, str) else orjson.dumps(member, default=str).decode()
            out.print(shortened(f"{indent}{name}: {text}"), markup=False)


def counts(one: Looked) -> str:
    preview = one.preview
    if preview.read is None:
        wrong = any(finding.level == "error" for finding in one.findings)
        return "  not tried" if wrong else "  no first rows to try; its mapping is checked"
    first = "" if preview.whole else "the first "
    return f"  {first}{preview.read:,} rows, {preview.made:,} mapped, {sum(preview.rejects.values()):,} rejected"


def shortened(line: str) -> str:
    return line if len(line) <= 118 else f"{line[:117]}…"


def show_findings(findings: Sequence[Finding], sources: int) -> None:
    """What to look at, errors first."""
    errors = sum(finding.level == "error" for finding in findings)
    out.print()
    for finding in sorted(findings, key=lambda finding: finding.level):
        style = "bold red" if finding.level == "error" else "yellow"
        out.print(finding.level.capitalize(), style=style, end=" ")
        out.print(f"{finding.source or 'city'}: {finding.message}", markup=False)
        if finding.where:
            out.print(f"  at   {finding.where}", markup=False)
        if finding.hint:
            out.print(f"  do   {finding.hint}", markup=False)
    warnings = len(findings) - errors
    out.print(f"{said(sources, 'source')}, {said(errors, 'error')}, {said(warnings, 'warning')}. Nothing was written.")


def said(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
