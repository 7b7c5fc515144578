"""An MQTT broker for the demo and the tests: mosquitto where the machine has it, else one written in Python.

The demo replays a sensor stream through a real broker; it must run on a machine where nothing can be installed,
so a broker from the package index stands in when mosquitto is missing. Both listen on 127.0.0.1 only.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

from amqtt.broker import Broker

from landbridge.errors import Unreachable

STARTS_WITHIN = 20.0  # seconds
GUARD = 'cat > /dev/null; kill "$1"; rm -rf "$2"'  # waits until whoever started it is gone, however that came
SETTINGS = """listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
max_inflight_messages 0
"""


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def mosquitto() -> str | None:
    """Where mosquitto is installed (Debian keeps it out of a user's PATH), or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class DemoBroker:
    """A broker in a child process: `with DemoBroker() as broker: broker.address`.

    `program` is "mosquitto" or "python"; None takes mosquitto where there is one.
    Raises Unreachable when the broker does not start.
    """

    def __init__(self, program: str | None = None, port: int | None = None) -> None:
        path = mosquitto()
        self.program = program or ("mosquitto" if path else "python")
        self.port = port or free_port()
        self.path = path or "mosquitto"
        self.folder: Path | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.guard: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The broker's address as a source.toml has it."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The broker's process."""
        if self.process is None:
            raise Unreachable("The broker is not started.", hint="Use it in a with statement.")
        return self.process.pid

    def __enter__(self) -> "DemoBroker":
        self.folder = Path(tempfile.mkdtemp(prefix="landbridge-broker-"))
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(self.command(self.folder), stdout=log, stderr=log, cwd=self.folder)
        try:
            self.guard = self.guarding(self.process.pid, self.folder)
            self.wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.guard is not None:
            self.guard.kill()
            self.guard.communicate()
            self.guard = None
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def guarding(self, pid: int, folder: Path) -> subprocess.Popen[bytes]:
        """Start what ends the broker where this process is killed and cannot: its standard input ends with us."""
        command = ["/bin/sh", "-c", GUARD, "landbridge-guard", str(pid), str(folder)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def command(self, folder: Path) -> list[str]:
        """What starts the broker, its settings written first where it reads them from a file."""
        if self.program == "python":
            return [sys.executable, "-m", "landbridge.sources.broker", str(self.port), str(os.getpid())]
        settings = folder / "mosquitto.conf"
        settings.write_text(SETTINGS.format(port=self.port) + ("user root\n" if os.geteuid() == 0 else ""))
        return [self.path, "-c", str(settings)]

    def wait(self) -> None:
        """Return when the port answers."""
        end = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < end and self.process is not None and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        log = (self.folder / "log").read_text(errors="replace")[-500:].strip() if self.folder else ""
        raise Unreachable(f"The MQTT broker ({self.program}) does not start on port {self.port}. {log}")


async def run(port: int, parent: int) -> None:
    """Serve with the Python broker until TERM, or until the parent process is gone."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await broker.start()
    while not ended.is_set() and os.getppid() == parent:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 1)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2])))
