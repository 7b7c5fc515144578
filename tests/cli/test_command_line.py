"""What every command shares: help, exit codes, errors as people read them, completion."""

import inspect
import json
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from command import landbridge
from landbridge import errors
from landbridge.cli import COMMANDS, commands, main, trouble
from landbridge.cli.exit_code import CODE_OF, EXIT_CODES, code_of

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.LandbridgeError)]
HEAVY = {"pyarrow", "polars", "duckdb", "sqlalchemy", "openpyxl", "numpy", "rich", "starlette", "apsw"}


def test_help_answers_at_once() -> None:
    took = []
    for _ in range(3):
        began = time.monotonic()
        assert landbridge("--help").code == 0
        took.append(time.monotonic() - began)
    assert min(took) < 1.0  # 0.1 s on an idle machine; the imports below are what keeps it so


def test_help_loads_no_engine() -> None:
    code = (
        "import sys\nfrom landbridge.cli import commands\n"
        "commands.main(['--help'], standalone_mode=False)\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help_with_an_example(name: str) -> None:
    done = CliRunner().invoke(commands, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "landbridge" in done.output.partition("Usage:")[2].partition("\n")[2]
    options = commands.get_command(click.Context(commands), name)
    assert options is not None
    assert all(one.help for one in options.params if isinstance(one, click.Option)), "an option has no help"
    assert "TODO" not in done.output


def test_every_kind_of_error_has_an_exit_code() -> None:
    assert set(KINDS) - {errors.LandbridgeError} == set(CODE_OF)
    assert set(CODE_OF.values()) | {0, 1, 2, 130} == set(EXIT_CODES)


@pytest.mark.parametrize("kind", CODE_OF)
def test_a_kind_below_another_keeps_its_code(kind: type[errors.LandbridgeError]) -> None:
    assert code_of(type("Special", (kind,), {})("It is special.")) == CODE_OF[kind]


def test_an_error_says_what_where_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.InvalidMapping(
        "The SELECT has no column 'id'.", where="trees/mapping.sql:3:1", hint="Add it.", row={"a": "1", "b": None}
    )
    assert trouble.tell(error) == 4
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "Error: The SELECT has no column 'id'.",
        "  at   trees/mapping.sql:3:1",
        "  row  a = '1', b = 'None'",
        "  do   Add it.",
    ]


def test_the_unexpected_gives_a_number_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    try:
        raise ZeroDivisionError("a secret detail")
    except ZeroDivisionError as error:
        assert trouble.tell(error) == 1
    said = capsys.readouterr().err
    (path,) = (tmp_path / "landbridge").iterdir()
    assert str(path) in said
    number = path.stem.rpartition("-")[2]
    assert number in said
    assert "a secret detail" not in said
    assert "a secret detail" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such-command"], 2, "There is no command 'no-such-command'"),
        (["pull", "--no-such-option"], 2, "No such option"),
        (["pull", "/no/such/folder"], 6, "There is no folder"),
        (["explain", "."], 2, "Give an entity's id"),
        (["token", "list", "one", "two"], 2, "Say what to do"),
        (["demo", "atlantis"], 6, "Examples:"),
        (["init", "--time-zone", "Moon/Base"], 5, "no known zone"),
    ],
)
def test_wrong_use_ends_with_its_code(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    done = landbridge(*words, cwd=tmp_path)
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_folder_that_is_no_city_says_so(tmp_path: Path) -> None:
    done = landbridge("check", cwd=tmp_path)
    assert done.code == 6
    assert "landbridge init" in done.err


def test_nothing_pulled_yet_says_so(tmp_path: Path) -> None:
    assert landbridge("init", cwd=tmp_path).code == 0
    done = landbridge("rejects", cwd=tmp_path)
    assert done.code == 6
    assert "landbridge pull" in done.err
    assert not (tmp_path / ".landbridge").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    done = landbridge("completion", shell)
    assert done.code == 0, done.err
    assert "_LANDBRIDGE_COMPLETE" in done.out


def test_completion_knows_commands_and_sources(tmp_path: Path) -> None:
    assert landbridge("init", cwd=tmp_path).code == 0
    asked = {"_LANDBRIDGE_COMPLETE": "bash_complete"}
    found = landbridge(cwd=tmp_path, COMP_WORDS="landbridge di", COMP_CWORD="1", **asked)
    assert found.out.split() == ["plain,disagreements"]
    found = landbridge(cwd=tmp_path, COMP_WORDS="landbridge pull pl", COMP_CWORD="2", **asked)
    assert "plain,places" in found.out.split()


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    assert landbridge("init", cwd=tmp_path).code == 0
    line = f"{sys.executable} -m landbridge check --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3)


def test_main_ends_the_process_with_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["token", "list", "--json", "/no", "/such", "/thing"])
    assert ended.value.code == 2
    capsys.readouterr()


def test_json_is_json_even_of_nothing(tmp_path: Path) -> None:
    assert landbridge("init", cwd=tmp_path).code == 0
    assert landbridge("pull", cwd=tmp_path).code == 0
    for command in ("rejects", "disagreements"):
        assert json.loads(landbridge(command, "--json", cwd=tmp_path).out) == []


def test_no_error_is_broken_into_lines_where_nobody_looks_at_a_terminal(tmp_path: Path) -> None:
    landbridge("init", tmp_path / "city")
    (tmp_path / "city/sources/places/places.csv").unlink()
    done = landbridge("pull", tmp_path / "city")
    assert done.code == 11
    (line,) = [line for line in done.err.splitlines() if "No file is at" in line]
    assert line.endswith("mapping.sql, source.toml.")
    assert len(line) > 80


def test_rejects_of_an_unknown_source_are_no_empty_list(tmp_path: Path) -> None:
    landbridge("init", tmp_path / "city")
    assert landbridge("pull", tmp_path / "city").code == 0
    done = landbridge("rejects", tmp_path / "city", "--source", "plaices", "--json")
    assert (done.code, done.out) == (6, "")
    assert "Sources: places." in done.err
    assert landbridge("rejects", tmp_path / "city", "--source", "places", "--json").json() == []
