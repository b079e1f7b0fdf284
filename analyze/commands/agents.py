"""``bpfrec mcp`` and ``bpfrec skill``: traces for AI agents."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from bpfrec.analyze.commands.files import has_text, output_file
from bpfrec.analyze.commands.memory import bounded_memory
from bpfrec.analyze.commands.trace_input import TRACE_PLACE
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.remote.uri import Uri


@click.command("mcp")
@click.argument("traces", nargs=-1, required=True, type=TRACE_PLACE)
@click.pass_context
def mcp(ctx: click.Context, traces: tuple[Path | Uri, ...]) -> None:
    """Serve traces to an AI agent by the Model Context Protocol, on standard input and output.

    \b
    bpfrec mcp ticket.bpfrec

    The tools only read, and only the traces named here. They run SQL and reports; answers are bounded, and what comes
    from a trace is marked as data. Needs: pip install 'bpfrec[mcp]'
    """
    from bpfrec.analyze.agents.answers import Answers  # noqa: PLC0415
    from bpfrec.analyze.agents.server import server  # noqa: PLC0415

    ctx.with_resource(bounded_memory())
    server(Answers(traces)).run("stdio")


_NAME = "name: bpfrec\n"
"""What the head of a SKILL.md of bpfrec says."""


@click.command("skill")
@click.option(
    "--install",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write it to FOLDER/bpfrec/SKILL.md; for Claude Code, FOLDER is ~/.claude/skills.",
)
@click.option("--force", is_flag=True, help="Replace a file there that is not of bpfrec.")
def skill(install: Path | None, force: bool) -> None:
    """Print a SKILL.md, which tells AI agents how to use bpfrec."""
    text = files("bpfrec.analyze.agents").joinpath("SKILL.md").read_text("utf-8")
    if install is None:
        click.echo(text, nl=False)
        return
    target = install / "bpfrec" / "SKILL.md"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with output_file(target, force=force or has_text(target, _NAME)) as file:
            file.write(text)
    except OSError as error:
        raise BpfrecError(f"{target} cannot be written: {error.strerror}") from None
    click.echo(str(target))
