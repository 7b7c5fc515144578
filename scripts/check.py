"""Run the checks named on the command line, all of them even where one fails, and end with what the tests counted.

    python scripts/check.py style types law tests

Also `bench`, `crash` and `fuzz`, which take long and are run when asked.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
FUZZ = {"LANDBRIDGE_FUZZ": "1"}


def run(*command: str | Path, environment: dict[str, str] | None = None) -> bool:
    """Run a command in the project's folder, its output as it comes."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, env={**os.environ, **(environment or {})})
    return done.returncode == 0


def style() -> bool:
    checked = run(BIN / "ruff", "check", ".")
    return run(BIN / "ruff", "format", "--check", ".") and checked


def types() -> bool:
    package = run(BIN / "mypy")
    return run(BIN / "mypy", "scripts", "hatch_build.py") and package


def law() -> bool:
    return run(sys.executable, "scripts/check_imports.py", "src/landbridge")


def pytest(*arguments: str, environment: dict[str, str] | None = None) -> bool:
    return run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, environment=environment)


def tests() -> bool:
    return pytest("-n", os.environ.get("WORKERS", "2"), "--dist", "loadfile")


def bench() -> bool:
    return run(sys.executable, "benchmarks/run.py")


def crash() -> bool:
    return pytest("-m", "crash or not crash", "-k", "kill or crash", environment={"LANDBRIDGE_ROUNDS": "50"})


def fuzz() -> bool:
    return pytest("--hypothesis-profile=fuzz", "-k", "property or fuzz or hypothesis", environment=FUZZ)


CHECKS: dict[str, tuple[str, Callable[[], bool]]] = {
    "style": ("Style (ruff)", style),
    "types": ("Types (mypy --strict)", types),
    "law": ("Import law", law),
    "bench": ("Benchmarks", bench),
    "crash": ("Crash tests", crash),
    "fuzz": ("Fuzz tests", fuzz),
    "tests": ("Tests (pytest)", tests),
}


def main(names: list[str]) -> int:
    failed: list[str] = []
    for name in sorted(names, key=list(CHECKS).index):
        title, check = CHECKS[name]
        if name == "tests" and failed:
            print(f"==> Failed so far: {', '.join(failed)}", flush=True)
        print(f"==> {title}", flush=True)
        if not check():
            failed.append(title)
    if failed and failed != ["Tests (pytest)"]:
        print(f"{len(names) - len(failed)} passed, {len(failed)} failed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
