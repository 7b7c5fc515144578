"""Search for input that breaks a reader: every target of tests/fuzzing, guided by coverage (atheris), for some time.

    python scripts/fuzz.py --minutes 60             all targets, the time split over them; writes docs/measured/fuzz.md
    python scripts/fuzz.py --runs 500 --seed 1      so many inputs for each, always the same

What is found is made small and kept in tests/data/fuzz, where a test runs it from then on. What was tried stays in
.fuzz, so the next search goes on from there. Ends with 1 where something was found. Atheris is made for Linux on
x86-64; elsewhere `make fuzz` runs the property tests with new examples.
"""

import argparse
import contextlib
import datetime
import hashlib
import os
import platform
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import atheris

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
with atheris.instrument_imports(include=["landbridge"], enable_loader_override=False):
    from fuzzing import asked, body, text
    from fuzzing.mutation import mutate
    from fuzzing.target import DATA, Target, attempt, signature, smallest

TARGETS: tuple[Target, ...] = (*text.TARGETS, *body.TARGETS, *asked.TARGETS)
HANG_SECONDS = 120  # of the clock, after which an input is given up; the bound on processor time is the targets' own
MEGABYTES = 2048
PAGE = ROOT / "docs" / "measured" / "fuzz.md"
ABOUT = """A target is a reader of what comes from outside (`tests/fuzzing`). Found is what raises anything but an error
that is meant for people, what is not read back as it was written, and what takes more than 3 s. Coverage counts the
edges of the product's code that the inputs of a target reached. Inputs that once were found are in `tests/data/fuzz`,
and run with the tests."""
HEAD = "| target | seconds | inputs | coverage | found |\n|---|---:|---:|---:|---|"
DONE = re.compile(r"cov: (\d+)")
RUN = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


@dataclass(frozen=True)
class Search:
    """How long, and where what is found goes."""

    seconds: float
    runs: int
    seed: int
    corpora: Path
    keep: Path


@dataclass(frozen=True)
class Found:
    """What the search of one target came to."""

    target: str
    seconds: float
    runs: int
    coverage: int
    finds: tuple[str, ...]


class Keeper:
    """Keeps one small input for each way in which a target goes wrong."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target = target
        self.folder = folder
        self.seen: set[str] = set()

    def __call__(self, data: bytes) -> None:
        error = attempt(self.target, data)
        found = signature(error)
        if error is None or found in self.seen:
            return
        self.seen.add(found)
        small = smallest(self.target, data, found)
        name = f"{self.target.name}-{hashlib.sha256(small).hexdigest()[:8]}"
        (self.folder / name).write_bytes(small)
        print(f"FOUND {name}: {found}: {str(error)[:3000]}", file=sys.stderr, flush=True)


def search(target: Target, how: Search) -> None:
    """Run one target until its time is over. Does not come back: libFuzzer ends the process."""
    corpus = how.corpora / target.name
    corpus.mkdir(parents=True, exist_ok=True)
    for place, seed in enumerate(target.seeds):
        (corpus / f"seed-{place}").write_bytes(seed)
    words = how.corpora / f"{target.name}.words"
    words.write_text("".join(f'"{escaped(word)}"\n' for word in target.words))
    arguments = [
        sys.argv[0], str(corpus), f"-artifact_prefix={how.keep}/{target.name}-", "-print_final_stats=1", "-verbosity=1",
        f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-dict={words}", f"-seed={how.seed}",
        f"-runs={how.runs}" if how.runs else f"-max_total_time={max(1, round(how.seconds))}",
    ]  # fmt: skip

    def mutator(data: bytes, largest: int, seed: int) -> bytes:
        chance = Random(seed)  # noqa: S311 # for inputs, not for secrets
        made = mutate(target, data, chance, lambda one: bytes(atheris.Mutate(one, max(len(one) + 64, 128))))
        return made[:largest]

    atheris.Setup(arguments, Keeper(target, how.keep), custom_mutator=mutator)
    atheris.Fuzz()


def escaped(word: str) -> str:
    return "".join(chr(one) if 32 < one < 127 and one not in b'"\\' else f"\\x{one:02X}" for one in word.encode())


def in_child(target: Target, how: Search, log: Path) -> int:
    """Search in a process of its own; its status."""
    number = os.fork()
    if number:
        return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    try:
        with log.open("wb") as out:
            for stream in (1, 2):
                os.dup2(out.fileno(), stream)
        search(target, how)
    finally:
        os._exit(3)


def outcome(target: Target, how: Search) -> Found:
    """Search, and read what libFuzzer says of it."""
    how.keep.mkdir(parents=True, exist_ok=True)
    before = kept(target, how)
    began = time.monotonic()
    log = how.corpora / f"{target.name}.log"
    how.corpora.mkdir(parents=True, exist_ok=True)
    status = in_child(target, how, log)
    said = log.read_text(errors="replace")
    runs, coverage = RUN.findall(said), DONE.findall(said)
    again = {line.split()[1].rstrip(":") for line in said.splitlines() if line.startswith("FOUND ")}
    finds = sorted((kept(target, how) - before) | again)
    for line in said.splitlines():
        if line.startswith("FOUND "):
            print(line, flush=True)
    if status and not finds:
        finds = [f"ended with {status}: {log}"]
    seconds = time.monotonic() - began
    return Found(target.name, seconds, int(runs[-1]) if runs else 0, int(coverage[-1]) if coverage else 0, tuple(finds))


def kept(target: Target, how: Search) -> set[str]:
    return {path.name for path in how.keep.glob(f"{target.name}-*")}


def line(found: Found) -> str:
    finds = ", ".join(found.finds) or "nothing"
    return f"| {found.target} | {found.seconds:.0f} | {found.runs:,} | {found.coverage:,} | {finds} |"


def write_page(all_: list[Found], seed: int) -> None:
    """Keep what the last search said."""
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    total = sum(found.seconds for found in all_) / 60
    table = "\n".join(map(line, all_))
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, atheris (libFuzzer)"
    tried = f"{total:.0f} minutes, {sum(found.runs for found in all_):,} inputs, seed {seed}"
    PAGE.write_text(f"# The last `make fuzz`\n\n{today}, {machine}: {tried}.\n\n{ABOUT}\n\n{HEAD}\n{table}\n")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("FUZZ_MINUTES", "60")))
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target, in place of a time")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--targets", default="", help="only these, with commas")
    parser.add_argument("--keep", type=Path, default=DATA, help="the folder for what is found")
    given = parser.parse_args(arguments)
    chosen = [one for one in TARGETS if not given.targets or one.name in given.targets.split(",")]
    seed = given.seed or int(time.time()) % 2**31
    with contextlib.ExitStack() as stack:
        fresh = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="landbridge-fuzz-")))
        how = Search(
            given.minutes * 60 / max(1, len(chosen)),
            given.runs,
            seed,
            fresh if given.runs else ROOT / ".fuzz",
            given.keep,
        )
        found = []
        for target in chosen:
            found.append(outcome(target, how))
            print(line(found[-1]), flush=True)
            if not given.runs and not given.targets:
                write_page(found, seed)
    return 1 if any(one.finds for one in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
