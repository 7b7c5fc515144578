"""The docs are true: nothing is undocumented, tables are as the code has them, and what can be run is run."""

import contextlib
import importlib.util
import io
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Match

from landbridge import errors
from landbridge.app.entrance import open_pool
from landbridge.app.site import open_site
from landbridge.cli import COMMANDS
from landbridge.cli.preview import try_source
from landbridge.model.column import META_SUFFIXES, ROW_COLUMNS, VALUE_SUFFIXES
from landbridge.settings import SETTINGS, VARIABLES, read_operator, read_settings
from landbridge.sources.declaration import declare
from landbridge.sources.expected import read_expected
from landbridge.sources.gather import tell_nobody
from landbridge.sources.kind import kinds
from landbridge.sources.mapping.function import FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md")), ROOT / "examples" / "README.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
SPEC = importlib.util.spec_from_file_location("docs_tables", ROOT / "scripts" / "docs.py")
assert SPEC and SPEC.loader
docs_tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(docs_tables)


def blocks(page: str, *languages: str) -> list[tuple[str, str]]:
    """The code blocks of a page, as (language, text)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(kind, body) for kind, body in BLOCK.findall(text) if kind in languages]


def test_no_table_is_missing_or_behind() -> None:
    assert docs_tables.undocumented() == []
    assert docs_tables.behind() == [], "run: make docs"


def test_a_page_that_is_behind_is_named() -> None:
    page = "<!-- exit codes -->\n| 0 | fine |\n<!-- /exit codes -->\n"
    assert docs_tables.filled(page) != page
    assert docs_tables.filled(docs_tables.filled(page)) == docs_tables.filled(page)


def test_every_setting_command_kind_and_error_has_its_place() -> None:
    pages = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("settings", "commands", "sources", "errors")}
    assert [name for name in SETTINGS if f"`{name}`" not in pages["settings"]] == []
    assert [name for name in COMMANDS if f"\n## {name}\n" not in pages["commands"]] == []
    assert [name for name in kinds() if f"\n### {name}\n" not in pages["sources"]] == []
    raised = [
        name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, errors.LandbridgeError)
    ]
    assert [name for name in raised if f"`{name}`" not in pages["errors"]] == []


def test_every_word_of_a_mapping_has_its_line() -> None:
    text = (ROOT / "docs" / "mapping.md").read_text()
    assert [name for name in ROW_COLUMNS if f"| `{name}` |" not in text] == []
    assert [name for name in (*VALUE_SUFFIXES, *META_SUFFIXES) if f"`name.{name}`" not in text] == []
    assert [name for name in FUNCTIONS if f"`{name}(" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        found = (page.parent / path) if path else page
        assert found.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, target


def test_pages_are_in_english_as_it_is_spelt_here() -> None:
    american = re.compile(r"\b(color|center|license[ds]?|normaliz(?!ed|er)\w*|behavior|catalog|analyz\w*)\b")
    for page in PAGES:
        prose = re.sub(r"```.*?```|`[^`]*`|\([^)]*\)|<[^>]*>", "", page.read_text(encoding="utf-8"), flags=re.S)
        assert american.findall(prose) == [], page


@pytest.mark.parametrize("text", [body for _, body in blocks("docs/sources.md", "toml")])
def test_the_source_tomls_of_the_docs_are_right(tmp_path: Path, text: str) -> None:
    assert declare(tmp_path, tomllib.loads(text), "docs/sources.md").kind in kinds()


def test_the_other_tomls_of_the_docs_are_right(tmp_path: Path) -> None:
    ((_, city),) = blocks("docs/settings.md", "toml")
    (tmp_path / "landbridge.toml").write_text(city)
    assert len(read_settings(tmp_path).rules) == 2
    ((_, rule),) = blocks("docs/claims.md", "toml")
    (tmp_path / "landbridge.toml").write_text(rule)
    assert read_settings(tmp_path).rules[0].tolerance_time == "P1D"
    ((_, expectations),) = blocks("docs/expectations.md", "toml")
    assert len(read_expected(tomllib.loads(expectations)["expectations"])) == 2


def mapping_examples() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Each (CSV, SQL, entities) of docs/mapping.md."""
    found = blocks("docs/mapping.md", "csv", "sql", "json")
    for (_, csv), (_, sql), (_, entities) in zip(found[::3], found[1::3], found[2::3], strict=True):
        yield csv, sql, json.loads(entities)


@pytest.mark.parametrize(("csv", "sql", "entities"), list(mapping_examples()))
def test_the_mappings_of_the_docs_make_what_they_say(
    tmp_path: Path, csv: str, sql: str, entities: list[dict[str, Any]]
) -> None:
    (tmp_path / "rows.csv").write_text(csv)
    (tmp_path / "mapping.sql").write_text(sql)
    made = try_source(declare(tmp_path, {"kind": "csv", "location": "rows.csv"}, "docs"), 0, tell_nobody)
    assert made.failure is None
    assert made.entities(100) == entities


def test_the_walk_of_the_first_page_can_be_walked(tmp_path: Path) -> None:
    """Every line with a prompt in docs/start.md, in one folder, one after the other."""
    lines = [line[2:] for _, text in blocks("docs/start.md", "console") for line in text.splitlines()]
    assert len(lines) > 8
    for line in lines:
        command = re.sub(r"^landbridge\b", f"{sys.executable} -m landbridge", line)
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    subprocess.run([sys.executable, "-m", "landbridge", "init", "mycity"], cwd=folder, check=True, capture_output=True)
    return folder


def library_examples() -> list[tuple[str, str]]:
    found = blocks("docs/library.md", "python", "text")
    return [(code, said) for (_, code), (_, said) in zip(found[::2], found[1::2], strict=True)]


@pytest.mark.parametrize(("code", "said"), library_examples())
def test_the_python_of_the_docs_says_what_it_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    monkeypatch.chdir(folder)
    shutil.rmtree(folder / "mycity" / ".landbridge", ignore_errors=True)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "docs/library.md", "exec"), {})
    assert out.getvalue() == said


def test_the_addresses_of_the_docs_are_there(tmp_path: Path) -> None:
    """At the port where `serve` listens, each with a route that answers it."""
    (tmp_path / "landbridge.toml").write_text('name = "Here"\n')
    settings = read_settings(tmp_path)
    pool = open_pool(settings)
    try:
        routes = open_site(settings, read_operator(), pool).application.routes
    finally:
        pool.close()
    found: list[tuple[str, str]] = []
    for page in PAGES:
        found += re.findall(r"http://(?:localhost|127\.0\.0\.1):(\d+)(/[^\s'\"?]*)", page.read_text("utf-8"))
    assert len(found) >= 4
    assert {port for port, _ in found} == {VARIABLES["LANDBRIDGE_PORT"][0]}
    for _, path in found:
        scope = {"type": "http", "path": path, "method": "GET", "headers": []}
        assert any(route.matches(scope)[0] is not Match.NONE for route in routes), path
