"""``bpfrec completion``: what a shell needs to complete bpfrec's words."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import get_completion_class

from bpfrec.analyze.commands.files import has_text, output_file

_PLACES = {
    "bash": "~/.local/share/bash-completion/completions/bpfrec",
    "zsh": "~/.local/share/zsh/site-functions/_bpfrec",
    "fish": "~/.config/fish/completions/bpfrec.fish",
}
_VARIABLE = "_BPFREC_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(list(_PLACES)))
@click.option("--install", is_flag=True, help="Write it to where the shell of this user looks for it.")
@click.option("--force", is_flag=True, help="Replace a file there that is not of bpfrec.")
@click.pass_context
def command(ctx: click.Context, shell: str, install: bool, force: bool) -> None:
    """Print the script with which a shell completes bpfrec's words, or install it.

    \b
    bpfrec completion bash --install
    source <(bpfrec completion bash)     for this shell alone

    It completes commands, reports, options, system calls, and the processes of the trace that the line names. For zsh,
    ~/.local/share/zsh/site-functions has to be in $fpath before compinit runs.
    """
    script = completion_script(ctx.find_root().command, shell)
    if not install:
        click.echo(script)
        return
    target = Path(_PLACES[shell]).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    with output_file(target, force=force or has_text(target, _VARIABLE)) as file:
        file.write(f"{script}\n")
    click.echo(f"bpfrec: wrote {target}; new shells complete bpfrec", err=True)


def completion_script(root: click.Command, shell: str) -> str:
    """The script for a shell: bash, zsh or fish."""
    kind = get_completion_class(shell)
    assert kind is not None, shell  # noqa: S101 - click knows all three
    completing = kind(root, {}, "bpfrec", _VARIABLE)
    # source() also runs bash to see whether it is new enough; the script is the same.
    return completing.source_template % completing.source_vars()
