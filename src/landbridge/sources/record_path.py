"""Where the records are inside a JSON document: a dotted path such as `data.stations.0.readings`."""

from collections.abc import Mapping
from typing import Any

from landbridge.errors import Invalid


def records_at(document: Any, path: str, *, where: str | None = None) -> list[Any]:
    """The list at `path` ("" is the document itself); a single object there is a list of one.

    Raises Invalid where the path leads nowhere, naming what is there instead.
    """
    found = step_to(document, path, where)
    if isinstance(found, list):
        return found
    if isinstance(found, Mapping):
        return [found]
    raise Invalid(f"At '{path or 'the top'}' there is no list of records.", where=where)


def step_to(document: Any, path: str, where: str | None = None) -> Any:
    """What is at `path`; raises Invalid."""
    here = document
    walked: list[str] = []
    for part in path.split(".") if path else []:
        if isinstance(here, Mapping) and part in here:
            here = here[part]
        elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            there = ", ".join(list(here)[:8]) if isinstance(here, Mapping) else type(here).__name__
            place = ".".join(walked) or "the top"
            raise Invalid(f"There is no '{part}' at {place}; there is: {there[:200]}.", where=where,
                          hint="Correct the path to the records.")  # fmt: skip
        walked.append(part)
    return here
