"""``bpfrec analyze report syscount``."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import (
    ErrnoNumber,
    Output,
    SyscallName,
    output_options,
    pass_trace,
    process_options,
)
from bpfrec.analyze.trace import Trace


@click.command("syscount")
@process_options
@click.option("-c", "--counts", is_flag=True, help="Count by system call; this is what it does anyway.")
@click.option("-P", "--process", is_flag=True, help="Count by process, not by system call.")
@click.option("-L", "--latency", is_flag=True, help="Also the time spent in the calls; sorted by it.")
@click.option("-m", "--milliseconds", is_flag=True, help="With -L: the table has milliseconds, not microseconds.")
@click.option("-x", "--failures", is_flag=True, help="Only calls that failed.")
@click.option("-e", "--errno", type=ErrnoNumber(), help="Only calls that failed so, as ENOENT or 2.")
@click.option("--syscall", type=SyscallName(), metavar="NAME", help="Only this system call.")
@click.option("-T", "--top", type=click.IntRange(0), default=10, show_default=True, help="So many rows; 0: all.")
@output_options
@pass_trace
def command(
    *,
    trace: Trace,
    output: Output,
    counts: bool,
    process: bool,
    latency: bool,
    milliseconds: bool,
    pid: int | None,
    tid: int | None,
    failures: bool,
    errno: int | None,
    syscall: str | None,
    top: int,
) -> None:
    """Count system calls, or their time, as bcc's syscount does.

    Calls that never returned are not counted; a remark on standard error says how many there were.
    """
    if counts and (process or latency):
        raise click.UsageError(f"-c counts by system call and contradicts {'-P' if process else '-L'}.")
    if milliseconds and not latency:
        raise click.UsageError("-m says how -L shows times and needs -L.")
    from bpfrec.analyze.render import bcc  # noqa: PLC0415

    result = trace.report(
        "syscount",
        pid=pid,
        tid=tid,
        syscall=syscall,
        failures=failures,
        errno=errno,
        process=process,
        latency=latency,
        top=top,
    )
    clock = trace.local_time(trace.manifest.stop_ns)
    output.write(result, lambda r: bcc.syscount(r.dicts(), clock, process, latency, milliseconds))
