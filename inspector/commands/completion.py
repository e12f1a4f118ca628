"""`inspector completion`: what makes a shell complete the options of `inspector`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

EPILOG = """
\b
Examples:
  eval "$(inspector completion bash)"                     in ~/.bashrc
  eval "$(inspector completion zsh)"                      in ~/.zshrc, below compinit
  inspector completion fish > ~/.config/fish/completions/inspector.fish
\b
It completes the program `inspector`; `python -m inspector` is Python's to complete.
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the commands that make SHELL complete `inspector` at the Tab key."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    commands = context.find_root().command
    click.echo(kind(commands, {}, "inspector", "_INSPECTOR_COMPLETE").source())
