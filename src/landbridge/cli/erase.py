"""`landbridge erase`: forget an entity, an attribute of it or a whole source for good, with a certificate."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from landbridge.app.backup import tell_backups
from landbridge.app.city import City, open_city
from landbridge.app.erase import eraser_of, own_files, verdicts
from landbridge.cli.folder import city_folder, complete_sources
from landbridge.cli.screen import JSON_HELP, err, out, print_json, table
from landbridge.errors import Failed, Invalid, InvalidSettings, Missing
from landbridge.model.erasure import Subject
from landbridge.model.instant import format_instant, parse_instant
from landbridge.pool.certificate import Certificate
from landbridge.pool.erase import Order
from landbridge.pool.survey import Survey


@click.command(
    epilog="""\b
Examples:
  landbridge erase mycity --entity urn:ngsi-ld:Garden:17 --dry-run
  landbridge erase mycity --entity urn:ngsi-ld:Garden:17 --reason "the owner asked for it" --yes
  landbridge erase mycity --entity urn:ngsi-ld:Garden:17 --attribute keeper --reason "a name too many"
  landbridge erase mycity --source rentals --from 2024-01-01T00:00:00Z --to 2024-07-01T00:00:00Z --reason "licence"
  landbridge erase mycity --verify
"""
)
@city_folder
@click.option("--entity", metavar="ID", help="The entity to forget.")
@click.option("--attribute", metavar="NAME", help="With --entity: only this attribute of it.")
@click.option("--source", metavar="SOURCE", shell_complete=complete_sources, help="All that this source said.")
@click.option("--from", "since", metavar="TIME", help="Only from this time on, observed or else recorded.")
@click.option("--to", "until", metavar="TIME", help="Only before this time.")
@click.option("--mention", "mentions", multiple=True, metavar="TEXT", help="A text that tells the subject in rows.")
@click.option("--tenant", metavar="NAME", help="The tenant; default: the city's own.")
@click.option("--reason", metavar="TEXT", help="Why; it is kept, so it must not name the subject.")
@click.option("--by", metavar="NAME", default="operator", show_default=True, help="In whose name.")
@click.option("--dry-run", is_flag=True, help="Show what would go, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask whether that is meant.")
@click.option("--resume", is_flag=True, help="Finish erasures that were cut off.")
@click.option("--verify", is_flag=True, help="Check all certificates: their seals, and that nothing came back.")
@click.option("--list", "listing", is_flag=True, help="List the certificates.")
@click.option("--allow", metavar="CERTIFICATE", help="Let come back what this erasure keeps out.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def erase(folder: Path, as_json: bool, **given: Any) -> None:
    """Forget for good: state, history, source rows, rejects, notifications, texts, caches, and old versions of files.

    What was erased does not come back: pulls leave its rows out, clients are refused. A certificate says when, why, by
    whom and how much, and names the subject by a hash alone. Your own source files are listed, not touched.
    """
    modes = [name for name in ("resume", "verify", "listing", "allow") if given[name]]
    if len(modes) > 1 or (modes and (given["entity"] or given["source"])):
        raise InvalidSettings("--resume, --verify, --list, --allow and a subject exclude each other.")
    with open_city(folder) as city:
        if given["resume"]:
            tell_all(eraser_of(city).resume(wait=True), as_json)
        elif given["verify"]:
            verify(city, as_json)
        elif given["listing"]:
            tell_all([one.certificate for one in verdicts(city, look=False)], as_json)
        elif given["allow"]:
            count = eraser_of(city).allow(given["allow"])
            out.print(f"{count:,} hash{'es are' if count > 1 else ' is'} forgotten: it may come back now.")
        else:
            erase_subject(city, given, as_json)


def erase_subject(city: City, given: dict[str, Any], as_json: bool) -> None:
    """Show what goes, ask, erase, and tell the certificate."""
    order = order_of(city, given)
    eraser = eraser_of(city)
    found = eraser.look(order)
    files = own_files(city, order, found)
    if given["dry_run"]:
        if as_json:
            print_json({"found": found.counts, "files": [str(path) for path in files]})
        else:
            show(found, files)
        return
    if not given["yes"]:
        show(found, files)
        if not sys.stdin.isatty():
            raise Invalid("Nobody is there to ask whether that is meant.", hint="Say --yes, or look with --dry-run.")
        click.confirm("Forget this for good?", abort=True, err=True)
    certificate = eraser.erase(order)
    unreached = tell_backups(city.pool.store, city.settings.store.parent)
    if as_json:
        print_json({**certificate.to_json(), "files": [str(path) for path in files], "unreached": unreached})
        return
    tell(certificate)
    tell_files(files)
    for target in unreached:
        err.print(f"Not reached: {target}. Its backups remember this after the next one goes there.", markup=False)


def order_of(city: City, given: dict[str, Any]) -> Order:
    """What is asked for. Raises Invalid, Missing."""
    tenant = city.settings.tenant if given["tenant"] is None else given["tenant"]
    name = given["attribute"] and city.contexts.own.expand(given["attribute"])
    since, until = (None if given[end] is None else parse_instant(given[end]) for end in ("since", "until"))
    subject = Subject(tenant, given["entity"], name, given["source"], since, until)
    reason = given["reason"] or ("a look" if given["dry_run"] else "")
    if any(len(text) < 4 for text in given["mentions"]):
        raise Invalid("A text that tells the subject has 4 characters at least.", hint="Give a longer --mention.")
    if subject.source is not None and subject.source in city.declarations and not subject.timed:
        err.print(f"The folder sources/{subject.source} stays; its pulls will leave everything out.", markup=False)
    return Order(subject, reason, given["by"], given["mentions"])


def show(found: Survey, files: Sequence[Path]) -> None:
    """What would go, by place."""
    if not found.counts:
        out.print("Nothing is found; an erasure would keep it out from now on.")
    else:
        rows = [(what, number) for what, number in sorted(found.counts.items())]
        out.print(table(["what", "how many"], rows, right=["how many"]))
    tell_files(files)


def tell_files(files: Sequence[Path]) -> None:
    """The operator's own files, which nobody touches."""
    if files:
        out.print("\nThese files are yours and hold it; they are not touched:")
        for path in files:
            out.print(f"  {path}", markup=False)


