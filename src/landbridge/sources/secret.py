"""Secrets of a source: `${NAME}` in a source.toml stands for a variable of the environment.

A folder under version control never holds a password, so an address or a header names the variable instead.
What is filled in never appears in an error.
"""

import os
import re
from collections.abc import Mapping

from landbridge.errors import InvalidSettings

PLACE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def fill(text: str, *, where: str, environment: Mapping[str, str] | None = None) -> str:
    """Put the environment's values where `text` says `${NAME}`.

    Raises InvalidSettings, with `where` and the variable's name, for one that is not set or empty.
    """
    values = os.environ if environment is None else environment

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if not values.get(name):
            raise InvalidSettings(
                f"The environment variable {name} is not set.", where=where, hint=f"Set {name} before you start."
            )
        return values[name]

    return PLACE.sub(value, text)
