"""Sources that are broken in one way each, as files, servers and people break them; each is good before it breaks."""

import itertools
import json
import sqlite3
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import openpyxl

from made_source import things, toml
from made_workbook import texts, write_zip, xlsx_parts
from services import Database
from web_origin import JSON, Reply, WebOrigin

DAY = "2021-02-28T08:00:00Z"
MAPPING = """select 'urn:ngsi-ld:Thing:{name}-' || code as id, 'Thing_{type}' as type, cast(size as double) as size,
       cast("at" as timestamptz) as "observedAt"
from source
"""
SIZES = (
    "select 'urn:ngsi-ld:Thing:{name}-' || code as id, 'Thing_{type}' as type, cast(size as double) as size from {of}"
)
PLACES = """select 'urn:ngsi-ld:Thing:{name}-' || code as id, 'Thing_{type}' as type, {shape} from source"""
FEED = Path(__file__).parent / "data" / "gtfs" / "gtfs_usf_bullrunner.zip"
RING = [[117.0, 39.0], [118.0, 39.0], [118.0, 40.0], [117.0, 40.0], [117.0, 39.0]]


@dataclass
class World:
    """What is around the city: a web server, a database, and an event that ends what stalls."""

    web: WebOrigin
    postgresql: Database | None = None
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Broken:
    """A way to break. `build` writes the source's folder, good or bad; then `state` is that of its run.

    `said`: a pattern in the reason of a failed run, or else in the reason of a reject or in a note. `kept`: the end of
    an id that the good pull brought and the bad one must leave.
    """

    build: Callable[[Path, World, bool], None]
    state: str
    said: str
    kept: str = "a"


WAYS: dict[str, Broken] = {}
Build = Callable[[Path, World, bool], None]


def way(state: str, said: str, kept: str = "a") -> Callable[[Build], Build]:
    """Register a function that writes a source, good or bad."""

    def register(build: Build) -> Build:
        WAYS[build.__name__.replace("_", "-")] = Broken(build, state, said, kept)
        return build

    return register


