"""What the columns of a sample are: numbers, times, places, keys, units, persons; guessed from names and values.

A guess is written down with its reason, so that a person can see where it is wrong.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from landbridge.cli.unit_code import spoken_code

Rows = Sequence[Mapping[str, Any]]

WHOLE = re.compile(r"[+-]?(0|[1-9]\d{0,17})\Z")
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
WRITTEN = re.compile(r"[+-]?[\d０-９]{1,3}([,.\u00a0 ]?\d{3})*([.,]\d+)?\Z")  # 1,234.5 and 1.234,5 and wide digits
DAY = re.compile(r"\d{4}[-/.年](0?[1-9]|1[0-2])[-/.月](0?[1-9]|[12]\d|3[01])日?\Z")
CLOSE_DAY = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\Z")  # 20200326: a day, if its name says so
NUMERIC_DAY = re.compile(r"(\d\d?)([-/.])(\d\d?)\2(\d{4})( \d\d?:\d\d(:\d\d)?)?\Z")  # 31-12-2020, 12/31/2020
CLOCK = re.compile(r"([01]?\d|2[0-4]):[0-5]\d(:[0-5]\d)?\Z")
NO_VALUE = frozenset({"nan", "na", "n/a", "null", "none", "-", "--", "—", "–", "－", "…", "?", "不明", "无", "無"})
MOMENT = re.compile(r"\d{4}[-/.年]\d\d?[-/.月]\d\d?日?[T ]\d\d?:\d\d(:\d\d(\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?\Z")
URN = re.compile(r"urn:[a-z0-9][a-z0-9-]{0,31}:\S+\Z", re.I)
WKT = re.compile(r"\s*(MULTI)?(POINT|LINESTRING|POLYGON)\s*Z?\s*\(", re.I)
IN_BRACKETS = re.compile(r"\s*[(\[（【]([^()\[\]（）【】]{1,12})[)\]）】]\s*\Z")
DECIMAL_COMMA = re.compile(r"[+-]?\d{1,3}(,\d+)?\Z")  # 117,705
NAMING = ("_id", "_key")  # columns of the reader's own that tell records apart: a feature's id, an object's key
SUFFIX = re.compile(
    r"_(m|m2|m3|km|km2|ha|mm|cm|kg|kwh|kw|hpa|kpa|pa|ppm|ppb|db|pct|percent|celsius|ms|mps|kmh|ugm3)\Z", re.I
)
GLUED = re.compile(r"(?<=[^\x00-\x7f])([a-zA-Z°%℃℉][\w°%/³²^]*)\Z|(?<=\w)([℃℉°%])\Z", re.A)
MOSTLY = 0.8  # share of rows that a key with its time tells apart
SUFFIX_UNIT = {"pct": "%", "mps": "m/s", "kmh": "km/h", "ugm3": "ug/m3", "ms": ""}

# words of a name (Latin ones whole, others anywhere in it)
LONGITUDE = ("lon", "lng", "long", "longitude", "x_wgs84", "经度", "経度")
LATITUDE = ("lat", "latitude", "y_wgs84", "纬度", "緯度")
TIME = ("time", "date", "datetime", "timestamp", "observed", "observedat", "measured", "updated", "updatetime", "day",
        "日期", "时间", "日時", "年月日")  # fmt: skip
OBSERVED = {*TIME, "last", "report", "reported", "record", "recorded", "at", "utc", "local", "data", "start", "gmt"}
HOUR = ("hour", "小时", "時")
KEY = ("id", "code", "key", "uuid", "guid", "no", "number", "identifier", "编号", "编码", "代码", "番号", "コード")
NAME = ("name", "title", "label", "station", "site", "名称", "名前", "名", "监测点", "watchpoint")
PERSON = ("phone", "telephone", "tel", "mobile", "fax", "email", "mail", "contact", "person", "owner_name", "surname",
          "firstname", "lastname", "电话", "電話", "手机", "联系人", "姓名", "氏名", "メール")  # fmt: skip
# quantities whose unit is usual: a guess that says so
USUAL = {"pm25": "GQ", "pm10": "GQ", "no2": "GQ", "so2": "GQ", "o3": "GQ", "no": "GQ", "temperature": "CEL",
         "temp": "CEL", "humidity": "P1", "pressure": "A97"}  # fmt: skip
PATTERNS = (
    ("day", DAY),
    ("integer", WHOLE),
    ("double", DECIMAL),
    ("moment", MOMENT),
    ("clock", CLOCK),
    ("urn", URN),
    ("wkt", WKT),
)
TIMES = ("day", "moment", "strptime", "seconds", "milliseconds")


@dataclass
class Column:
    """One column and what it seems to be.

    `kind`: integer, double, number (written with separators), boolean, day, moment, strptime (a time in the format
    `form`), seconds and milliseconds (since 1970), clock, urn, geojson, wkt, text, nested, bytes or empty.
    `role`: longitude, latitude, time, clock, person, or nothing. `absent`: texts that mean no value.
    """

    name: str
    kind: str
    role: str = ""
    unit: str = ""
    unit_reason: str = ""
    filled: int = 0
    distinct: int = 0
    example: str = ""
    form: str = ""
    absent: frozenset[str] = frozenset()
    values: list[Any] = field(default_factory=list, repr=False)


def profile(table: pa.Table) -> list[Column]:
    """Look at every column of a sample."""
    found = [
        look(name, table.column(name)) for name in table.column_names if not name.startswith("_") or name in NAMING
    ]
    return [column for column in found if column.filled or column.name not in NAMING]


def look(name: str, cells: pa.ChunkedArray) -> Column:
    """Guess what one column is."""
    values = [value for value in cells.to_pylist() if value is not None and value != ""]
    absent = frozenset(v for v in values if isinstance(v, str) and v.strip().lower() in NO_VALUE)
    values = [value for value in values if not isinstance(value, str) or value not in absent]
    texts = [str(value).strip() for value in values]
    kind, form = kind_of(cells.type, texts), ""
    if kind == "text":
        kind, form = written_day(texts) or (kind, form)
    column = Column(name, kind, filled=len(values), form=form, absent=absent, values=cells.to_pylist())
    column.distinct = len(set(texts))
    column.example = texts[0][:40] if texts else ""
    if column.kind == "integer" and named(name, TIME):
        column.kind = close_time(texts)
    column.role = role_of(column, texts)
    if column.kind in ("integer", "double", "number"):
        column.unit, column.unit_reason = unit_of(name, texts)
    return column


def close_time(texts: Sequence[str]) -> str:
    """Whether whole numbers that are called a time are days (20200326), or seconds or milliseconds since 1970."""
    if all(CLOSE_DAY.match(text) for text in texts):
        return "day"
    if all(len(text) == 10 and text.isdigit() for text in texts):
        return "seconds"
    return "milliseconds" if all(len(text) == 13 and text.isdigit() for text in texts) else "integer"


def written_day(texts: Sequence[str]) -> tuple[str, str] | None:
    """The format of days such as 31-12-2020 or 12/31/2020 15:00; the day first where nothing tells."""
    found = [NUMERIC_DAY.match(text) for text in texts]
    if not texts or not all(found):
        return None
    parts = [match for match in found if match]
    mark, clocks = {match[2] for match in parts}, {(match[5] or "").count(":") for match in parts}
    if len(mark) > 1 or len(clocks) > 1:
        return None
    month_first = any(int(match[3]) > 12 for match in parts)
    sign = mark.pop()
    day = f"%m{sign}%d{sign}%Y" if month_first else f"%d{sign}%m{sign}%Y"
    return "strptime", day + {0: "", 1: " %H:%M", 2: " %H:%M:%S"}[clocks.pop()]


def kind_of(type_: pa.DataType, texts: Sequence[str]) -> str:
    """The kind of a column: by its own type where it has one, else by its texts."""
    if not texts:
        return "empty"
    if pa.types.is_boolean(type_):
        return "boolean"
    if pa.types.is_integer(type_):
        return "integer"
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "double"
    if pa.types.is_date(type_):
        return "day"
    if pa.types.is_timestamp(type_):
        return "moment"
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return "bytes"
    if pa.types.is_nested(type_):
        return "nested"
    return text_kind(texts)


def text_kind(texts: Sequence[str]) -> str:
    """What texts hold, all of them."""
    if all(text.lower() in ("true", "false") for text in texts):
        return "boolean"
    for kind, pattern in PATTERNS:
        if all(pattern.match(text) for text in texts):
            return "text" if kind == "double" and leading_zero(texts) else kind
    if all(WRITTEN.match(text) for text in texts) and not leading_zero(texts):
        return "number"
    if all(text.startswith("{") and '"coordinates"' in text for text in texts):
        return "geojson"
    return "text"


def leading_zero(texts: Sequence[str]) -> bool:
    """Codes such as 0123 are no numbers."""
    return any(len(text) > 1 and text[0] == "0" and text[1].isdigit() for text in texts)


def words(name: str) -> set[str]:
    """The words of a column's name, in lower case: `StationCode` has station and code, and is stationcode."""
    parts = {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)}
    return parts or {name.strip().lower()}


