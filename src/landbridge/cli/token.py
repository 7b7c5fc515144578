"""`landbridge token`: who may come in by API, console and push."""

import time
from pathlib import Path

import click

from landbridge.cli.folder import split_folder
from landbridge.cli.opened import opened
from landbridge.cli.screen import JSON_HELP, out, print_json, table
from landbridge.errors import Invalid
from landbridge.model.instant import DATE_TIME, format_instant, parse_duration, parse_instant
from landbridge.pool.token import create_token, list_tokens, revoke_token

ACTIONS = ("create", "list", "revoke")
ROLES = ("operator", "steward", "source", "reader")


@click.command(
    epilog="""\b
Examples:
  landbridge token binhai create maria --role steward --expires P90D
  landbridge token binhai create counters --role source --source footfall
  landbridge token binhai list
  landbridge token binhai revoke maria
"""
)
@click.argument("words", metavar="[DIR] create|list|revoke [NAME]", nargs=-1, required=True)
@click.option("--role", type=click.Choice(ROLES), default="reader", show_default=True, help="What it may do.")
@click.option("--source", metavar="SOURCE", help="With --role source: the source it may send rows to.")
@click.option("--expires", metavar="TIME", help="A time (2026-12-31T00:00:00Z) or a duration (P90D); default: never.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def token(words: tuple[str, ...], role: str, source: str | None, expires: str | None, as_json: bool) -> None:
    """Create, list and revoke bearer tokens. A token's text is shown once: only a hash of it is kept.

    \b
    Roles: operator runs the platform, steward answers for data, source sends rows to one
    source, reader reads.
    """
    folder, action, name = read_words(words)
    if action == "list":
        show_tokens(folder, as_json)
        return
    if name is None:
        raise click.UsageError(f"Give the token's name: landbridge token {action} NAME")
    with opened(folder, make=True) as city:
        if action == "revoke":
            revoke_token(city.pool.store, name)
            out.print(f"The token '{name}' is revoked.", markup=False)
            return
        text = create_token(city.pool.store, name, role, source, when(expires))
    if as_json:
        print_json({"name": name, "role": role, "source": source, "token": text})
    else:
        out.print(text, markup=False)


def read_words(words: tuple[str, ...]) -> tuple[Path, str, str | None]:
    """Folder, action and name of `[DIR] ACTION [NAME]`."""
    folder, rest = (Path(), list(words)) if words[0] in ACTIONS else (Path(words[0]), list(words[1:]))
    if rest and rest[0] not in ACTIONS and words[0] not in ACTIONS:
        folder, rest = split_folder(words)
    if not rest or rest[0] not in ACTIONS or len(rest) > 2:
        raise click.UsageError("Say what to do: landbridge token [DIR] create|list|revoke [NAME]")
    return folder, rest[0], rest[1] if len(rest) > 1 else None


def when(text: str | None) -> int | None:
    """An expiry in microseconds since 1970: of a time, or of a duration from now."""
    if text is None:
        return None
    if DATE_TIME.match(text):
        return parse_instant(text)
    try:
        return time.time_ns() // 1000 + parse_duration(text)
    except Invalid:
        raise Invalid(
            f"`--expires` is '{text[:60]}', which is no time and no duration.",
            hint="Write P90D or 2026-12-31T00:00:00Z.",
        ) from None


def show_tokens(folder: Path, as_json: bool) -> None:
    """The tokens there are, without their texts."""
    with opened(folder, make=True) as city:
        found = list_tokens(city.pool.store)
    rows = [
        {
            "name": row.name,
            "role": row.role,
            "source": row.source,
            "createdAt": format_instant(row.created),
            "expiresAt": None if row.expires is None else format_instant(row.expires),
        }
        for row in found
    ]
    if as_json:
        print_json(rows)
    elif rows:
        out.print(table(list(rows[0]), [list(row.values()) for row in rows]))
    else:
        out.print("There is no token. On this machine none is needed; over a network everybody needs one.")
