"""Make `.venv` with the `landbridge` command, from pinned and hashed versions; quick where it is there already.

Needs only the standard library of Python 3.11, since it runs before anything is installed. A stamp in the venv holds
the hash of what was installed, so a second call compares one text.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from system import install_services
from web import build

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "landbridge-installed"


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def wanted(lock: Path) -> str:
    """The hash of all that decides what the venv holds."""
    facts = [sys.version, str(ROOT), (ROOT / "pyproject.toml").read_text(), lock.read_text()]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def pip(*arguments: str) -> None:
    """Run pip, showing on a terminal what it is at; its own words only when it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", *arguments]
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if sys.stdout.isatty():
                print(f"\r\x1b[K    {line.strip()[:70]}", end="", flush=True)
    if sys.stdout.isatty():
        print("\r\x1b[K", end="", flush=True)
    if process.returncode:
        sys.exit("".join(said[-40:]) + "Installing fails; the lines above say why.")


def make_venv() -> None:
    """Create the venv; say what is missing where Python comes without it (Debian)."""
    if PYTHON.exists() and subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return
    say(f"Making .venv with Python {sys.version.split()[0]}")
    try:
        venv.create(VENV, with_pip=True, clear=True)
    except subprocess.CalledProcessError:
        sys.exit("This Python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv")


def install(tests: bool) -> None:
    """Bring the venv to what the lock says; what tests need includes what users need."""
    user, tester = ROOT / "requirements" / "install.txt", ROOT / "requirements" / "test.txt"
    there = STAMP.read_text().split() if STAMP.exists() and PYTHON.exists() else []
    if wanted(tester) in there or (not tests and wanted(user) in there):
        return
    make_venv()
    lock = tester if tests else user
    say(f"Installing Landbridge and what it {'is tested with' if tests else 'needs'} (a minute or so the first time)")
    pip("--require-hashes", "-r", str(lock))
    pip("--no-deps", "--no-build-isolation", "-e", ".")
    STAMP.write_text(wanted(lock) + "\n")


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--tests", action="store_true", help="install what the tests need, too")
    reader.add_argument("--no-web", action="store_true", help="leave the console's scripts and styles as they are")
    chosen = reader.parse_args()
    install(chosen.tests)
    if not chosen.no_web:
        build(PYTHON)
    if chosen.tests and not chosen.no_web and os.environ.get("NO_SYSTEM") != "1":
        install_services()
    if not chosen.tests and not chosen.no_web and os.environ.get("MAKELEVEL") == "0":
        print("Landbridge is installed: .venv/bin/landbridge --help")


if __name__ == "__main__":
    main()
