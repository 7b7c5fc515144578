"""Runs the command line as a person does: a process of its own, with what it says and how it ends."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def landbridge(*arguments: str | Path, cwd: Path | None = None, seconds: float = 120, **variables: str) -> Ended:
    """Run `landbridge` with these arguments to its end; `variables` are added to the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LANDBRIDGE_")} | variables
    done = subprocess.run(
        [sys.executable, "-m", "landbridge", *map(str, arguments)],
        cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def source(city: Path, name: str, toml: str, mapping: str, **files: str) -> None:
    """Write a source into a city; `files` are named without ending, as CSV."""
    folder = city / "sources" / name
    folder.mkdir(parents=True)
    (folder / "source.toml").write_text(toml, encoding="utf-8")
    (folder / "mapping.sql").write_text(mapping, encoding="utf-8")
    for stem, text in files.items():
        (folder / f"{stem}.csv").write_text(text, encoding="utf-8")
