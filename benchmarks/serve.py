"""How soon `landbridge serve` answers, and what its serving process holds when nothing happens.

    python benchmarks/serve.py

Cold start: from the start of the process to the first answer of /health, the best and the middle of several. Idle: the
resident memory of the serving process after some pages were asked for and a quiet while; its worker,
which has the heavy engines, beside it. The city is the first example, without its schedules having run.
"""

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import process
import psutil

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "binhai"
STARTS, QUIET = 5, 10.0


def main() -> None:
    """Start it several times, then leave one alone."""
    asked = process.options(__doc__, 0)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        city = Path(name) / "city"
        shutil.copytree(EXAMPLE, city, ignore=shutil.ignore_patterns(".landbridge"))
        took = [start(city)[0] for _ in range(1 if asked.quick else STARTS)]
        print(f"{'case':<44}{'value':>10}   limit")
        print(f"{'cold start, the middle of ' + str(len(took)):<44}{statistics.median(took):>8.2f} s   1 s")
        print(f"{'cold start, the best':<44}{min(took):>8.2f} s")
        serving, worker = idle(city, 1.0 if asked.quick else QUIET)
        print(f"{'idle memory of the serving process':<44}{serving:>7.0f} MB   120 MB")
        print(f"{'the worker beside it':<44}{worker:>7.0f} MB")


def start(city: Path, keep: bool = False) -> tuple[float, subprocess.Popen[bytes], str]:
    """Start a server; seconds to its first answer. Ends it unless it is kept."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    begun = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "landbridge", "serve", str(city), "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not answers(address + "/health"):
        if child.poll() is not None or time.perf_counter() - begun > 60:
            raise SystemExit("the server does not answer")
        time.sleep(0.005)
    seconds = time.perf_counter() - begun
    if not keep:
        end(child)
    return seconds, child, address


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.read())
    except (urllib.error.URLError, ConnectionError):
        return False


def end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    child.wait(60)


def idle(city: Path, quiet: float) -> tuple[float, float]:
    """Memory of the serving process and of its children, in MB, after some pages and a quiet while."""
    _, child, address = start(city, keep=True)
    try:
        for path in ("/", "/sources", "/ngsi-ld/v1/types", "/console/map.geojson", "/search?q=a"):
            answers(address + path)
        time.sleep(quiet)
        serving = psutil.Process(child.pid)
        beside = sum(one.memory_info().rss for one in serving.children(recursive=True))
        return serving.memory_info().rss / 1e6, beside / 1e6
    finally:
        end(child)


if __name__ == "__main__":
    main()
