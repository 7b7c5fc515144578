"""Errors as a person reads them at a terminal: what, where, what to do; for a bug, a number to quote."""

import datetime
import os
import secrets
import sys
import tempfile
import traceback
from pathlib import Path

import click

from landbridge.cli.exit_code import DONE, INTERRUPTED, UNEXPECTED, USAGE, code_of
from landbridge.errors import InvalidMapping, LandbridgeError

CELL = 60  # characters of a sample row's cell


def tell(error: BaseException) -> int:
    """Say what happened on stderr, and give the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else UNEXPECTED
    if isinstance(error, LandbridgeError):
        tell_known(error)
        return code_of(error)
    if isinstance(error, click.ClickException):
        error.show()
        return USAGE
    if isinstance(error, KeyboardInterrupt | click.exceptions.Abort):
        click.echo("Ended.", err=True)
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):  # whoever reads has gone, as with `| head`
        return DONE
    tell_unknown(error)
    return UNEXPECTED


def tell_known(error: LandbridgeError) -> None:
    """The sentence, the place and the remedy of an error that a person can act upon."""
    click.secho(f"Error: {error.message}", fg="red", bold=True, err=True)
    if error.where:
        click.echo(f"  at   {error.where}", err=True)
    if isinstance(error, InvalidMapping) and error.row:
        cells = ", ".join(f"{name} = {str(value)[:CELL]!r}" for name, value in list(error.row.items())[:12])
        click.echo(f"  row  {cells}", err=True)
    if error.hint:
        click.echo(f"  do   {error.hint}", err=True)


def tell_unknown(error: BaseException) -> None:
    """A number to quote, and the file that has the rest."""
    number = secrets.token_hex(4)
    text = "".join(traceback.format_exception(error))
    moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    place = keep(number, f"{number} {moment}\n{' '.join(sys.argv)}\n{text}\n")
    click.secho(f"Error: Something unexpected happened; its number is {number}.", fg="red", bold=True, err=True)
    click.echo(f"  do   Report that number, with the file {place}", err=True)


def keep(number: str, text: str) -> str:
    """Write the account of an unexpected error where the user may write; give the file's path."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "landbridge"
    for folder in (state, Path(tempfile.gettempdir())):
        path = folder / f"landbridge-error-{number}.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return str(path)
    click.echo(text, err=True)
    return "(none could be written; the text is above)"
