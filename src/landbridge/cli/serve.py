"""`landbridge serve`: the one command that keeps a city's pool alive: schedules, API and console."""

from pathlib import Path

import click

from landbridge.app.serve import serve as run
from landbridge.cli.folder import city_folder


@click.command(
    epilog="""\b
Examples:
  landbridge serve binhai
  landbridge serve binhai --port 8350
  landbridge serve binhai --host 0.0.0.0 --port 80     (needs a token first: landbridge token)
"""
)
@city_folder
@click.option("--host", metavar="ADDRESS", help="The address to listen on. [default: LANDBRIDGE_HOST or 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one. [default: LANDBRIDGE_PORT or 8000]"
)
@click.option("--open", "open_to_all", is_flag=True, help="Listen on a public address although there is no token.")
@click.option(
    "--allow-egress", metavar="NETWORK_OR_NAME", multiple=True,
    help="Let notifications, @contexts and registered sources be called there although it is not public. Repeatable.",
)  # fmt: skip
@click.option(
    "--contexts-map", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON object from @context address to file: these are read, not fetched.",
)  # fmt: skip
@click.option(
    "--ca-file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A PEM file of authorities whose certificates such calls trust beside the public ones.",
)  # fmt: skip
def serve(
    folder: Path,
    host: str | None,
    port: int | None,
    open_to_all: bool,
    allow_egress: tuple[str, ...],
    contexts_map: Path | None,
    ca_file: Path | None,
) -> None:
    """Run a city: pull its sources when they are due, follow its streams, and serve the API and the console.

    Ends cleanly with Ctrl-C or TERM. Without a token only this machine may ask; on another address it does not
    start before there is one, unless --open says that this is meant.
    """
    run(
        folder,
        host=host,
        port=port,
        open_to_all=open_to_all,
        allow_egress=allow_egress,
        contexts_map=contexts_map,
        ca_file=ca_file,
        ready=tell_address,
    )


def tell_address(address: str) -> None:
    """Say where the console is, as soon as it answers."""
    click.echo(f"Open {address} in a browser. Ctrl-C ends it.")
