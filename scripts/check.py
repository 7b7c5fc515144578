"""Run the checks named on the command line, all of them even where one fails, and end with what the tests counted.

    python scripts/check.py style types law tests

Also `bench`, `crash` and `fuzz`, which take long and are run when asked.
"""

import datetime
import importlib.util
import os
import platform
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LINES = 120  # of the output that is kept


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
    """Many rounds of kills; what they said is kept."""
    rounds = os.environ.get("LANDBRIDGE_ROUNDS", "50")
    return kept("crash", "tests/crash", "-v", "--durations=3", environment={"LANDBRIDGE_ROUNDS": rounds})


def fuzz() -> bool:
    """Every reader of outside text, guided by coverage, for FUZZ_MINUTES (an hour).

    Where atheris is not made for the machine: all property tests with new examples, again and again for so long.
    """
    if importlib.util.find_spec("atheris"):
        return run(sys.executable, "scripts/fuzz.py")
    end = time.monotonic() + 60 * float(os.environ.get("FUZZ_MINUTES", "60"))
    while True:
        seed = secrets.randbelow(2**32)
        arguments = ["--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}", "-m", "hypothesis", "--durations=5"]
        if not kept("fuzz", *arguments):
            return False
        if time.monotonic() > end:
            return True


def kept(name: str, *arguments: str, environment: dict[str, str] | None = None) -> bool:
    """Run tests, show what they say, and keep its end in docs/measured."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", *arguments]
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **(environment or {})},
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            print(line, end="", flush=True)
            said.append(line)
    words = ("pytest", *arguments)
    set_by = "".join(f"{key}={value} " for key, value in (environment or {}).items())
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    page = [
        f"# The last `make {name}`\n\n",
        f"{today}, {os.cpu_count()} cores, Python {platform.python_version()}: `{set_by}{' '.join(words)}`\n\n",
        "```text\n",
        *(line.replace(f"{ROOT}/", "").replace(str(ROOT), ".") for line in said[-LINES:]),
        "```\n",
    ]
    (ROOT / "docs" / "measured" / f"{name}.md").write_text("".join(page))
    return process.returncode == 0


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
