"""The console's addresses, and the making of what its pages share."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from landbridge.console import (
    compare,
    entity,
    find,
    letter,
    mapdata,
    moment,
    overview,
    quality,
    replay,
    series,
    sign,
    source,
    stream,
)
from landbridge.console.asset import ADDRESS, load_assets, serve_asset
from landbridge.console.figure import number_text, plain, short_id
from landbridge.console.language import Language, load_languages
from landbridge.console.needs import City, Doors, Reading
from landbridge.console.page import Console, address, answer, posting, reading, with_parameters
from landbridge.console.sentence import place_told, told
from landbridge.console.session import Keys
from landbridge.console.unit import symbol, unit_name
from landbridge.errors import Missing

TEMPLATES = Path(__file__).parent / "templates"


def routes(pool: Reading, doors: Doors, city: City, *, secret: bytes | None = None) -> list[Route]:
    """The console's routes over a pool.

    `secret` signs forms; give the same one to all processes of an installation, or none for one that lives as long
    as the process.
    """
    return console_routes(open_console(pool, doors, city, secret))


def open_console(pool: Reading, doors: Doors, city: City, secret: bytes | None = None) -> Console:
    """Load catalogues, templates and the build's manifest."""
    languages, zone = load_languages(), ZoneInfo(city.time_zone)
    environments = {tag: environment(language, zone, doors.clock) for tag, language in languages.items()}
    keys = Keys(secret) if secret else Keys()
    return Console(pool, city, doors, keys, languages, environments, load_assets(), zone)


def environment(language: Language, zone: ZoneInfo, clock: Callable[[], float]) -> Environment:
    """Templates in one language, with filters for times, numbers, units and addresses."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {
        "term": language.term,
        "translated": language.gettext,
        "localised": language.of,
        "told": partial(told, language=language),
        "place_told": partial(place_told, language=language),
        "number": number_text,
        "plain": partial(plain, language=language),
        "short_id": short_id,
        "symbol": symbol,
        "unit_name": lambda code: language.gettext(unit_name(code)) if unit_name(code) else "",
        "absolute": lambda instant: moment.absolute(instant, zone),
        "relative": lambda instant: moment.relative(instant, clock(), language),
        "span": lambda seconds: moment.span(seconds, language),
        "iso": lambda instant: moment.local(instant, zone).isoformat(),
        "entity_path": lambda id: address("entity", id),
        "type_path": lambda type: address("types", type),
        "source_path": lambda name: address("sources", name),
        "quoted": lambda text: quote(text, safe=""),
        "soft": soft,
    }
    made.globals |= {"zone_name": str(zone), "with_parameters": with_parameters}
    return made


def soft(text: str) -> Markup:
    """Let a long id break after its colons and dots."""
    escaped = str(Markup.escape(text))
    return Markup(escaped.replace(":", ":<wbr>").replace("/", "/<wbr>"))  # noqa: S704 escaped above


def console_routes(console: Console) -> list[Route]:
    """Addresses to views."""
    pages: Mapping[str, Any] = {
        "/": overview.overview,
        "/entity/{id:path}": entity.entity,
        "/types": find.all_types,
        "/types/{type:path}": find.types,
        "/search": find.search,
        "/series": series.series,
        "/compare": compare.compare,
        "/sources": source.sources,
        "/sources/{name}": source.source,
        "/disagreements": quality.disagreements,
        "/rejects": quality.rejects,
        "/notifications": letter.letters,
        "/console/map.geojson": mapdata.map_features,
        "/console/replay.json": replay.replay,
        "/console/card": entity.card,
    }
    return [
        Route(ADDRESS + "{name:path}", partial(serve_asset, console.assets), methods=["GET"]),
        Route("/console/live", partial(stream.live, console), methods=["GET"]),
        *(Route(path, reading(console, view), methods=["GET"]) for path, view in pages.items()),
        Route("/rejects/replay", posting(console, quality.replay), methods=["POST"]),
        Route("/notifications/decide", posting(console, letter.decide), methods=["POST"]),
        Route("/sign-in", reading(console, sign.sign_in_page, open_to_all=True), methods=["GET"]),
        Route("/sign-in", posting(console, sign.sign_in, open_to_all=True), methods=["POST"]),
        Route("/sign-out", posting(console, sign.sign_out, open_to_all=True), methods=["POST"]),
        Route("/console/preference", posting(console, sign.prefer, open_to_all=True), methods=["POST"]),
        Route("/favicon.ico", lambda request: RedirectResponse(ADDRESS + "mark.svg"), methods=["GET"]),
    ]


def missing_page(console: Console, request: Request) -> Response:
    """The page for an address that does not exist."""

    def absent(visit: object) -> Response:
        raise Missing("There is no page at this address.", hint="The map and the search lead to what there is.")

    return answer(console, absent, request, {}, open_to_all=True)
