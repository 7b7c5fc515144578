"""UN/CEFACT Recommendation 20: the codes that NGSI-LD's `unitCode` may have, with names and symbols.

`unit_code.tsv` is Revision 17 without the codes marked as deleted (public domain, ODC-PDDL-1.0).
"""

import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_suffix(".tsv")


class Unit(NamedTuple):
    """A unit: its name and its symbol (perhaps several, as `% or pct`)."""

    name: str
    symbol: str


#: how headers write units, where that is not the symbol of the list or several codes share it
SPOKEN: Mapping[str, str] = {
    "ug/m3": "GQ", "µg/m3": "GQ", "μg/m3": "GQ", "µg/m³": "GQ", "μg/m³": "GQ", "mg/m3": "GP", "mg/m³": "GP",
    "℃": "CEL", "°c": "CEL", "degc": "CEL", "celsius": "CEL", "°f": "FAH", "℉": "FAH", "%": "P1", "percent": "P1",
    "m": "MTR", "metre": "MTR", "metres": "MTR", "meter": "MTR", "meters": "MTR", "米": "MTR", "km": "KMT",
    "公里": "KMT", "cm": "CMT", "mm": "MMT", "m2": "MTK", "m²": "MTK", "㎡": "MTK", "平方米": "MTK", "ha": "HAR",
    "km2": "KMK", "km²": "KMK", "m3": "MTQ", "m³": "MTQ", "l": "LTR", "kg": "KGM", "g": "GRM", "t": "TNE",
    "m/s": "MTS", "km/h": "KMH", "kn": "KNT", "knots": "KNT", "hpa": "A97", "kpa": "KPA", "pa": "PAL", "mbar": "MBR",
    "w": "WTT", "kw": "KWT", "mw": "MAW", "kwh": "KWH", "v": "VLT", "a": "AMP", "db": "2N", "lux": "LUX", "lx": "LUX",
    "ppm": "59", "ppb": "61", "s": "SEC", "sec": "SEC", "min": "MIN", "h": "HUR", "days": "DAY", "人": "IE",
    "deg": "DD", "°": "DD", "w/m2": "D54", "w/m²": "D54",
}  # fmt: skip


@cache
def units() -> Mapping[str, Unit]:
    """All codes, read once when the first is asked for."""
    lines = FILE.read_text(encoding="utf-8").splitlines()[1:]
    return {code: Unit(name, symbol) for code, name, symbol in (line.split("\t") for line in lines)}


def spoken_code(text: str) -> str | None:
    """The code of a unit as headers write it (`µg/m³`, `℃`, `m`); None where it is no known unit."""
    return SPOKEN.get(text.strip()) or SPOKEN.get(text.strip().lower())


def resembling(code: str) -> str:
    """What a wrong code may have meant: a unit's symbol or name in place of its code, or a slip in it."""
    found = spoken_code(code)
    if found is None:
        wanted = code.strip().lower()
        found = next((key for key, unit in units().items() if wanted in (unit.name.lower(), unit.symbol.lower())), None)
    if found is None:
        found = next(iter(difflib.get_close_matches(code.upper(), units(), n=1, cutoff=0.6)), None)
    return f"Did you mean '{found}' ({units()[found].name})? " if found else ""
