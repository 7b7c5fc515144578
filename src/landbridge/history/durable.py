"""Where the lake's files lie, a folder or object storage, and when they are there for certain.

A file in a folder is safe once it and the folder that names it are synced: the disk keeps neither order nor anything
else before that, and the Delta library syncs nothing. An object is safe once the storage has answered.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import pyarrow as pa
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.fs import DeltaStorageHandler
from polars.exceptions import ComputeError, SchemaError
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, PyFileSystem

from landbridge.errors import Damaged, LandbridgeError, Unreachable
from landbridge.store.sync import sync

REMOTE = "://"
FULL = ("no space left", "disk quota", "file too large", "not enough space")
NEWER = ("unsupported minimum", "unsupported reader", "unsupported table feature", "unknown table feature")
SAFE = "What was acknowledged is in the pool's store, and goes to the lake later."
BOUNDS = {
    "aws_conditional_put": "etag", "connect_timeout": "5s", "timeout": "30s", "max_retries": "3",
    "retry_timeout": "30s",
}  # fmt: skip
Write = Callable[[Any], None]


class Found(NamedTuple):
    """A file's name within its place, its size in bytes, and when it was last written (microseconds since 1970)."""

    name: str
    size: int
    written: int


class Place(Protocol):
    """Where files lie. Names are relative, with `/`. Raises Damaged or Unreachable."""

    address: str
    files: FileSystem

    def write(self, name: str, write: Write) -> int: ...
    def settle(self, *names: str) -> None: ...
    def found(self, under: str = "") -> list[Found]: ...
    def folders(self) -> list[str]: ...
    def has(self, name: str) -> bool: ...
    def remove(self, name: str) -> None: ...
    def path(self, name: str) -> str: ...
    def inside(self, name: str) -> str: ...


class Folder:
    """A folder of this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.root = Path(address)
        self.files: FileSystem = LocalFileSystem()

    def write(self, name: str, write: Write) -> int:
        """Write a file and sync it; its size. Its name is safe after `settle`."""
        path = self.root / name
        with told(self.address):
            make_folder(path.parent)
            try:
                with path.open("xb") as file:
                    write(file)
                    return synced(file)
            except BaseException:
                path.unlink(missing_ok=True)
                raise

    def settle(self, *names: str) -> None:
        """Sync these files, written by somebody else, and the names of all in their folders."""
        with told(self.address):
            for name in names:
                sync(self.root / name)
            for parent in {(self.root / name).parent for name in names}:
                sync(parent)

    def found(self, under: str = "") -> list[Found]:
        """The files of a folder (not of folders within), in the order of their names."""
        with told(self.address):
            folder = self.root / under
            if not folder.is_dir():
                return []
            return sorted(
                Found(f"{under}/{entry.name}" if under else entry.name, stat.st_size, stat.st_mtime_ns // 1000)
                for entry in os.scandir(folder)
                if entry.is_file() and (stat := entry.stat())
            )

    def folders(self) -> list[str]:
        """The names of the folders within."""
        with told(self.address):
            return sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir()) if self.root.is_dir() else []

    def has(self, name: str) -> bool:
        return (self.root / name).exists()

    def remove(self, name: str) -> None:
        with told(self.address):
            (self.root / name).unlink(missing_ok=True)

    def path(self, name: str) -> str:
        return str(self.root / name)

    inside = path  # for `files`


class Storage:
    """Object storage at an address such as s3://bucket/prefix; `options` as the Delta library takes them."""

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        self.address = address.rstrip("/")
        with told(self.address):
            self.files: FileSystem = PyFileSystem(DeltaStorageHandler(self.address, dict(options)))

    def write(self, name: str, write: Write) -> int:
        """Write an object whole; its size."""
        with told(self.address):
            sink = pa.BufferOutputStream()
            write(sink)
            held = sink.getvalue()
            with self.files.open_output_stream(name) as stream:
                stream.write(held)
            return int(held.size)

    def settle(self, *names: str) -> None:
        """Nothing: what the storage has answered for is there."""

    def found(self, under: str = "") -> list[Found]:
        return [
            Found(info.path, info.size, (info.mtime_ns or 0) // 1000)
            for info in self.listed(under)
            if info.type == FileType.File
        ]

    def folders(self) -> list[str]:
        return [info.path.rstrip("/") for info in self.listed("") if info.type == FileType.Directory]

    def listed(self, under: str) -> list[Any]:
        with told(self.address):
            infos = self.files.get_file_info(FileSelector(under, allow_not_found=True))
            return sorted(infos, key=lambda info: str(info.path))

    def has(self, name: str) -> bool:
        with told(self.address):
            return bool(self.files.get_file_info([name])[0].type == FileType.File)

    def remove(self, name: str) -> None:
        with told(self.address):
            self.files.delete_file(name)

    def path(self, name: str) -> str:
        return f"{self.address}/{name}"

    def inside(self, name: str) -> str:
        return name


def place(address: str, options: Mapping[str, str]) -> Place:
    """A folder, or object storage where the address names a scheme."""
    return Storage(address, options) if REMOTE in address else Folder(address)


def storage_options(environment: Mapping[str, str]) -> dict[str, str]:
    """How object storage is spoken to: what the operator's environment says (AWS_...), and our bounds of time.

    A commit takes place where nothing is yet, or not at all; storage that cannot promise that is refused.
    """
    given = {name: value for name, value in environment.items() if name.startswith("AWS_")}
    return {**BOUNDS, **given}


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing; their names are synced."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def synced(file: IO[bytes]) -> int:
    """Put all of an open file on the disk; its size."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


@contextlib.contextmanager
def told(where: str) -> Iterator[None]:
    """Say what files or storage have met, and what to do. Raises Damaged or Unreachable; a lost race passes."""
    try:
        yield
    except (LandbridgeError, CommitFailedError):
        raise
    except (OSError, DeltaError, pa.ArrowException, ComputeError, SchemaError) as error:
        raise trouble(error, where) from error


def trouble(error: BaseException, where: str) -> LandbridgeError:
    """An error of the lake's files as one that a person can act upon."""
    text = " ".join(str(error).split())[:300]
    if any(sign in text.lower() for sign in FULL):
        return Damaged("The lake's disk is full.", where=where, hint=f"Make room on it. {SAFE}")
    if any(sign in text.lower() for sign in NEWER):
        return Damaged(
            f"The table needs a reader of a later version of Delta's protocol: {text}.",
            where=where,
            hint="Another program has changed the table; install a later Landbridge, or bring back the former table.",
        )
    if isinstance(error, FileNotFoundError) or "not found" in text.lower():
        return Damaged(
            f"A file of the lake is missing: {text}.",
            where=where,
            hint="Bring it back from a backup; until then questions about its time have no right answer.",
        )
    if REMOTE in where:
        return Unreachable(
            f"The lake's storage does not answer as it should: {text}.",
            where=where,
            hint=f"See to its address, the credentials and the network. {SAFE}",
        )
    return Damaged(f"A file of the lake cannot be read or written: {text}.", where=where, hint=f"See to it. {SAFE}")