def named(name: str, known: Sequence[str]) -> bool:
    """Whether a name has one of the known words."""
    own = words(name) | {name.strip().lower()}
    return any(word in own if word.isascii() else word in name for word in known)


def role_of(column: Column, texts: Sequence[str]) -> str:
    """What a column is for, by its name and by whether its values can be that."""
    name = column.name
    comma = column.kind == "number" and all(DECIMAL_COMMA.match(text) for text in texts)
    numeric = column.kind in ("integer", "double") or comma
    if named(name, PERSON):
        return "person"
    if numeric and named(name, LONGITUDE) and within(texts, 180):
        return "longitude"
    if numeric and named(name, LATITUDE) and within(texts, 90):
        return "latitude"
    if column.kind in TIMES and (words(name) <= OBSERVED or any(word in name for word in TIME if not word.isascii())):
        return "time"
    if named(name, HOUR) and all(text.isdigit() and 0 <= int(text) <= 24 for text in texts):
        return "clock"
    if column.kind == "clock":
        return "clock"
    return ""


def within(texts: Sequence[str], most: float) -> bool:
    return all(abs(float(text.replace(",", "."))) <= most for text in texts)


def unit_of(name: str, texts: Sequence[str]) -> tuple[str, str]:
    """The unit code that a name tells, and how it tells it."""
    said = unit_in(name)
    if said and (code := spoken_code(SUFFIX_UNIT.get(said.lower(), said))):
        return code, f"'{said}' in the name"
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain not in USUAL:
        return "", ""
    code = USUAL[plain]
    if code == "CEL" and any(float(text) > 150 for text in texts if DECIMAL.match(text)):
        code = "KEL"
    return code, "usual for it: please check"


