"""What fuzzing is about: one target for each reader of outside text, and what counts as a find.

A target runs one input through a reader. Whatever a person may send ends in a result or in a LandbridgeError; anything
else that is raised is a find, and so is a run that takes too long. `text`, `body` and `asked` have the targets.
"""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import orjson

from landbridge.errors import LandbridgeError

SECONDS = 3.0  # of processor time that one input may take, under a fuzzer's instruments
SEEDS = Path(__file__).parents[1] / "data" / "fuzz_seeds"
DATA = Path(__file__).parents[1] / "data" / "fuzz"  # what was found once, each a file named target-hash


class TooSlow(Exception):
    """An input that takes longer than it may."""


@dataclass(frozen=True)
class Target:
    """`run` reads one input. `json`: inputs are JSON, and changed as trees; `words` are what inputs are made of."""

    name: str
    run: Callable[[bytes], None]
    json: bool = False
    words: tuple[str, ...] = ()
    own: tuple[bytes, ...] = ()

    @cached_property
    def seeds(self) -> tuple[bytes, ...]:
        """Inputs to begin with: its own, else those of its file."""
        if self.own:
            return self.own
        given = orjson.loads((SEEDS / f"{self.name}.json").read_bytes())
        return tuple(orjson.dumps(one) if self.json else one.encode() for one in given)


def attempt(target: Target, data: bytes) -> Exception | None:
    """Run one input; what is wrong with that, None where all is well."""
    began = time.process_time()
    try:
        target.run(data)
    except LandbridgeError:
        pass
    except Exception as error:
        return error
    took = time.process_time() - began
    return TooSlow(f"{took:.1f} s of processor time") if took > SECONDS else None


def signature(error: Exception | None) -> str:
    """What tells one find from another: the kind of error, and the function of the product, or of the target."""
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "landbridge" in Path(frame.filename).parts] or frames[-1:]
    place = f"{Path(own[-1].filename).name}:{own[-1].name}" if own else ""
    return f"{type(error).__name__} {place}"


def smallest(target: Target, data: bytes, found: str, tries: int = 400) -> bytes:
    """A shorter input that is wrong in the same way: pieces are left out, large ones first."""
    size = max(1, len(data) // 2)
    while size and tries > 0 and not found.startswith("TooSlow"):
        at = 0
        while at < len(data) and tries > 0:
            shorter = data[:at] + data[at + size :]
            tries -= 1
            if signature(attempt(target, shorter)) == found:
                data = shorter
            else:
                at += size
        size //= 2
    return data
