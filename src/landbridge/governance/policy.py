"""Who may do what. A policy narrows the query before it reaches the store, and gives its reason.

Roles: `operator` runs the platform, `steward` answers for data, `source` pushes rows to one source,
`reader` reads. Whoever comes without a token over the network is `public`, which reads where the city allows it.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from landbridge.errors import Refused


class Role(StrEnum):
    OPERATOR = "operator"
    STEWARD = "steward"
    SOURCE = "source"
    READER = "reader"
    PUBLIC = "public"


@dataclass(frozen=True)
class Actor:
    """Who asks: a name for the audit, a role, and for the role `source` the one source it speaks for.

    `request` identifies the one request, `door` the way it came in (ngsild, console, push, library, command).
    """

    name: str
    role: Role
    source: str | None = None
    request: str = ""
    door: str = ""


@dataclass(frozen=True)
class Rule:
    """What a role may do. `raw`: sees raw rows and rejects; `push`: may send rows to a source."""

    read: bool = False
    write: bool = False
    raw: bool = False
    operate: bool = False
    push: bool = False


def default_rules() -> dict[Role, Rule]:
    return {
        Role.OPERATOR: Rule(read=True, write=True, raw=True, operate=True, push=True),
        Role.STEWARD: Rule(read=True, write=True, raw=True),
        Role.SOURCE: Rule(push=True),
        Role.READER: Rule(read=True),
        Role.PUBLIC: Rule(),
    }


@dataclass(frozen=True)
class Policy:
    """The city's rules, asked by the pool before each read and write."""

    rules: dict[Role, Rule] = field(default_factory=default_rules)

    def require(self, actor: Actor, right: str, what: str) -> None:
        """Raise Refused unless the actor's role has `right` (read, write, raw, operate, push)."""
        if not getattr(self.rules[actor.role], right):
            raise Refused(
                f"The role '{actor.role}' may not {what}.", hint="Ask the operator for a token of another role."
            )

    def allows(self, actor: Actor, right: str) -> bool:
        return bool(getattr(self.rules[actor.role], right))
