"""``bpfrec analyze report trace``."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import Output, name_option, output_options, pass_trace
from bpfrec.analyze.trace import Trace

_PROBE = '[{p,r,t}:[library]:]function[(signature)] [(predicate)] ["format", expression, ...]'


@click.command("trace", epilog=f"PROBE: {_PROBE}")
@click.argument("probes", metavar="PROBE...", nargs=-1, required=True)
@click.option("-p", "--pid", type=click.IntRange(0), metavar="PID", help="Only this process.")
@click.option("-L", "--tid", type=click.IntRange(0), metavar="TID", help="Only this thread.")
@click.option("--uid", type=click.IntRange(0), metavar="UID", help="Only this user.")
@click.option(
    "-Z", "--string-size", type=click.IntRange(1), default=80, show_default=True, help="Characters shown of a string."
)
@click.option("-M", "--max-events", type=click.IntRange(1), help="Only the first so many events.")
@click.option("-t", "--timestamp", is_flag=True, help="Show seconds since the start of the recording.")
@click.option("-u", "--unix-timestamp", is_flag=True, help="Show seconds since the epoch.")
@click.option("-T", "--time", "local", is_flag=True, help="Show the time of day on the recording host.")
@click.option("-C", "--print_cpu", is_flag=True, help="Show the CPU.")
@name_option
@click.option("-f", "--msg-filter", metavar="TEXT", help="Only events whose message contains TEXT.")
@click.option("-K", "--kernel-stack", is_flag=True, help="Refused: kernel stacks are not recorded.")
@click.option("-U", "--user-stack", is_flag=True, help="Show the user stack.")
@click.option("-a", "--address", is_flag=True, help="With -U: show addresses.")
@click.option("-A", "--aggregate", is_flag=True, help="With -M: count equal events.")
@output_options
@pass_trace
def command(
    *,
    trace: Trace,
    output: Output,
    probes: tuple[str, ...],
    pid: int | None,
    tid: int | None,
    uid: int | None,
    string_size: int,
    max_events: int | None,
    timestamp: bool,
    unix_timestamp: bool,
    local: bool,
    print_cpu: bool,
    name: str | None,
    msg_filter: str | None,
    kernel_stack: bool,
    user_stack: bool,
    address: bool,
    aggregate: bool,
) -> None:
    """Print single calls that meet a condition, as bcc's trace does.

    \b
    trace 'SyS_open (STRCMP("/etc/nodey.conf", arg1))' -U
    trace 'r:c:open (retval < 0) "%s failed: %d", arg1, retval'

    A function stands for the system calls that it makes: open also for openat; arg1 to arg6 are its parameters. What
    was matched is said on standard error.
    """
    if kernel_stack:
        raise click.UsageError("-K: kernel stacks are not recorded; -U shows user stacks.")
    if aggregate and max_events is None:
        raise click.UsageError("-A needs -M: say how many events to count.")
    if address and not user_stack:
        raise click.UsageError("-a shows the addresses of a stack and needs -U.")
    from bpfrec.analyze.probes.trace_spec import parse_trace_probe  # noqa: PLC0415
    from bpfrec.analyze.render import probes as text  # noqa: PLC0415

    clock = "unix" if unix_timestamp else "offset" if timestamp else "local" if local else None
    result = trace.report(
        "trace",
        lazy=True,
        probes=probes,
        pid=pid,
        tid=tid,
        uid=uid,
        name=name,
        msg_filter=msg_filter,
        string_size=string_size,
        max_events=max_events,
        clock=clock,
        print_cpu=print_cpu,
        user_stack=user_stack,
        address=address,
        aggregate=aggregate,
    )
    messages = any(parse_trace_probe(probe).message for probe in probes)
    output.write(result, lambda r: text.trace(r.records(), clock, print_cpu, messages))
