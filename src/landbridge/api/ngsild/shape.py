"""Small words for writing JSON Schemas: a record, a list, one of several words, a reference."""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def any_of(*choices: Schema) -> Schema:
    return {"anyOf": list(choices)}


def one_word(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def fixed(word: str) -> Schema:
    return {"type": "string", "const": word}


def named(schema: Schema, about: str) -> Schema:
    return {**schema, "description": about}


def record(
    members: Mapping[str, Schema],
    about: str,
    *,
    required: Sequence[str] = (),
    more: bool | Schema = False,
    examples: Sequence[Any] = (),
) -> Schema:
    """An object of these members; `more` says whether others may be there, and what they are."""
    found: dict[str, Any] = {"type": "object", "description": about, "properties": dict(members)}
    if required:
        found["required"] = list(required)
    if more is not True:
        found["additionalProperties"] = more
    return found | ({"examples": list(examples)} if examples else {})
