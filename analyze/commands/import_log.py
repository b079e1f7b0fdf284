"""``bpfrec import``: a trace from what another tool wrote."""

from __future__ import annotations

import datetime
import re
import sys
import time
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
@click.option("-f", "--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day of the first line, where lines have the time of day alone. [default: when the log was last written to]",
)
@click.option("--zone", metavar="+HH:MM", help="Time zone of such times, east of UTC. [default: that of this machine]")
@click.option("--host", help="Name of the host that the log is from. [default: what the log says, else unknown]")
@click.pass_context
def command(
    ctx: click.Context,
    logs: tuple[Path, ...],
    output: Path,
    force: bool,
    date: datetime.datetime | None,
    zone: str | None,
    host: str | None,
) -> None:
    """Make a trace from a log of strace, or of perf script, so that reports and SQL answer questions about it.

    All forms of log are read that strace 4.8 and later write: -f, -ff (name all files), -o or what a terminal showed;
    with -t, -tt, -ttt, -r, -T, -y, -yy, -Y, -i, -k, -v, -x, -X. What a log does not tell is NULL.

    \b
    bpfrec import strace.log -o ticket.bpfrec
    bpfrec import strace.out.* -o ticket.bpfrec

    Text of perf script becomes samples and call stacks, for flame graphs and SQL:

    \b
    perf script --header -F +pid > perf.txt
    bpfrec import perf.txt -o ticket.bpfrec
    """
    from bpfrec.analyze.imports.perf_import import is_from_perf  # noqa: PLC0415

    ctx.with_resource(ended_by_signals())
    if is_from_perf(logs[0]):
        said = _import_perf(logs, output, zone, host, force)
    else:
        said = _import_strace(logs, output, date, zone, host, force)
    click.echo(f"{printable(str(output))}: {said}", err=True)


def _import_perf(logs: tuple[Path, ...], output: Path, zone: str | None, host: str | None, force: bool) -> str:
    from bpfrec.analyze.imports.perf_import import import_perf  # noqa: PLC0415

    if len(logs) > 1:
        raise click.UsageError("Text of perf script is one file; import each into a trace of its own.")
    here = time.localtime(logs[0].stat().st_mtime).tm_gmtoff
    offset = here if zone is None else _seconds(zone)
    made = import_perf(logs[0], output, utc_offset_s=offset, command_line=sys.argv, host=host, force=force)
    return f"{made.samples:,} samples from {made.lines:,} lines{_not_understood(made.not_understood)}"


def _import_strace(
    logs: tuple[Path, ...],
    output: Path,
    date: datetime.datetime | None,
    zone: str | None,
    host: str | None,
    force: bool,
) -> str:
    from bpfrec.analyze.imports.strace_import import import_strace  # noqa: PLC0415

    made = import_strace(
        logs,
        output,
        day=date.date() if date else None,
        utc_offset_s=None if zone is None else _seconds(zone),
        command_line=sys.argv,
        host=host or "unknown",
        force=force,
    )
    return f"{made.calls:,} calls from {made.lines:,} lines{_not_understood(made.not_understood)}"


def _not_understood(lines: int) -> str:
    return f"; not understood: {lines:,}, in the table log_lines" if lines else ""


def _seconds(zone: str) -> int:
    match = _ZONE.fullmatch(zone)
    if not match:
        raise click.BadParameter("a zone is written as +02:00 or -05:30", param_hint="--zone")
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    return -seconds if match[1] == "-" else seconds
