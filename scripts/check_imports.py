"""The import law: every import points down the journey that docs/architecture.md draws.

    python scripts/check_imports.py src/landbridge        exits 1 and names each breach

A part may import the parts before its stage; parts of one stage never import each other. Some parts are kept
shorter-sighted than that, so that a source cannot reach past the pool, and a standard cannot reach the store.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

JOURNEY: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("model",),
    ("store",),
    ("history",),
    ("governance",),
    ("pool",),
    ("sources", "publish", "federation"),
    ("api", "console", "settings"),
    ("app",),
    ("cli", "__main__"),
)
STAGE = {part: stage for stage, parts in enumerate(JOURNEY) for part in parts}

# part, or one of its files -> all that it may see of the others
SHORT_SIGHTED: dict[str, frozenset[str]] = {
    "sources": frozenset({"errors", "model"}),
    "sources/run.py": frozenset({"errors", "model", "pool"}),
    "publish": frozenset({"errors", "model", "pool", "governance"}),
    "federation": frozenset({"errors", "model", "pool", "governance"}),
    "api": frozenset({"errors", "model", "pool", "publish", "federation"}),
    "console": frozenset({"errors", "model", "pool", "governance"}),
    "settings": frozenset({"errors"}),
}
SHARED_BY_STANDARDS = "http"


@dataclass(frozen=True)
class Import:
    """One import of our own code: where it stands, and what it names below the package."""

    file: Path
    line: int
    target: tuple[str, ...]


def imports(file: Path, root: Path) -> Iterator[Import]:
    """The imports of one file that name our own package."""
    here = file.relative_to(root)
    package = [root.name, *here.parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), filename=str(file))):
        names: list[list[str]] = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            stem = package[: len(package) - node.level + 1] + module if node.level else module
            names = [[*stem, alias.name] for alias in node.names]
        for name in names:
            if name[0] == root.name and len(name) > 1:
                yield Import(here, getattr(node, "lineno", 0), tuple(name[1:]))


def judge(found: Import) -> str | None:
    """What an import breaks, as one sentence; None where it keeps the law."""
    part, other = part_of(found.file), found.target[0]
    place = f"{found.file.as_posix()}:{found.line}"
    if part == other:
        if part == "api" and crosses_standards(found):
            return f"{place}: a standard must not import another standard."
        return None
    if other not in STAGE:
        return None
    sees = SHORT_SIGHTED.get(found.file.as_posix(), SHORT_SIGHTED.get(part))
    if STAGE[other] >= STAGE[part] or (sees is not None and other not in sees):
        return f"{place}: '{part}' must not import '{other}'."
    return None


def part_of(file: Path) -> str:
    return file.parts[0].removesuffix(".py")


def crosses_standards(found: Import) -> bool:
    return len(found.file.parts) > 2 and found.target[1:2] not in ((found.file.parts[1],), (SHARED_BY_STANDARDS,))


def breaches(root: Path) -> Iterator[str]:
    """One sentence for each import that points up, and for each file that has no place in the journey."""
    for file in sorted(root.rglob("*.py")):
        part = part_of(file.relative_to(root))
        if part == "__init__":
            continue
        if part not in STAGE:
            yield f"{file.relative_to(root).as_posix()}: '{part}' has no stage in the journey; give it one or move it."
            continue
        yield from filter(None, map(judge, imports(file, root)))


def main(folder: str) -> int:
    found = list(breaches(Path(folder).resolve()))
    print("\n".join(found) or "Every import points down the journey.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
