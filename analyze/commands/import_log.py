"""``bpfrec import``: a trace from what another tool wrote."""

from __future__ import annotations

import datetime
import re
import sys
from pathlib import Path

import click

from bpfrec.analyze.commands.endings import ended_by_signals
from bpfrec.analyze.render.escape import printable

_ZONE = re.compile(r"([+-])(\d\d):?(\d\d)")


@click.command("import")
@click.argument("logs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="trace.bpfrec", show_default=True, help="The trace."
)
@click.option("-f", "--force", is_flag=True, help="Replace the trace that is there.")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day of the first line, where lines have the time of day alone. [default: when the log was last written to]",
)
@click.option("--zone", metavar="+HH:MM", help="Time zone of such times, east of UTC. [default: that of this machine]")
@click.option("--host", default="unknown", show_default=True, help="Name of the host that the log is from.")
@click.pass_context
def command(
    ctx: click.Context,
    logs: tuple[Path, ...],
    output: Path,
    force: bool,
    date: datetime.datetime | None,
    zone: str | None,
    host: str,
) -> None:
    """Make a trace from a log of strace, so that reports and SQL answer questions about it.

    All forms of log are read that strace 4.8 and later write: -f, -ff (name all files), -o or what a terminal showed;
    with -t, -tt, -ttt, -r, -T, -y, -yy, -Y, -i, -k, -v, -x, -X. What a log does not tell is NULL.

    \b
    bpfrec import strace.log -o ticket.bpfrec
    bpfrec import strace.out.* -o ticket.bpfrec
    """
    from bpfrec.analyze.imports.strace_import import import_strace  # noqa: PLC0415

    ctx.with_resource(ended_by_signals())
    made = import_strace(
        logs,
        output,
        day=date.date() if date else None,
        utc_offset_s=None if zone is None else _seconds(zone),
        command_line=sys.argv,
        host=host,
        force=force,
    )
    said = f"{made.calls:,} calls from {made.lines:,} lines"
    if made.not_understood:
        said += f"; not understood: {made.not_understood:,}, in the table log_lines"
    click.echo(f"{printable(str(output))}: {said}", err=True)


def _seconds(zone: str) -> int:
    match = _ZONE.fullmatch(zone)
    if not match:
        raise click.BadParameter("a zone is written as +02:00 or -05:30", param_hint="--zone")
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    return -seconds if match[1] == "-" else seconds
