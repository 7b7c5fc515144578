"""Exit codes: what a script learns from a command's end. The one table from error kinds to codes."""

from landbridge.errors import (
    Conflicting,
    Damaged,
    Exists,
    Failed,
    Invalid,
    InvalidEntity,
    InvalidMapping,
    InvalidQuery,
    InvalidSettings,
    LandbridgeError,
    Missing,
    Outdated,
    Refused,
    TooMuch,
    Unauthenticated,
    Unreachable,
)

DONE, UNEXPECTED, USAGE, INTERRUPTED = 0, 1, 2, 130

CODE_OF: dict[type[LandbridgeError], int] = {
    Invalid: 3,
    InvalidQuery: 3,
    InvalidEntity: 3,
    InvalidMapping: 4,
    InvalidSettings: 5,
    Missing: 6,
    Exists: 7,
    Conflicting: 7,
    Outdated: 7,
    Refused: 8,
    Unauthenticated: 8,
    TooMuch: 9,
    Unreachable: 10,
    Failed: 11,
    Damaged: 12,
}

EXIT_CODES: dict[int, str] = {
    DONE: "done",
    UNEXPECTED: "something unexpected: quote the number that is printed",
    USAGE: "the command line is wrong",
    3: "what came in is wrong (Invalid, InvalidQuery, InvalidEntity)",
    4: "a mapping is wrong (InvalidMapping)",
    5: "landbridge.toml, a source.toml or a variable is wrong (InvalidSettings)",
    6: "what is asked for does not exist (Missing)",
    7: "it is there already, or is no longer as expected (Exists, Conflicting, Outdated)",
    8: "not allowed (Refused, Unauthenticated)",
    9: "a bound on size, depth, time or count is reached (TooMuch)",
    10: "something outside does not answer; try again later (Unreachable)",
    11: "a run did not reach its goal; what was there stays (Failed)",
    12: "what is stored cannot be read or written (Damaged)",
    INTERRUPTED: "ended by Ctrl-C",
}


def code_of(error: LandbridgeError) -> int:
    """The exit code of an error: that of its own kind or the nearest one above it."""
    return next((CODE_OF[kind] for kind in type(error).__mro__ if kind in CODE_OF), UNEXPECTED)
