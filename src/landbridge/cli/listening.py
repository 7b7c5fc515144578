"""Listens to a stream for a while: for a sample of it, or so that its broker keeps a session."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from landbridge.sources.contract import Source


@contextmanager
def listening(source: Source, seconds: float) -> Iterator[None]:
    """Let a stream end after so many seconds."""
    timer = threading.Timer(seconds, source.stop) if source.manner == "stream" else None
    if timer:
        timer.start()
    try:
        yield
    finally:
        if timer:
            timer.cancel()
