"""Which kinds of source there are: entry points of the group `landbridge.sources`, built-in ones too."""

import difflib
import sys
from collections.abc import Collection
from importlib.metadata import entry_points
from typing import cast

from landbridge.errors import InvalidSettings
from landbridge.sources.contract import OpenSource

GROUP = "landbridge.sources"


def kinds() -> tuple[str, ...]:
    """The names of all installed kinds, sorted."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def find_kind(name: str) -> OpenSource:
    """Load the kind of this name; raises InvalidSettings, naming the kinds there are."""
    for entry in entry_points(group=GROUP, name=name):
        return cast(OpenSource, entry.load())
    raise InvalidSettings(
        f"There is no kind of source '{name}'.",
        hint=f"{resembling(name, kinds())}Kinds installed: {', '.join(kinds())}.",
    )


def options_of(opener: OpenSource) -> Collection[str] | None:
    """The option names that the kind's module lists as OPTIONS; None where it lists none."""
    module = sys.modules.get(getattr(opener, "__module__", ""))
    return cast(Collection[str] | None, getattr(module, "OPTIONS", None))


def resembling(name: str, known: Collection[str]) -> str:
    """`Did you mean 'x'? ` with the nearest known names, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=2, cutoff=0.6)
    return f"Did you mean {' or '.join(repr(one) for one in near)}? " if near else ""