def tell(certificate: Certificate) -> None:
    """A certificate, in words."""
    out.print(f"Erased. The certificate is {certificate.name}.", markup=False)
    rows = [(what, number) for what, number in certificate.removed.items()]
    if rows:
        out.print(table(["removed", "how many"], rows, right=["how many"]))


def tell_all(certificates: Sequence[Certificate], as_json: bool) -> None:
    if as_json:
        print_json([one.to_json() for one in certificates])
        return
    if not certificates:
        out.print("There is none.")
        return
    rows = [
        (one.name, one.scope, "" if one.ended is None else format_instant(one.ended), one.by, one.reason)
        for one in certificates
    ]
    out.print(table(["certificate", "scope", "ended", "by", "reason"], rows))


def verify(city: City, as_json: bool) -> None:
    """Check every certificate. Raises Missing where there is none, Failed where something came back."""
    found = verdicts(city)
    if as_json:
        print_json([{"certificate": one.certificate.name, "found": list(one.found)} for one in found])
    elif not found:
        raise Missing("There is no certificate of an erasure.")
    else:
        rows = [(one.certificate.name, "nothing is there" if one.right else ", ".join(one.found)) for one in found]
        out.print(table(["certificate", "found"], rows))
    wrong = [one for one in found if not one.right]
    if wrong:
        raise Failed(
            f"Of {len(wrong)} erasure{'s' if len(wrong) > 1 else ''} something is in the pool again.",
            where=wrong[0].certificate.name,
            hint="Erase it again.",
        )
