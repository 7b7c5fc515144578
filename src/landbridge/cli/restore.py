"""`landbridge restore`: a city from a backup, checked, and without what was erased since."""

from pathlib import Path

import click

from landbridge.app.restore import restore as bring_back
from landbridge.cli.screen import JSON_HELP, err, out, print_json


@click.command(
    epilog="""\b
Examples:
  landbridge restore /var/backups/mycity mycity
  landbridge restore /var/backups/mycity/20261125T083000Z mycity --replace
"""
)
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--replace", is_flag=True, help="Put the city that is in DIR aside, under another name.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def restore(target: Path, folder: Path, replace: bool, as_json: bool) -> None:
    """Restore a city from the newest backup in TARGET, or from the one that TARGET names.

    Each file is compared with what it was, the store is counted, and what was erased since is erased again before the
    folder gets its name: DIR is there whole, or as it was. One that was cut off goes on when it is called again.
    """
    done = bring_back(target, folder, replace=replace, tell=lambda what: err.print(f"{what} ..."))
    if as_json:
        before = None if done.before is None else str(done.before)
        print_json({"backup": str(done.backup), "commit": done.commit, "erased": done.erased, "before": before})
        return
    out.print(f"Restored from {done.backup.name}, up to commit {done.commit:,}.", markup=False)
    if done.erased:
        out.print(f"{done.erased:,} erasure{'s' if done.erased > 1 else ''} of later had to be applied again.")
    if done.before is not None:
        out.print(f"What was there is now in {done.before}.", markup=False)
