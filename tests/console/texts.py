"""Finds every text and term that the console can show, for the tests of its catalogues."""

import ast
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment

CONSOLE = Path(__file__).parents[2] / "src/landbridge/console"
CALLS = {"mark", "gettext", "_"}
RAISED = {"Missing", "Refused", "InvalidQuery", "Invalid"}


def template_texts() -> Iterator[tuple[str, ...]]:
    """The texts of templates: one form, or singular and plural."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for file in sorted((CONSOLE / "templates").glob("*.j2")):
        source = file.read_text(encoding="utf-8")
        for _, _, text in environment.extract_translations(source):  # type: ignore[attr-defined]
            yield (text,) if isinstance(text, str) else tuple(part for part in text if isinstance(part, str))


def python_texts() -> Iterator[tuple[str, ...]]:
    """The texts of Python modules: what is marked, translated there, or raised for a page to show."""
    for file in sorted(CONSOLE.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield from called_texts(node)


def called_texts(node: ast.Call) -> Iterator[tuple[str, ...]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    texts = [part.value for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    if name in CALLS and texts:
        yield (texts[0],)
    elif name == "ngettext" and len(texts) >= 2:
        yield tuple(texts[:2])
    elif name in RAISED:
        hints = [
            part.value.value for part in node.keywords if part.arg == "hint" and isinstance(part.value, ast.Constant)
        ]
        yield from ((text,) for text in [*texts[:1], *hints])


def all_texts() -> list[tuple[str, ...]]:
    return list(dict.fromkeys([*template_texts(), *python_texts()]))