def unit_in(name: str) -> str:
    """The unit that a name ends with: in brackets, after an underscore, or right after another script."""
    for pattern in (IN_BRACKETS, SUFFIX, GLUED):
        found = pattern.search(name)
        if found and spoken_code(SUFFIX_UNIT.get(found.group(1).lower(), found.group(1))):
            return found.group(1)
    return ""


@dataclass(frozen=True)
class Key:
    """What names the entity of a row: a column, or nothing (`single`: all rows are of one thing), and its time."""

    column: Column | None
    time: Column | None
    why: str
    single: bool = False


def find_key(columns: Sequence[Column], rows: int) -> Key:
    """One column that differs in each row, best one that is called like a key; else one that does so with a time."""
    time = next((column for column in columns if column.role == "time" and column.filled == rows), None)
    usable = [c for c in columns if c.filled == rows and not c.role and c.kind in ("text", "integer", "urn")]
    ranked = sorted(usable, key=lambda c: (not named(c.name, KEY), not named(c.name, NAME), c.kind == "integer"))
    for column in ranked:
        called = named(column.name, KEY) or named(column.name, NAME)
        if column.distinct == rows and (called or time is None):
            return Key(column, time, f"differs in each of {rows:,} rows")
        if time and column.distinct < rows and called and nearly_unique([column, time, *clocks(columns)], rows):
            return Key(column, time, f"{column.distinct:,} of them, each with several times")
    if time and nearly_unique([time, *clocks(columns)], rows):
        return Key(None, time, "the time alone differs in each row, so all are taken for readings of one thing", True)
    why = "no column differs in each row, so it is made of all of them: please find a better one"
    return Key(None, time, why)


def nearly_unique(columns: Sequence[Column], rows: int) -> bool:
    """Whether the columns together differ in most rows: real files repeat some."""
    return len(set(zip(*(column.values for column in columns), strict=True))) > rows * MOSTLY


def clocks(columns: Sequence[Column]) -> list[Column]:
    """The column that has the hour beside a day."""
    return [column for column in columns if column.role == "clock"][:1]
