"""How long work ends: Ctrl-C and TERM set a stop sign, so that what is under way is finished and nothing is lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ended_by_signal() -> Iterator[threading.Event]:
    """Set the given event on the first Ctrl-C or TERM; a second Ctrl-C ends at once."""
    stop = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
