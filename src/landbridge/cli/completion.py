"""`landbridge completion`: the script that teaches a shell the commands, options, folders and sources."""

import click
from click.shell_completion import get_completion_class

HINTS = {
    "bash": 'eval "$(landbridge completion bash)"    in ~/.bashrc',
    "zsh": 'eval "$(landbridge completion zsh)"    in ~/.zshrc',
    "fish": "landbridge completion fish > ~/.config/fish/completions/landbridge.fish",
}


@click.command(epilog="\b\nSwitch it on:\n" + "\n".join(f"  {hint}" for hint in HINTS.values()))
@click.argument("shell", type=click.Choice(list(HINTS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL: bash, zsh or fish."""
    found = get_completion_class(shell)
    root = context.find_root()
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(found(root.command, {}, "landbridge", "_LANDBRIDGE_COMPLETE").source())
