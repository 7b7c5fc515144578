"""What the city's folder says, told to the pool: which sources there are, what each feeds, which rules choose.

Not a method of the pool, for it loads the heavy engines that converting needs and the serving process does without.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import orjson

from landbridge.governance.policy import Actor
from landbridge.history.lake import Lake
from landbridge.model.claim import Claims
from landbridge.pool.convert import convert, stored_claims
from landbridge.store import reading
from landbridge.store.sqlite import SqliteStore
from landbridge.store.transaction import SqliteTransaction

RETIRED = "retired"  # marks a source that has gone from the folder; its values still name it


def declare(
    store: SqliteStore,
    actor: Actor,
    claims: Claims,
    sources: Mapping[str, Mapping[str, Any]],
    set_aside: Collection[str] = (),
    lake: Lake | None = None,
) -> Claims:
    """Keep what the folder says and convert what is stored; the claims as they now stand.

    `sources`: each one's declaration by name. `set_aside`: sources whose folder cannot be read now; they, and what
    they feed, stay as they were. `lake`: where the history lies that the store has no more. Does nothing where nothing
    changed.
    """
    claims = with_kept(claims, stored_claims(store) or Claims(), set_aside)
    with store.reader() as connection:
        known = {name: declared for name, declared, *_ in reading.sources(connection)}
    wanted = {name: dict(declared) for name, declared in sources.items()}
    for name, declared in known.items():
        if name not in wanted and name not in set_aside:
            wanted[name] = {**declared, RETIRED: True}
    changed = {name: declared for name, declared in wanted.items() if known.get(name) != declared}

    def job(transaction: SqliteTransaction) -> None:
        for name, declared in changed.items():
            transaction.declare_source(name, orjson.dumps(declared, option=orjson.OPT_SORT_KEYS).decode())

    if changed:
        store.write(job, actor=actor.name, request=actor.request)
    convert(store, claims, actor, lake)
    return claims


def with_kept(claims: Claims, before: Claims, kept: Collection[str]) -> Claims:
    """The claims with what these sources fed before, and how long their claims hold."""
    feeds = dict(claims.feeds)
    for key, sources in before.feeds.items():
        if still := set(sources) & set(kept):
            feeds[key] = tuple(sorted({*feeds.get(key, ()), *still}))
    holds = {name: hold for name, hold in before.holds.items() if name in kept}
    return replace(claims, feeds=feeds, holds={**holds, **claims.holds})
