"""SenML packs (RFC 8428), JSON or CBOR, resolved into rows that stand on their own.

A pack saves bytes by letting a record's base fields hold for those after it, and by times relative to now. A row
has absolute time, full name, unit and value, under SenML's own labels: n, u, t, v, vs, vb, vd, s, ut.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cbor2
import orjson

from landbridge.errors import Invalid

LABELS = {
    -1: "bver",
    -2: "bn",
    -3: "bt",
    -4: "bu",
    -5: "bv",
    -6: "bs",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}  # fmt: skip  (RFC 8428, table 4)
VERSION = 10
RELATIVE = 2**28  # RFC 8428, 4.5.3: times below this many seconds count from now
VALUES = ("v", "vs", "vb", "vd")
NUMBERS = ("bt", "bv", "bs", "t", "v", "s", "ut")
TEXTS = ("bn", "bu", "n", "u", "vs")


def read_json(payload: bytes, now: float) -> list[dict[str, Any]]:
    """Read a SenML JSON pack; `now` in seconds since 1970. Raises Invalid."""
    try:
        return resolve(orjson.loads(payload), now)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The SenML pack is no JSON: {error}.") from None


def read_cbor(payload: bytes, now: float) -> list[dict[str, Any]]:
    """Read a SenML CBOR pack, whose labels are numbers; `now` in seconds since 1970. Raises Invalid."""
    try:
        pack = cbor2.loads(payload)
    except (cbor2.CBORDecodeError, ValueError, RecursionError) as error:
        raise Invalid(f"The SenML pack is no CBOR: {error}.") from None
    if not isinstance(pack, list) or not all(isinstance(record, Mapping) for record in pack):
        raise Invalid("The SenML pack is no list of records.")
    return resolve([{LABELS.get(key, key): value for key, value in record.items()} for record in pack], now)


def resolve(pack: object, now: float) -> list[dict[str, Any]]:
    """Put base fields and absolute times into each record (RFC 8428, 4.6); raises Invalid.

    A record without a value or a sum only sets base fields and gives no row.
    """
    if not isinstance(pack, Sequence) or isinstance(pack, str | bytes):
        raise Invalid("The SenML pack is no list of records.")
    base: dict[str, Any] = {}
    rows = []
    for number, record in enumerate(pack, 1):
        check(record, number)
        base.update((label, record[label]) for label in ("bn", "bt", "bu", "bv", "bs") if label in record)
        if any(label in record for label in (*VALUES, "s")):
            rows.append(resolved(record, base, now, number))
    return rows


def check(record: object, number: int) -> None:
    """Raise Invalid for a record that RFC 8428 tells to refuse."""
    if not isinstance(record, Mapping):
        raise Invalid(f"SenML record {number} is no object.")
    if record.get("bver", VERSION) > VERSION:
        raise Invalid(f"SenML record {number} is of version {record['bver']}; {VERSION} is understood.")
    for label, value in record.items():
        if isinstance(label, str) and label.endswith("_"):
            raise Invalid(f"SenML record {number} has the field '{label}', which must be understood and is not.")
        if label in NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise Invalid(f"SenML record {number}: '{label}' is no number.")
        if label in TEXTS and not isinstance(value, str):
            raise Invalid(f"SenML record {number}: '{label}' is no text.")


def resolved(record: Mapping[str, Any], base: Mapping[str, Any], now: float, number: int) -> dict[str, Any]:
    """One record with the base fields in it."""
    name = base.get("bn", "") + record.get("n", "")
    if not name:
        raise Invalid(f"SenML record {number} has no name.")
    time = base.get("bt", 0) + record.get("t", 0)
    row: dict[str, Any] = {"n": name, "t": float(time if time >= RELATIVE else now + time)}
    if "u" in record or "bu" in base:
        row["u"] = record.get("u", base.get("bu"))
    if "v" in record or ("bv" in base and not any(label in record for label in ("vs", "vb", "vd"))):
        row["v"] = base.get("bv", 0) + record.get("v", 0)
    if "s" in record or "bs" in base:
        row["s"] = base.get("bs", 0) + record.get("s", 0)
    known = ("bver", "bn", "bt", "bu", "bv", "bs", *row)
    row.update((str(label), value) for label, value in record.items() if label not in known)
    return row
