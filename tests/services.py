"""Real services for the tests: PostgreSQL with PostGIS, MariaDB and mosquitto, each in a folder of its own.

They listen on 127.0.0.1 on free ports, live as long as the test session and are ended by their own process
number. Where a program is not installed, the tests that need it are skipped with one line that says so; under
LANDBRIDGE_REQUIRE_ALL=1 a missing program is a failure instead.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pymysql
import pytest

from landbridge.sources.broker import DemoBroker

SERVER_FOLDERS = ["/usr/sbin", "/usr/local/sbin", *(f"/usr/lib/postgresql/{n}/bin" for n in (17, 16, 15))]


def needs(program: str) -> str:
    """The path of a program, or a skipped test; a failed one where everything is required."""
    path = shutil.which(program) or shutil.which(program, path=os.pathsep.join(SERVER_FOLDERS))
    if path:
        return path
    reason = f"{program} is not installed, so what needs it is not tested."
    if os.environ.get("LANDBRIDGE_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(ready: Callable[[], object], process: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    """Ask `ready` until it raises nothing; fail with the end of the log."""
    end = time.monotonic() + seconds
    while True:
        try:
            ready()
            return
        except Exception:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(log.read_text(errors="replace")[-2000:]) from None
            time.sleep(0.05)


@contextlib.contextmanager
def server_folder(user: str) -> Iterator[Path]:
    """A folder that the server's user may enter (pytest's own is for its owner alone)."""
    folder = Path(tempfile.mkdtemp(prefix="landbridge-test-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_user(user: str) -> dict[str, str]:
    return {"user": user, "group": user} if os.geteuid() == 0 else {}


@contextlib.contextmanager
def running(command: list[str], log: Path, user: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd="/", **as_user(user))  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Database:
    """A running database server; `address` is SQLAlchemy's, with the driver the product uses."""

    address: str
    port: int
    execute: Callable[[str], list[tuple[object, ...]]]


@contextlib.contextmanager
def postgresql_server() -> Iterator[Database]:
    """PostgreSQL with PostGIS, trust on loopback; also for the benchmarks."""
    initdb, server = needs("initdb"), needs("postgres")
    port = free_port()
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    with server_folder(user) as folder:
        data, log = folder / "data", folder / "log"
        subprocess.run(
            [initdb, "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True, capture_output=True, cwd="/", **as_user(user),
        )  # fmt: skip
        command = [server, "-D", str(data), "-p", str(port), "-k", str(folder), "-c", "fsync=off"]
        with running([*command, "-c", "listen_addresses=127.0.0.1"], log, user) as process:
            address = f"postgresql://postgres@127.0.0.1:{port}/postgres"

            def execute(statement: str) -> list[tuple[object, ...]]:
                with psycopg.connect(address, autocommit=True) as connection:
                    done = connection.execute(statement)  # type: ignore[call-overload]
                    return done.fetchall() if done.description else []

            wait_until(lambda: execute("select 1"), process, log)
            with contextlib.suppress(psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
                execute("create extension postgis")
            yield Database(address, port, execute)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Database]:
    """A PostgreSQL server for all tests of the session."""
    with postgresql_server() as database:
        yield database


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Database]:
    """MariaDB with a user `city` and a database `city`."""
    server, install = needs("mariadbd"), needs("mariadb-install-db")
    port = free_port()
    user = "mysql" if os.geteuid() == 0 else getpass.getuser()
    with server_folder(user) as folder:
        data, log = folder / "data", folder / "log"
        subprocess.run(
            [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
             "--skip-test-db", *([f"--user={user}"] if os.geteuid() == 0 else [])],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip
        command = [server, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
                   f"--socket={folder}/socket", "--innodb-flush-log-at-trx-commit=0",
                   "--skip-name-resolve"]  # fmt: skip
        with running(command, log, user) as process:
            socket_path = str(folder / "socket")

            def execute(statement: str) -> list[tuple[object, ...]]:
                with pymysql.connect(unix_socket=socket_path, user="root", autocommit=True) as connection:
                    cursor = connection.cursor()
                    cursor.execute(statement)
                    return list(cursor.fetchall())

            wait_until(lambda: (folder / "socket").stat(), process, log)  # pymysql leaks a socket that finds nobody
            execute("create database city character set utf8mb4")
            execute("create user city@'127.0.0.1' identified by 'se:cret'")
            execute("grant all on city.* to city@'127.0.0.1'")
            yield Database(f"mysql+pymysql://city:${{CITY_PASSWORD}}@127.0.0.1:{port}/city", port, execute)


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[DemoBroker]:
    """A real mosquitto on a free port."""
    needs("mosquitto")
    with DemoBroker(program="mosquitto") as broker:
        yield broker
