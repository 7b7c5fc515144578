"""The wheel holds all that a user needs: whoever installs it needs Python alone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this folder, built as `make wheel` does."""
    folder = tmp_path_factory.mktemp("wheel")
    command = ["pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_assets_data_and_catalogues(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    static = {Path(name).name for name in names if name.startswith("landbridge/console/static/")}
    assert "manifest.json" in static
    assert any(name.endswith(".js") for name in static)
    assert any(name.endswith(".css") for name in static)
    assert "licences.txt" in static
    for wanted in (
        "landbridge/py.typed",
        "landbridge/cli/unit_code.tsv",
        "landbridge/cli/skeleton/landbridge.toml",
        "landbridge/cli/skeleton/dot-gitignore",
        "landbridge/console/templates/base.html.j2",
        "landbridge/examples/binhai/landbridge.toml",
    ):
        assert wanted in names, wanted
    assert not any("node_modules" in name or ".landbridge" in name or "__pycache__" in name for name in names)


def test_the_wheel_runs_where_it_is_unpacked(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "lib")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "lib")}
    code = "import landbridge, sys; from landbridge.cli import main; print(landbridge.__file__); main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "init", "city"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "lib"))
    assert (tmp_path / "city" / ".gitignore").exists()
