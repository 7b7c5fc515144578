"""A city served by processes of its own, for tests that ask it over HTTP while others do something to it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def served(folder: Path) -> Iterator[httpx.Client]:
    """A client of its NGSI-LD API."""
    process = subprocess.Popen(
        [sys.executable, "-m", "landbridge", "serve", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        address = next(line for line in process.stdout if "http://" in line).split("http://")[1].split()[0].rstrip("/.")
        with httpx.Client(base_url=f"http://{address}/ngsi-ld/v1", timeout=30) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()
