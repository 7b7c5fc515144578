"""`landbridge notifications`: those that no receiver took, with the reason, and another try."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from landbridge.cli.folder import city_folder
from landbridge.cli.opened import OPERATOR, opened
from landbridge.cli.screen import JSON_HELP, out, print_json, table
from landbridge.errors import InvalidSettings
from landbridge.model.instant import format_instant
from landbridge.pool.dead_letter import DeadLetter, DeadLetters


@click.command(
    epilog="""\b
Examples:
  landbridge notifications binhai
  landbridge notifications binhai --json | jq '.[0].body'
  landbridge notifications binhai --replay --subscription urn:ngsi-ld:Subscription:1
  landbridge notifications binhai --drop --notification urn:ngsi-ld:Notification:2
"""
)
@city_folder
@click.option("--subscription", metavar="ID", help="Only of this subscription.")
@click.option("--notification", metavar="ID", help="Only this one.")
@click.option("--replay", is_flag=True, help="Send them again, under the ids that they have.")
@click.option("--drop", is_flag=True, help="Forget them.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="How many to list.")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def notifications(
    folder: Path,
    subscription: str | None,
    notification: str | None,
    replay: bool,
    drop: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List the notifications that were given up: no receiver took them in an hour, or they may not be sent there.

    A server that runs takes up what is replayed within some seconds. With --json: a list of {tenant, subscription,
    notification, made, givenUp, reason, body}.
    """
    if replay and drop:
        raise InvalidSettings("--replay and --drop exclude each other.", hint="Give one of them.")
    with opened(folder) as city:
        letters = DeadLetters(city.pool)
        if replay or drop:
            count = (letters.replay if replay else letters.drop)(OPERATOR, subscription, notification)
            out.print(
                f"{count:,} notification{'s are' if count > 1 else ' is'} {'sent again' if replay else 'forgotten'}."
            )
            return
        listed, count = letters.listed(OPERATOR, limit)
    found = [
        one for one in listed if subscription in (None, one.subscription) and notification in (None, one.notification)
    ]
    if as_json:
        print_json([as_object(one) for one in found])
    else:
        show(found, count)


def as_object(one: DeadLetter) -> Mapping[str, object]:
    return {
        "tenant": one.tenant, "subscription": one.subscription, "notification": one.notification,
        "made": format_instant(one.made), "givenUp": format_instant(one.given_up), "reason": one.reason,
        "body": one.body,
    }  # fmt: skip


def show(found: Sequence[DeadLetter], count: int) -> None:
    if not count:
        out.print("Every notification has come through, or is still being tried.")
        return
    rows = [(one.subscription, one.notification, format_instant(one.given_up), one.reason) for one in found]
    out.print(table(["subscription", "notification", "given up", "reason"], rows))
    out.print(f"\n{count:,} notifications were given up. Mend the receiver, then: --replay")
