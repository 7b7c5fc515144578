"""Linked entities: those that the relationships of an answer's entities point at, and theirs (NGSI-LD 4.5.23).

They are fetched hop by hop, each hop with one question for all that it needs, and only where the relationship is shown.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from landbridge.api.ngsild.question import Join
from landbridge.errors import TooMuch
from landbridge.model.answer import Held
from landbridge.model.entity import Instances
from landbridge.model.renderer import Rendering, chosen, objects_of

MOST_LINKED = 10_000
BATCH = 500
Fetch = Callable[[Sequence[str]], Iterable[Held]]
Shown = tuple[Held, Rendering]


def gather(held: Sequence[Held], how: Rendering, join: Join, fetch: Fetch) -> tuple[dict[str, Held], list[Shown]]:
    """All linked entities by id, those of the answer among them; and those to be shown behind it, in order.

    `fetch` gives the entities with these ids that there are. Raises TooMuch.
    """
    found = {one.id: one for one in held}
    behind: list[Shown] = []
    passed = {*found, *join.met}
    level: list[Shown] = [(one, how) for one in held]
    for _ in range(join.levels):
        wanted: dict[str, Rendering] = {}
        for id_, below in next_of(level):
            wanted.setdefault(id_, below)
        missing = [id_ for id_ in wanted if id_ not in found and id_ not in join.met]
        if len(found) + len(missing) > MOST_LINKED:
            raise TooMuch(f"More than {MOST_LINKED} entities are linked.", hint="Ask for fewer, or less deep.")
        for start in range(0, len(missing), BATCH):
            found |= {one.id: one for one in fetch(missing[start : start + BATCH])}
        level = [(found[id_], below) for id_, below in wanted.items() if id_ in found and id_ not in passed]
        passed |= {one.id for one, _ in level}
        behind += level
        if not level:
            break
    return found, behind


def next_of(level: Sequence[Shown]) -> Iterator[tuple[str, Rendering]]:
    """The ids that the shown relationships of some entities point at, and how those entities are wanted."""
    for held, how in level:
        for name, instances in relationships(held.document["attrs"], how):
            below = how.below(name)
            for instance in instances:
                for id_ in objects_of(instance):
                    yield id_, below


def relationships(attributes: Mapping[str, Instances], how: Rendering) -> Iterator[tuple[str, Instances]]:
    """The relationships that are shown, with those of their instances that point somewhere."""
    for name, instances in attributes.items():
        if how.shows(name):
            found = [one for one in chosen(instances, how) if objects_of(one)]
            if found:
                yield name, found