def write(folder: Path, mapping: str = MAPPING, **keys: object) -> None:
    """The source's declaration and its mapping."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.toml").write_text("".join(f"{name} = {toml(value)}\n" for name, value in keys.items()))
    type_ = folder.name.replace("-", "_")
    (folder / "mapping.sql").write_text(mapping.replace("{name}", folder.name).replace("{type}", type_))


def csv(folder: Path, content: str | bytes, mapping: str = MAPPING, **keys: object) -> None:
    write(folder, mapping, kind="csv", location="things.csv", **keys)
    (folder / "things.csv").write_bytes(content.encode() if isinstance(content, str) else content)


def workbook(folder: Path, *rows: list[object], sheet: str = "Register") -> None:
    write(folder, SIZES.replace("{of}", "source"), kind="spreadsheet", location="things.xlsx", sheet="Register")
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    book.save(folder / "things.xlsx")


def api(folder: Path, world: World, answer: Callable[[], Reply], **keys: object) -> None:
    """An HTTP source whose address answers so."""
    address = world.web.on(f"/{folder.name}", lambda _: answer())
    write(folder, SIZES.replace("{of}", "source"), kind="http", address=address, **keys)


def records() -> Reply:
    return Reply(json.dumps([{"code": "a", "size": 1}, {"code": "b", "size": 2}]).encode())


def outline(folder: Path, ring: list[list[float]]) -> None:
    write(folder, PLACES.replace("{shape}", 'geometry as "location.geojson"'), kind="geojson", location="a.geojson")
    features = [
        {"type": "Feature", "properties": {"code": code}, "geometry": {"type": "Polygon", "coordinates": [shape]}}
        for code, shape in (("a", RING), ("b", ring), ("c", RING))
    ]
    (folder / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


GOOD = things(f"a,1,{DAY}", f"b,2,{DAY}", f"c,3,{DAY}")


@way("failed", r"feed\.zip.*(cut off|damaged|no zip)", "162")
def truncated_zip(folder: Path, world: World, bad: bool) -> None:
    mapping = (
        "select 'urn:ngsi-ld:Thing:{name}-' || stop_id as id, 'Thing_{type}' as type, stop_name as title from source"
    )
    write(folder, mapping, kind="gtfs", location="feed.zip")
    content = FEED.read_bytes()
    (folder / "feed.zip").write_bytes(content[: len(content) // 2] if bad else content)


@way("failed", r"things\.csv line 3: The bytes b1 f5.*not utf-8.*`encoding`")
def wrong_encoding(folder: Path, world: World, bad: bool) -> None:
    csv(folder, GOOD.replace("\nb,", "\n滨,").encode("gb18030" if bad else "utf-8"), encoding="utf-8")


@way("failed", r'renamed-header/mapping\.sql:.*has no column "size".*weight')
def renamed_header(folder: Path, world: World, bad: bool) -> None:
    csv(folder, GOOD.replace("size", "weight") if bad else GOOD)


@way("failed", r'gone-column/mapping\.sql:2:\d+.*has no column "at".*code')
def gone_column(folder: Path, world: World, bad: bool) -> None:
    csv(folder, "code,size\na,1\nb,2\n" if bad else GOOD)


@way("failed", r"things\.xlsx: The workbook has no sheet 'Register'; its sheets: 'Sheet1'")
def missing_sheet(folder: Path, world: World, bad: bool) -> None:
    workbook(folder, ["code", "size"], ["a", 1], sheet="Sheet1" if bad else "Register")


@way("failed", r"things\.csv line 3: The row that begins here is longer than 16 MiB")
def cell_of_100_megabytes(folder: Path, world: World, bad: bool) -> None:
    csv(folder, GOOD.replace("b,2", 'b,"' + "2" * 104_857_600 + '"') if bad else GOOD)


@way("failed", r"things\.xlsx: .*as a zip bomb does")
def zip_bomb(folder: Path, world: World, bad: bool) -> None:
    workbook(folder, ["code", "size"], ["a", 1])
    if bad:
        with zipfile.ZipFile(folder / "things.xlsx", "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/media/x.bin", bytes(200 * 1_048_576))


@way("failed", r"things\.xlsx.*has a document type, which may declare entities without end")
def entity_bomb(folder: Path, world: World, bad: bool) -> None:
    workbook(folder, ["code", "size"], ["a", 1])
    if bad:
        parts = {
            name: text.replace('name="S"', 'name="Register"')
            for name, text in xlsx_parts(texts("code|size", "a|&l9;")).items()
        }
        laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
        sheet = "xl/worksheets/sheet1.xml"
        parts[sheet] = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>' + parts[sheet]
        write_zip(folder / "things.xlsx", parts)


@way("done", r"things\.xlsx: 1 formula cell without a stored value \(B2\): empty here; open and save")
def formula_cells(folder: Path, world: World, bad: bool) -> None:
    workbook(folder, ["code", "size"], ["a", "=1+1" if bad else 2], ["b", 3])


@way("done", r"column size: nan is no number")
def nan_and_infinity(folder: Path, world: World, bad: bool) -> None:
    csv(folder, things(f"a,1,{DAY}", f"b,NaN,{DAY}", f"c,Infinity,{DAY}", *[f"d{n},{n},{DAY}" for n in range(9)])
        if bad else GOOD)  # fmt: skip


@way("failed", r"things\.json.*NaN")
def nan_in_json(folder: Path, world: World, bad: bool) -> None:
    write(folder, SIZES.replace("{of}", "source"), kind="json", location="things.json")
    (folder / "things.json").write_text('[{"code": "a", "size": %s}]' % ("NaN" if bad else "1"))


@way("done", r"2021-02-29")
def day_that_is_none(folder: Path, world: World, bad: bool) -> None:
    csv(folder, GOOD.replace("b,2,2021-02-28", "b,5,2021-02-29") if bad else GOOD)


@way("done", r"outside the world; are longitude and latitude swapped")
def swapped_coordinates(folder: Path, world: World, bad: bool) -> None:
    places = "code,lon,lat\na,117.7,39.02\nb,117.8,39.03\n" + ("c,39.04,117.9\n" if bad else "")
    mapping = PLACES.replace("{shape}", 'point(lon, lat) as "location.point"')
    csv(folder, places, mapping)


@way("done", r"200\.5, 39\.04.* outside the world")
def place_outside_the_world(folder: Path, world: World, bad: bool) -> None:
    places = "code,lon,lat\na,117.7,39.02\nb,117.8,39.03\n" + ("c,200.5,39.04\n" if bad else "")
    mapping = PLACES.replace("{shape}", 'point(lon, lat) as "location.point"')
    csv(folder, places, mapping)


@way("done", r"a ring of the polygon is not closed")
def unclosed_polygon(folder: Path, world: World, bad: bool) -> None:
    outline(folder, RING[:-1] if bad else RING)


@way("done", r"Polygon is not valid: Self-intersection")
def polygon_that_crosses_itself(folder: Path, world: World, bad: bool) -> None:
    outline(folder, [RING[0], RING[2], RING[1], RING[3], RING[0]] if bad else RING)


@way("failed", r"answers 200 with a web page")
def error_page(folder: Path, world: World, bad: bool) -> None:
    page = Reply(b"<!DOCTYPE html><html>Please log in</html>", headers={"Content-Type": "text/html"})
    api(folder, world, lambda: page if bad else records())


@way("failed", r"says nothing for 0\.5 s")
def stalling_answer(folder: Path, world: World, bad: bool) -> None:
    def stall() -> Iterator[bytes]:
        yield b'[{"code": "a",'
        world.over.wait(20)

    api(folder, world, lambda: Reply(pieces=stall()) if bad else records(), stall_seconds=0.5)


@way("failed", r"loopback or private")
def redirect_to_a_private_address(folder: Path, world: World, bad: bool) -> None:
    away = Reply(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"})
    api(folder, world, lambda: away if bad else records())


@way("failed", r"larger than 2 MB")
def endless_answer(folder: Path, world: World, bad: bool) -> None:
    def flood() -> Reply:
        return Reply(headers=JSON, pieces=itertools.repeat(b'{"code": "a", "size": 1},' * 1000))

    api(folder, world, lambda: flood() if bad else records(), max_megabytes=2)


@way("failed", r"database .* stops half-way")
def database_that_drops_the_connection(folder: Path, world: World, bad: bool) -> None:
    assert world.postgresql
    ended = "case when n = 150000 then pg_terminate_backend(pg_backend_pid()) else true end" if bad else "true"
    query = (
        "select case n when 1 then 'a' else n::text end as code, n as size, repeat('x', 400) as filler"
        f" from generate_series(1, {300_000 if bad else 3}) n where {ended}"
    )
    write(folder, SIZES.replace("{of}", "source"), kind="sql", address=world.postgresql.address, query=query)


@way("failed", r"mapping\.sql.*makes more than [\d,]+ rows of 3,000.*Does a join lack its key\?")
def exploding_join(folder: Path, world: World, bad: bool) -> None:
    rows = things(f"a,1,{DAY}", *[f"n{n},{n},{DAY}" for n in range(2_999)])
    crossed = MAPPING.replace("|| code", "|| r.code").replace("cast(size", "cast(r.size").replace('"at"', 'r."at"', 1)
    csv(folder, rows, crossed.replace("from source", "from source r, source s, source t") if bad else MAPPING)


@way("done", r"repeats? a key .*the later stands.*things\.csv line 4")
def two_values_for_one_key(folder: Path, world: World, bad: bool) -> None:
    csv(folder, things(f"a,1,{DAY}", f"b,2,{DAY}", f"b,3,{DAY}") if bad else GOOD)


@way("failed", r"damaged-database/source\.toml: .*malformed")
def damaged_database(folder: Path, world: World, bad: bool) -> None:
    write(folder, SIZES.replace("{of}", "source"), kind="sql", address="sqlite:///things.db", table="thing")
    path = folder / "things.db"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("create table thing (code text, size integer)")
        connection.executemany("insert into thing values (?, ?)", [("a", 1), ("b", 2)])
    connection.close()
    if bad:
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 4096)


@way("done", r"", "a")
def nothing_wrong(folder: Path, world: World, bad: bool) -> None:
    csv(folder, things(f"a,{2 if bad else 1},{DAY.replace('08:', '09:') if bad else DAY}", f"b,2,{DAY}"))
