"""Renew the pinned versions in `requirements/` from pyproject.toml: names, versions and hashes, no addresses."""

import subprocess
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS: dict[str, list[str]] = {
    "install.txt": ["--extra", "mysql", "--extra", "postgresql", "pyproject.toml", "requirements/build.in"],
    "test.txt": [
        "--all-extras", "--group", "test", "-c", "requirements/install.txt", "pyproject.toml", "requirements/build.in",
    ],
    "web.txt": ["requirements/web.in"],
}  # fmt: skip
COMMON = [
    "--universal", "--upgrade", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header",
]  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        subprocess.run([f"{folder}/bin/python", "-m", "pip", "install", "-q", "uv"], check=True)
        for name, arguments in LOCKS.items():
            command = [f"{folder}/bin/uv", "pip", "compile", "-q", *COMMON, "-o", f"requirements/{name}", *arguments]
            subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
            print(f"requirements/{name} is renewed.", flush=True)


if __name__ == "__main__":
    main()
