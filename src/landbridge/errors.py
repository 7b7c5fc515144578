"""What can go wrong, said once: the kinds of error that every part raises.

No transport's status lives here. Each standard maps these kinds to its own answers in one table;
the command line maps them to exit codes. The tree:

    LandbridgeError
    ├── Invalid              what came in is wrong: say what, where, and what to do
    │   ├── InvalidQuery         a query or its parameter
    │   ├── InvalidEntity        an entity, attribute or geometry
    │   ├── InvalidMapping       a mapping.sql, with file, line, column and a sample row
    │   └── InvalidSettings      landbridge.toml or source.toml
    ├── Missing              what is asked for does not exist
    ├── Exists               what should be created is there already
    │   ├── Conflicting          what is asked for contradicts what is there
    │   └── Outdated             what is there is no longer what the caller saw
    ├── Refused              a policy says no, and why
    ├── Unauthenticated      nobody known is asking
    ├── TooMuch              a bound on size, depth, time or count is reached
    ├── Unreachable          something outside does not answer, or not as agreed
    ├── Failed               a run or a command did not reach its goal; what was there before stays
    └── Damaged              what is stored cannot be read or written (corrupt, full, read-only)
"""

from collections.abc import Mapping


class LandbridgeError(Exception):
    """An error a person can act upon.

    `message` is one sentence in the present tense; `where` names the place (a file, `file:line:column`,
    a parameter, an entity); `hint` says what to do. `told` is what a door has to say besides, by name.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.told: Mapping[str, str] = {}

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" {self.hint}" if self.hint else ""
        return f"{place}{self.message}{advice}"


class Invalid(LandbridgeError):
    """What came in is wrong."""


class InvalidQuery(Invalid):
    """A query, or one of its parameters, is wrong."""


class InvalidEntity(Invalid):
    """An entity, an attribute or a geometry is wrong."""


class InvalidMapping(Invalid):
    """A mapping.sql is wrong; `where` is `file:line:column`, `row` the source row that shows it."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        row: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.row = row


class InvalidSettings(Invalid):
    """A landbridge.toml or source.toml is wrong."""


class Missing(LandbridgeError):
    """What is asked for does not exist."""


class Exists(LandbridgeError):
    """What should be created is there already."""


class Conflicting(Exists):
    """What is asked for contradicts what is there."""


class Outdated(Exists):
    """What is there is no longer what the caller saw."""


class Refused(LandbridgeError):
    """A policy says no; the message gives its reason."""


class Unauthenticated(LandbridgeError):
    """Nobody known is asking."""


class TooMuch(LandbridgeError):
    """A bound on size, depth, time or count is reached."""


class Unreachable(LandbridgeError):
    """Something outside does not answer, or not as agreed. Trying again later may help."""


class Failed(LandbridgeError):
    """A run or a command did not reach its goal; what was there before stays."""


class Damaged(LandbridgeError):
    """What is stored cannot be read or written."""


class TakesLonger(Exception):
    """What was to be done at once would take longer; nothing is done, and the caller asks in a way that may wait."""
