"""The certificate of an erasure: when, why, by whom, how much was removed where; of what, by a hash alone.

A JSON file in the folder `erasures` beside the pool's file, sealed with the pool's key, so it can be checked again.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from landbridge.errors import Damaged, Missing
from landbridge.model.instant import format_instant, parse_instant
from landbridge.store.sync import sync

if TYPE_CHECKING:
    from landbridge.pool.erase import Work

SEAL = "seal"


@dataclass(frozen=True)
class Certificate:
    """What an erasure did. `subject` is the hash in hexadecimal; times in microseconds since 1970.

    `resumed`: it was cut off and finished later, so `removed` may count less than what went.
    """

    name: str
    scope: str
    subject: str
    by: str
    reason: str
    began: int
    ended: int | None
    since: int | None
    until: int | None
    removed: Mapping[str, int]
    resumed: bool = False

    @classmethod
    def of(cls, work: "Work") -> "Certificate":
        subject, order = work.subject, work.order
        return cls(
            work.name, subject.scope, work.hash.hex(), order.by, order.reason, work.began, None, subject.since,
            subject.until, dict(sorted(work.counts.items())), work.resumed,
        )  # fmt: skip

    def ended_at(self, moment: int) -> "Certificate":
        return replace(self, ended=moment)

    def to_json(self) -> dict[str, Any]:
        moments = {name: getattr(self, name) for name in ("began", "ended", "since", "until")}
        shown = {name: None if moment is None else format_instant(moment) for name, moment in moments.items()}
        return {**vars(self), **shown, "removed": dict(self.removed)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Certificate":
        moments = {name: told[name] for name in ("began", "ended", "since", "until")}
        read = {name: None if text is None else parse_instant(text) for name, text in moments.items()}
        return cls(**{name: value for name, value in told.items() if name != SEAL} | read)


def seal_of(key: bytes, told: Mapping[str, Any]) -> str:
    """What shows that a certificate was made here, and says what it said."""
    text = orjson.dumps({name: value for name, value in told.items() if name != SEAL}, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, key=key, digest_size=32, person=b"certificate").hexdigest()


def write_certificate(folder: Path, certificate: Certificate, key: bytes) -> Path:
    """Keep a certificate; on disk when this returns. Raises Damaged."""
    told = certificate.to_json()
    text = orjson.dumps({**told, SEAL: seal_of(key, told)}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    path = folder / f"{certificate.name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync(folder)
    except OSError as error:
        raise Damaged(f"The certificate cannot be written: {error.strerror}.", where=str(path)) from error
    return path


def read_certificate(path: Path, key: bytes) -> Certificate:
    """A certificate whose seal is right. Raises Missing, Damaged."""
    try:
        told = orjson.loads(path.read_bytes())
        seal = str(told[SEAL])
        found = Certificate.from_json(told)
    except FileNotFoundError:
        raise Missing("There is no such certificate.", where=str(path)) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged("The file is no certificate of an erasure.", where=str(path)) from error
    if not hmac.compare_digest(seal, seal_of(key, told)):
        raise Damaged("The certificate's seal is not this pool's, or its text was changed.", where=str(path))
    return found
