"""Reading a query's text piece by piece, within bounds; every failure is InvalidQuery and says at which character."""

import re
from typing import NoReturn

from landbridge.errors import InvalidQuery

LONGEST = 8_000
DEEPEST = 20
MOST_TERMS = 300


class Reader:
    """A text, and how far it has been read."""

    def __init__(self, text: str, parameter: str) -> None:
        self.text = text
        self.parameter = parameter
        self.at = 0
        self.depth = 0
        self.terms = 0
        if len(text) > LONGEST:
            raise InvalidQuery(f"The text is longer than {LONGEST} characters.", where=parameter, hint="Ask in parts.")

    def wrong(self, message: str, hint: str | None = None) -> NoReturn:
        raise InvalidQuery(message, where=f"{self.parameter}, character {self.at + 1}", hint=hint)

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def peek(self, mark: str) -> bool:
        return self.text.startswith(mark, self.at)

    def take(self, mark: str) -> bool:
        """Read the mark if it comes next."""
        if self.peek(mark):
            self.at += len(mark)
            return True
        return False

    def need(self, mark: str) -> None:
        if not self.take(mark):
            found = f"'{self.text[self.at]}'" if not self.done else "the end"
            self.wrong(f"'{mark}' is expected and {found} is found.")

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Read what the pattern matches here."""
        found = pattern.match(self.text, self.at)
        if found is None or found.end() == self.at:
            return None
        self.at = found.end()
        return found.group()

    def enter(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            self.wrong(f"Parentheses go more than {DEEPEST} deep.")

    def leave(self) -> None:
        self.depth -= 1

    def count_term(self) -> None:
        self.terms += 1
        if self.terms > MOST_TERMS:
            self.wrong(f"There are more than {MOST_TERMS} terms.", "Ask in parts.")
