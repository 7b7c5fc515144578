"""What an operation of NGSI-LD costs the serving process, over HTTP, by how many entities there are.

    python benchmarks/ngsild.py [ENTITIES ...]        (1,000 and 100,000 by default; a minute each)

For each operation: requests a second over four connections that each wait for their answer, and the CPU time of the
serving process for one, in microseconds. The client shares the machine, so the rate says less than the CPU time. Pages
have 20 entities at every size. At the end: by how much an operation costs more from the fewest entities to the most.
The last line says how fast the processor was meanwhile, for others may share it.
"""

import http.client
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

import orjson
import psutil
from query import COLOURS, fill
from serve import end, start

from landbridge.store.sqlite import open_store

CONNECTIONS = 4
SECONDS, WARM = 5.0, 1.5
ROOT, BATCH = "/ngsi-ld/v1/entities", "/ngsi-ld/v1/entityOperations/upsert"
TITLE = f"{'case':<44}{'entities':>10}{'requests/s':>12}{'CPU µs':>9}"
Request = tuple[str, str, bytes | None]


def operations(count: int, chance: random.Random) -> dict[str, Callable[[], Request]]:
    """What is asked, by the name of the case: method, address and body, another one each time."""

    def one(of: int = count) -> str:
        return f"urn:ngsi-ld:Lamp:{chance.randrange(of):08}"

    def q(text: str) -> Request:
        return "GET", f"{ROOT}?type=Lamp&limit=20&q={quote(text)}", None

    def patch() -> Request:
        level = {"level": {"type": "Property", "value": chance.random(), "unitCode": "P1"}}
        return "PATCH", f"{ROOT}/{one()}/attrs", orjson.dumps(level)

    def lamp(id_: str) -> dict[str, object]:
        return {
            "id": id_, "type": "Lamp", "level": {"type": "Property", "value": chance.random(), "unitCode": "P1"},
            "colour": {"type": "Property", "value": f"colour {chance.randrange(COLOURS)}"},
        }  # fmt: skip

    def create() -> Request:
        return "POST", ROOT, orjson.dumps(lamp(f"urn:ngsi-ld:Lamp:new-{chance.getrandbits(60)}"))

    def upsert() -> Request:
        some = [lamp(f"urn:ngsi-ld:Lamp:new-{chance.randrange(1000)}") for _ in range(20)]
        return "POST", f"{BATCH}?options=update", orjson.dumps(some)

    return {
        "retrieve, one of all": lambda: ("GET", f"{ROOT}/{one()}", None),
        "retrieve, one of 1,000": lambda: ("GET", f"{ROOT}/{one(1000)}", None),
        "query by type, 20 of them": lambda: ("GET", f"{ROOT}?type=Lamp&limit=20", None),
        "query by q, half of them": lambda: q(f"level>{0.5 + chance.random() / 100:.4f}"),
        "query by q, one in fifty": lambda: q(f"level>{0.98 + chance.random() / 1000:.5f}"),
        "query by q, about 20 of all": lambda: q(f"level>{1 - (20 + chance.random()) / count:.8f}"),
        "query by q, one value of a thousand": lambda: q(f'colour=="colour {chance.randrange(COLOURS)}"'),
        "patch an attribute": patch,
        "create": create,
        "batch upsert of 20": upsert,
    }


def drive(address: str, ask: Callable[[], Request], seconds: float, least: int = 0) -> int:
    """Ask over some connections for a while; how many answers came. Ends the benchmark with a wrong one.

    `least`: so many from each connection. A write is answered after what waits to be written, indexes among it.
    """
    until, counts, wrong = time.monotonic() + seconds, [0] * CONNECTIONS, list[str]()

    def caller(place: int) -> None:
        host = urlsplit(address)
        connection = http.client.HTTPConnection(host.hostname or "", host.port)
        while (time.monotonic() < until or counts[place] < least) and not wrong:
            method, path, body = ask()
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            said = answer.read()
            if answer.status not in (200, 201, 204):
                wrong.append(f"{method} {path} is answered {answer.status}: {said[:300]!r}")
            counts[place] += 1
        connection.close()

    callers = [threading.Thread(target=caller, args=(place,)) for place in range(CONNECTIONS)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    if wrong:
        raise SystemExit(wrong[0])
    return sum(counts)


def measure(folder: Path, count: int, seconds: float) -> dict[str, float]:
    """Fill a city, serve it, and ask; CPU microseconds by the name of the case."""
    took: dict[str, float] = {}
    city = folder / f"city{count}"
    (city / ".landbridge").mkdir(parents=True)
    (city / "landbridge.toml").write_text('name = "Bench"\ntime_zone = "UTC"\n')
    store = open_store(city / ".landbridge" / "pool.db")
    fill(store, count)
    store.close()
    _, server, address = start(city, keep=True)
    serving = psutil.Process(server.pid)
    try:
        for name, ask in operations(count, random.Random(1)).items():
            drive(address, ask, min(WARM, seconds))
            drive(address, operations(count, random.Random(2))["patch an attribute"], 0.0, least=1)
            used, begun = serving.cpu_times(), time.monotonic()
            answers = drive(address, ask, seconds)
            passed, now = time.monotonic() - begun, serving.cpu_times()
            cpu = now.user + now.system - used.user - used.system
            took[name] = cpu / answers * 1e6
            print(f"{name:<44}{count:>10,}{answers / passed:>12,.0f}{took[name]:>9,.0f}", flush=True)
    finally:
        end(server)
    return took


def yardstick() -> float:
    """Nanoseconds of CPU time for one small piece of Python: more where others share the processor's caches."""
    pieces, kept = 300_000, dict[int, str]()
    begun = time.process_time()
    for number in range(pieces):
        kept[number & 1023] = str(number)
    return (time.process_time() - begun) / pieces * 1e9


def main() -> None:
    quick = "--quick" in sys.argv
    counts = [int(one) for one in sys.argv[1:] if one.isdigit()] or [1_000, 100_000]
    print(TITLE)
    found, speeds = dict[int, dict[str, float]](), [yardstick()]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for count in [1_000] if quick else counts:
            found[count] = measure(Path(name), count, 0.3 if quick else SECONDS)
            speeds.append(yardstick())
    if len(found) > 1:
        first, last = found[min(found)], found[max(found)]
        for case, cost in first.items():
            print(f"{case:<44}{'growth':>10}{last[case] / cost - 1:>21.0%}")
    print(f"{'a piece of Python, nanoseconds':<44}{'':>10}{min(speeds):>12.0f}{max(speeds):>9.0f}")


if __name__ == "__main__":
    main()
