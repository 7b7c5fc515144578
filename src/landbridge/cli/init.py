"""`landbridge init`: a city's folder that runs at once, with one small source to change or throw away."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import orjson

from landbridge.cli.screen import out
from landbridge.errors import Exists, InvalidSettings
from landbridge.settings import FILE

SKELETON = Path(__file__).parent / "skeleton"


@click.command(
    epilog="""\b
Examples:
  landbridge init mycity
  landbridge init mycity --name "My City" --time-zone Europe/Lisbon
"""
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", metavar="TEXT", help="The city's name; default: the folder's.")
@click.option("--time-zone", metavar="ZONE", default="UTC", show_default=True, help="Such as Asia/Shanghai.")
def init(folder: Path, name: str | None, time_zone: str) -> None:
    """Make a city's folder in DIR: landbridge.toml and a first source that runs.

    Nothing that is there is overwritten. Keep the folder in version control; the pool itself lies in .landbridge/,
    which the .gitignore leaves out.
    """
    try:
        zone = ZoneInfo(time_zone).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSettings(
            f"`--time-zone` is '{time_zone}', which is no known zone.", hint="Write one like 'Asia/Shanghai'."
        ) from None
    if (folder / FILE).exists():
        raise Exists(
            f"The folder is a city already: it has a {FILE}.", where=str(folder), hint="Choose another folder."
        )
    known = {"@NAME@": quoted(name or folder.resolve().name), "@ZONE@": quoted(zone)}
    made = [copy(path, folder, known) for path in sorted(SKELETON.rglob("*")) if path.is_file()]
    out.print(f"A city is in {folder}:", markup=False)
    for path in filter(None, made):
        out.print(f"  {path}", markup=False)
    here = "" if folder == Path() else f" {folder}"
    out.print("\nNext:", markup=False)
    out.print(f"  landbridge check{here}      try it without writing anything", markup=False)
    out.print(f"  landbridge pull{here}       pull its sources into the pool", markup=False)
    out.print(f"  landbridge serve{here}      see it", markup=False)


def quoted(text: str) -> str:
    """A text as TOML has it: JSON's quoting is a part of TOML's."""
    return orjson.dumps(text).decode()


def copy(path: Path, folder: Path, known: dict[str, str]) -> Path | None:
    """Put one file of the skeleton into the folder, unless there is one; give where it lies."""
    place = path.relative_to(SKELETON)
    target = folder / place.parent / place.name.replace("dot-", ".")
    if target.exists():
        return None
    text = path.read_text(encoding="utf-8")
    for mark, value in known.items():
        text = text.replace(mark, value)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target
