"""The Delta log of a table in a folder: whole after a failure of the power, and short to read.

A commit's file gets its name before anything syncs it, so after a failure of the power the last one may be there in
part or empty. Nobody relied on it (the store was not told), so it goes, and its lines come again. Each commit says how
many actions it has, by which a part of one is known. A checkpoint (the log until then in one file) is likewise only
trusted once it is whole.
"""

import io
import re

import orjson
import pyarrow.parquet as pq

from landbridge.errors import Damaged
from landbridge.history.durable import Place, told

COUNT = "landbridge.actions"  # in a commit's information: how many actions it has besides
COMMIT = re.compile(r"(\d{20})\.json\Z")
CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(\.\S+)?\.parquet\Z")
LAST = "_last_checkpoint"
LARGEST = 64 << 20  # bytes of a commit's file


def mend(place: Place, folder: str) -> list[str]:
    """Take away what a failure of the power left in part at the end of a log; the names of what went.

    Raises Damaged where a commit is broken after which others came: then files or disk are damaged otherwise.
    """
    log = f"{folder}/_delta_log"
    names = {found.name.rpartition("/")[2]: found.name for found in place.found(log)}
    gone = [name for name in checkpoints(names) if not whole_checkpoint(place, names[name])]
    if gone and LAST in names:
        gone.append(LAST)
    commits = sorted(name for name in names if COMMIT.match(name))
    broken = [name for name in commits[-2:] if not whole_commit(read(place, names[name]))]
    if broken and broken[-1] != commits[-1]:
        raise Damaged(
            f"The commit {broken[-1]} of the table's log is broken, and others came after it.",
            where=place.path(folder),
            hint="Bring the table back from a backup; nothing is drained into it meanwhile.",
        )  # fmt: skip
    gone += broken
    for name in gone:
        place.remove(names[name])
    if gone:
        place.settle(*(name for name in names.values() if name.rpartition("/")[2] not in gone))
    return gone


def checkpoints(names: dict[str, str]) -> list[str]:
    """The newest checkpoint's files."""
    found = sorted(name for name in names if CHECKPOINT.match(name))
    return [name for name in found if name[:20] == found[-1][:20]]


def read(place: Place, name: str) -> bytes:
    with told(place.path(name)), place.files.open_input_stream(place.inside(name)) as stream:
        return bytes(stream.read(LARGEST))


def whole_commit(content: bytes) -> bool:
    """Whether a commit's file has all of its actions; one that others wrote need only be readable."""
    try:
        actions = [orjson.loads(line) for line in content.splitlines()]
        information = [action["commitInfo"] for action in actions if "commitInfo" in action]
    except (ValueError, TypeError, KeyError):
        return False
    if not actions:
        return False
    counts = [one[COUNT] for one in information if COUNT in one]
    return not counts or counts[0] == sum("commitInfo" not in action for action in actions)


def whole_checkpoint(place: Place, name: str) -> bool:
    try:
        return bool(pq.ParquetFile(io.BytesIO(read(place, name))).read(columns=[]).num_rows >= 0)
    except (OSError, ValueError):
        return False
