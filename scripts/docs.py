"""Keep the tables of docs/ as the code has them: settings, options, expectations, commands, exit codes, errors.

A table stands between `<!-- NAME -->` and `<!-- /NAME -->`. `python scripts/docs.py` rewrites them; with `--check` it
only names the pages that are behind, which is what a test does.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import click

from landbridge import errors
from landbridge.cli import COMMANDS, commands
from landbridge.cli.exit_code import CODE_OF, EXIT_CODES
from landbridge.history.export import COLUMNS, PROVENANCE
from landbridge.settings import CITY_KEYS, VARIABLES
from landbridge.sources import declaration, expected
from landbridge.sources.kind import GROUP

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"<!-- (?P<name>[a-z][a-z0-9: -]*) -->\n.*?<!-- /(?P=name) -->", re.S)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def names(found: Mapping[str, str], head: str = "key") -> str:
    return table([head, "meaning"], ([f"`{name}`", meaning] for name, meaning in found.items()))


def settings(found: Mapping[str, tuple[str, str]], head: str) -> str:
    rows = ([f"`{name}`", default, meaning] for name, (default, meaning) in found.items())
    return table([head, "default", "meaning"], rows)


def options(kind: str) -> str:
    """The options of one kind of source."""
    (entry,) = entry_points(group=GROUP, name=kind)
    return names(import_module(entry.module).OPTIONS, "option")


def kinds() -> list[str]:
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def expectations() -> str:
    rows = []
    for kind, meaning in expected.EXPECTATIONS.items():
        needed, allowed = expected.FORMS[kind]
        keys = [f"`{key}`" for key in sorted(needed)] + [f"(`{key}`)" for key in sorted(allowed)]
        rows.append([f"`{kind}`", meaning, ", ".join(keys)])
    return table(["kind", "what is expected", "its keys (those in brackets may be left out)"], rows)


def help_of(name: str) -> str:
    """A command's own help."""
    context = click.Context(commands, info_name="landbridge", terminal_width=100)
    command = commands if not name else commands.get_command(context, name)
    assert command is not None
    inner = context if not name else click.Context(command, info_name=name, parent=context, terminal_width=100)
    inner.help_option_names = ["-h", "--help"]
    return f"```text\n{command.get_help(inner).rstrip()}\n```"


def exit_codes() -> str:
    return table(["code", "meaning"], ([str(code), meaning] for code, meaning in sorted(EXIT_CODES.items())))


def export_columns() -> str:
    """The columns of exported history."""
    told = COLUMNS | PROVENANCE
    return table(
        ["column", "type", "meaning"], ([f"`{name}`", str(type_), what] for name, (type_, what) in told.items())
    )


def error_kinds() -> str:
    """Every kind of error with what its docstring says and the command line's code."""
    found = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.LandbridgeError)]
    found.sort(key=lambda one: inspect.getsourcelines(one)[1])
    rows = []
    for one in found:
        above = "" if one is errors.LandbridgeError else one.__bases__[0].__name__
        code = next((str(CODE_OF[kind]) for kind in one.__mro__ if kind in CODE_OF), "1")
        rows.append([f"`{one.__name__}`", above, (inspect.getdoc(one) or "").split("\n")[0], code])
    return table(["kind", "is a", "what it says", "exit code"], rows)


def blocks() -> dict[str, Callable[[], str]]:
    """Every table by its name."""
    made: dict[str, Callable[[], str]] = {
        "settings": lambda: settings(CITY_KEYS, "key of landbridge.toml"),
        "variables": lambda: settings(VARIABLES, "variable"),
        "source keys": lambda: names(declaration.KEYS),
        "expectations": expectations,
        "expectation keys": lambda: names(expected.KEYS),
        "exit codes": exit_codes,
        "error kinds": error_kinds,
        "command": lambda: help_of(""),
        "export columns": export_columns,
    }
    made |= {f"options: {kind}": partial(options, kind) for kind in kinds()}
    made |= {f"command: {name}": partial(help_of, name) for name in COMMANDS}
    return made


def filled(text: str) -> str:
    """A page with each of its tables as the code has it now."""
    known = blocks()

    def block(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- {name} -->\n{known[name]()}\n<!-- /{name} -->" if name in known else found[0]

    return BLOCK.sub(block, text)


def pages() -> list[Path]:
    return sorted((ROOT / "docs").rglob("*.md"))


def undocumented() -> list[str]:
    """The tables that no page shows."""
    shown = {found["name"] for page in pages() for found in BLOCK.finditer(page.read_text(encoding="utf-8"))}
    return sorted(set(blocks()) - shown)


def behind() -> list[str]:
    """The pages that say something else than the code."""
    return [
        page.relative_to(ROOT).as_posix()
        for page in pages()
        if filled(text := page.read_text(encoding="utf-8")) != text
    ]


def main(check: bool) -> int:
    wrong = [f"No page of docs/ shows: {name}" for name in undocumented()]
    if check:
        wrong += [f"{page} is behind the code; run: make docs" for page in behind()]
    else:
        for page in pages():
            page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    print("\n".join(wrong) or "The docs say what the code does.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
