"""Which city a command means: the folder that is named first, or the one that it is called in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from landbridge.settings import FILE

Command = Callable[..., Any]


def is_city(path: Path) -> bool:
    return (path / FILE).is_file()


def source_names(folder: Path) -> list[str]:
    """The names of a city's sources, from the folders alone."""
    return sorted(path.parent.name for path in (folder / "sources").glob("*/source.toml"))


def city_folder(command: Command) -> Command:
    """The argument [DIR] alone."""
    return click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))(
        command
    )


def split_folder(words: Sequence[str]) -> tuple[Path, list[str]]:
    """Tell `DIR WORD ...` from `WORD ...`: the first word is the folder where it is one, or is written like one.

    Outside of a city any folder that is there is meant as the city, so that it is told what it lacks.
    """
    if words and (is_city(Path(words[0])) or looks_like_path(words[0]) or is_folder_outside(words[0])):
        return Path(words[0]), list(words[1:])
    return Path(), list(words)


def is_folder_outside(word: str) -> bool:
    return Path(word).is_dir() and not is_city(Path())


def looks_like_path(word: str) -> bool:
    """`.`, `..` and what holds a slash; an address or URN holds a colon first."""
    if word in (".", ".."):
        return True
    return "/" in word and ":" not in word.partition("/")[0]


def complete_sources(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Complete a folder, then the sources of it."""
    folder, _ = split_folder([str(word) for word in context.params.get(parameter.name or "") or ()])
    names = [CompletionItem(name) for name in source_names(folder) if name.startswith(begun)]
    return [*names, CompletionItem(begun, type="dir")]
