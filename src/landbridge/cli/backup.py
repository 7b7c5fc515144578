"""`landbridge backup`: a consistent copy of a city, made while it is served."""

from pathlib import Path

import click

from landbridge.app.backup import backup as make_backup
from landbridge.cli.folder import city_folder
from landbridge.cli.screen import JSON_HELP, err, out, print_json


@click.command(
    epilog="""\b
Examples:
  landbridge backup mycity /var/backups/mycity
  landbridge backup mycity /mnt/other/mycity --json
"""
)
@city_folder
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def backup(folder: Path, target: Path, as_json: bool) -> None:
    """Copy store, history and the city's folder into a folder of backups, as they were at one moment.

    Each backup is a folder named by its time. Beside them lies the list of what was erased since, by hashes; `restore`
    applies it, so keep it with them. A backup holds what the city holds: keep it as safe as the city itself.
    """
    made = make_backup(folder, target, lambda what: err.print(f"{what} ..."))
    if as_json:
        print_json({"backup": str(made.folder), "commit": made.commit, "files": made.files, "bytes": made.size})
    else:
        out.print(f"{made.folder}: {made.files:,} files, {made.size:,} bytes, up to commit {made.commit:,}.")
