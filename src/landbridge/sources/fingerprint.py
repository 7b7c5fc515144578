"""What a source's meaning depends on besides its rows: where it changes, everything is mapped again."""

from hashlib import blake2b
from pathlib import Path

from landbridge.sources.contract import Declaration
from landbridge.sources.declaration import FILE
from landbridge.sources.mapping.mapper import mapping_paths
from landbridge.sources.mapping.reference import read_reference

VERSION = "1"  # raised where the same mapping of the same rows comes to mean something else
PIECE = 1 << 20


def fingerprint(declaration: Declaration, more: str = "") -> str:
    """A hash of source.toml, the mapping's texts and the reference tables; `more` for what the city adds.

    Raises Invalid where a file is missing, Unreachable where a reference table's database is.
    """
    found = blake2b(f"{VERSION} {more}".encode(), digest_size=16)
    for path in [declaration.folder / FILE, *mapping_paths(declaration.folder)]:
        add_file(found, path)
    for name, place in sorted(declaration.tables.items()):
        found.update(f"{name}={place}".encode())
        if "://" in place:
            for batch in read_reference(name, place, declaration).to_batches():
                found.update(memoryview(batch.serialize()))
        else:
            add_file(found, declaration.folder / place)
    return found.hexdigest()


def add_file(found: "blake2b", path: Path) -> None:
    """Take in a file's name and content; a missing one counts as such."""
    found.update(path.name.encode())
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                found.update(piece)
    except OSError:
        found.update(b"missing")
