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
    """Many rounds of kills, 50 where LANDBRIDGE_ROUNDS says nothing else; what they said is kept, file by file.

    CRASH names the files of tests/crash to run, without `test_` and `.py`: CRASH=killed_notifications.
    """
    rounds, chosen = os.environ.get("LANDBRIDGE_ROUNDS", "50"), os.environ.get("CRASH", "").split()
    files = sorted((ROOT / "tests" / "crash").glob("test_*.py"))
    passed = [
        kept(
            "crash", f"tests/crash/{file.name}", "-v", "-s", "--durations=3", environment={"LANDBRIDGE_ROUNDS": rounds}
        )
        for file in files
        if not chosen or file.stem.removeprefix("test_") in chosen
    ]
    return bool(passed) and all(passed)


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
    """Run tests, show what they say, and keep its end in docs/measured, in the part that the first argument names."""
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
    part = [
        f"{today}, {os.cpu_count()} cores, Python {platform.python_version()}: `{set_by}{' '.join(words)}`\n\n",
        "```text\n",
        *(line.replace(f"{ROOT}/", "").replace(str(ROOT), ".") for line in said[-LINES:]),
        "```\n",
    ]
    keep(name, Path(arguments[0]).name, "".join(part))
    return process.returncode == 0


def keep(name: str, title: str, text: str) -> None:
    """Put a part into a page of docs/measured, in place of the one with its title."""
    page = ROOT / "docs" / "measured" / f"{name}.md"
    before = page.read_text().split("\n## ")[1:] if page.exists() else []
    parts = dict(part.split("\n", 1) for part in before) | {title: f"\n{text}"}
    shown = (f"## {title}\n\n{parts[title].strip()}\n" for title in sorted(parts))
    page.write_text(f"# The last `make {name}`\n\n" + "\n".join(shown))


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
