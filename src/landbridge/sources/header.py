"""The names of a table's columns, made of what its header cells hold.

A mapping names columns, so each needs a name that is its own: a blank header gets its column's letter as spreadsheets
count them (A, B, ... AA), a repeated one a number (`name_2`), one that differs only in capitals too, as SQL sees no
difference. Spaces at the ends go, full-width ones too; inside a name they stay: `"telephone　number"` in the mapping.
"""

from collections.abc import Sequence

from landbridge.errors import TooMuch

MOST_COLUMNS = 16_384  # as many as a spreadsheet has


def letter(place: int) -> str:
    """The letters of a column, counted from 0: A, B, ... Z, AA."""
    text = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        text = chr(65 + rest) + text
    return text


def column_names(cells: Sequence[str], where: str) -> list[str]:
    """One name for each header cell, none twice; raises TooMuch above 16,384 columns."""
    if len(cells) > MOST_COLUMNS:
        raise TooMuch(
            f"The header has {len(cells):,} cells and at most {MOST_COLUMNS:,} can be read.",
            where=where,
            hint="Is the delimiter right?",
        )
    names: list[str] = []
    taken: set[str] = {"_row", "_edition"}  # the loop's own
    wanted = [" ".join(cell.splitlines()).strip().replace("\0", "") for cell in cells]
    for place, name in enumerate(wanted):
        chosen, number = name or letter(place), 1
        while chosen.lower() in taken:
            number += 1
            chosen = f"{name or letter(place)}_{number}"
        taken.add(chosen.lower())
        names.append(chosen)
    return names
