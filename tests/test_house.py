"""The house's own laws: which way imports run, and that the checks which guard them can fail."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("check_imports", ROOT / "scripts" / "check_imports.py")
assert SPEC and SPEC.loader
check_imports = importlib.util.module_from_spec(SPEC)
sys.modules["check_imports"] = check_imports
SPEC.loader.exec_module(check_imports)

BREACHES = {
    "store/sqlite.py": ("from landbridge.pool import read", "store/sqlite.py:1: 'store' must not import 'pool'."),
    "sources/csv.py": ("import landbridge.pool.pool", "sources/csv.py:1: 'sources' must not import 'pool'."),
    "sources/http.py": ("from ..publish import outbox", "sources/http.py:1: 'sources' must not import 'publish'."),
    "api/ngsild/door.py": (
        "from landbridge.api.sensorthings import door",
        "api/ngsild/door.py:1: a standard must not import another standard.",
    ),
    "console/page.py": ("from landbridge import store", "console/page.py:1: 'console' must not import 'store'."),
    "gadget.py": ("", "gadget.py: 'gadget' has no stage in the journey; give it one or move it."),
}
KEPT = {
    "sources/run.py": "from landbridge.pool.pool import Pool",
    "api/ngsild/door.py": "from landbridge.api.http import request\nfrom landbridge.pool import read",
    "app.py": "from landbridge import store, console",
    "cli/pull.py": "from landbridge.app import open_city",
}


def tree(folder: Path, files: dict[str, str]) -> Path:
    root = folder / "landbridge"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_our_imports_run_down_the_journey() -> None:
    assert list(check_imports.breaches(ROOT / "src" / "landbridge")) == []


@pytest.mark.parametrize("name", BREACHES)
def test_an_import_that_points_up_is_named(tmp_path: Path, name: str) -> None:
    text, said = BREACHES[name]
    assert list(check_imports.breaches(tree(tmp_path, {name: text}))) == [said]


def test_imports_that_keep_the_law_pass(tmp_path: Path) -> None:
    assert list(check_imports.breaches(tree(tmp_path, KEPT))) == []


def test_the_command_ends_with_one_for_a_breach(tmp_path: Path) -> None:
    root = tree(tmp_path, {"model/entity.py": "import landbridge.store"})
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_imports.py"), str(root)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "model/entity.py:1" in done.stdout


def test_locks_hold_names_versions_and_hashes_and_no_address() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text, lock
        assert "--hash=sha256:" in text, lock
    assert "resolved" not in (ROOT / "web" / "package-lock.json").read_text()


def test_locks_pin_everything_that_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {"install.txt": list(project["project"]["dependencies"]), "test.txt": []}
    asked["test.txt"] = [*asked["install.txt"], *project["dependency-groups"]["test"]]
    asked["test.txt"] += [one for extra in project["project"]["optional-dependencies"].values() for one in extra]
    for lock, wanted in asked.items():
        text = (ROOT / "requirements" / lock).read_text()
        pinned = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.M)}
        names = {re.split(r"[\[<>=~! ;]", one)[0].lower() for one in wanted}
        assert names - pinned == set(), f"{lock} is behind; run: make lock"
