"""What a person types: one command line, the last stop of the journey.

Each command lives in a module of its own that is loaded when it is called, so that `landbridge --help` answers at once
and `landbridge serve` starts without the engines that only a pull needs.
"""

import importlib
import os
import sys
from typing import Any, cast

import click

from landbridge.cli.exit_code import EXIT_CODES
from landbridge.cli.trouble import tell

#: command -> (module and name, what it does in one line)
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("landbridge.cli.init:init", "Make a city's folder that runs at once."),
    "new-source": ("landbridge.cli.new_source:new_source", "Look at data and write a source that runs."),
    "check": ("landbridge.cli.check:check", "Try a city's folder without writing anything."),
    "pull": ("landbridge.cli.pull:pull", "Pull sources into the pool."),
    "serve": ("landbridge.cli.serve:serve", "Run the schedules, the API and the console."),
    "demo": ("landbridge.cli.demo:demo", "Join a real city and show it."),
    "explain": ("landbridge.cli.explain:explain", "Say where a value came from, down to the row."),
    "rejects": ("landbridge.cli.rejects:rejects", "List the rows that could not be taken, and try them again."),
    "disagreements": ("landbridge.cli.disagreements:disagreements", "List where departments differ."),
    "notifications": (
        "landbridge.cli.notifications:notifications",
        "List the notifications that no receiver took, and send them again.",
    ),
    "export": ("landbridge.cli.export:export", "Take entities, or their history, away as a table."),
    "retention": ("landbridge.cli.retention:retention", "Let old values go, as the city's rules say."),
    "token": ("landbridge.cli.token:token", "Create, list and revoke the tokens of people and programs."),
    "erase": ("landbridge.cli.erase:erase", "Forget an entity, an attribute or a source for good."),
    "backup": ("landbridge.cli.backup:backup", "Copy a city into a folder of backups, while it is served."),
    "restore": ("landbridge.cli.restore:restore", "Bring a city back from a backup."),
    "completion": ("landbridge.cli.completion:completion", "Print the completion script of a shell."),
}


class Commands(click.Group):
    """A group whose commands are loaded by name when they are needed."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All commands, in the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Load one command; None where there is none of that name."""
        if name not in COMMANDS:
            return None
        module, _, member = COMMANDS[name][0].partition(":")
        return cast(click.Command, getattr(importlib.import_module(module), member))

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one, list those there are."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            context.fail(f"There is no command '{args[0]}'. Commands: {', '.join(COMMANDS)}.")
        return super().resolve_command(context, args)


def exit_code_lines() -> str:
    """The exit codes as help shows them."""
    lines = [f"  {code:>3}  {meaning}" for code, meaning in sorted(EXIT_CODES.items())]
    return "\b\nExit codes:\n" + "\n".join(lines)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=exit_code_lines(),
)
@click.version_option(package_name="landbridge", prog_name="landbridge", message="%(prog)s %(version)s")
def commands() -> None:
    """Join a district's islands of data into one pool, and serve it.

    A city is a folder; each command takes it as its first argument, and means the folder it is called in
    where none is given.

    \b
    Begin with:
      landbridge demo                      a real city, joined and shown
      landbridge init mycity               a city of your own
      landbridge new-source trees mycity --from trees.csv
      landbridge check mycity
      landbridge serve mycity
    """


def main(arguments: list[str] | None = None, **extra: Any) -> None:
    """Run a command line and end the process with its exit code."""
    try:
        code = commands.main(arguments, prog_name="landbridge", standalone_mode=False, **extra)
    except BaseException as error:
        sys.exit(tell(error))
    finally:
        flush()
    sys.exit(code if isinstance(code, int) else 0)


def flush() -> None:
    """Write out what is left; a reader that has gone (`| head`) is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
