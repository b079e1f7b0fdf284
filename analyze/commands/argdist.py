"""``bpfrec analyze report argdist``."""

from __future__ import annotations

import click

from bpfrec.analyze.commands.options import Output, output_options, pass_trace, process_options
from bpfrec.analyze.trace import Trace

_SPEC = "{p,r,t}:{library,category}:function(signature)[:type[,...]:expr[,...][:filter]][#label]"


@click.command("argdist", epilog=f"SPEC: {_SPEC}")
@process_options
@click.option(
    "-z",
    "--string-size",
    type=click.IntRange(1),
    default=80,
    show_default=True,
    help="Characters of a string that count.",
)
@click.option(
    "-i",
    "--interval",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="An answer for every so many seconds of the recording.",
)
@click.option(
    "-d", "--duration", type=click.FloatRange(0), metavar="SECONDS", help="Only the first seconds of the recording."
)
@click.option(
    "-n", "--number", type=click.IntRange(1), help="Only so many answers, one a second if -i says nothing else."
)
@click.option("-c", "--cumulative", is_flag=True, help="With -i: each answer is for all the time up to it.")
@click.option(
    "-T", "--top", type=click.IntRange(1), help="Only so many of the most frequent values; not for histograms."
)
@click.option("-H", "--histogram", "histograms", multiple=True, metavar="SPEC", help="A histogram; may be repeated.")
@click.option("-C", "--count", "counts", multiple=True, metavar="SPEC", help="A frequency count; may be repeated.")
@output_options
@pass_trace
def command(
    *,
    trace: Trace,
    output: Output,
    pid: int | None,
    tid: int | None,
    string_size: int,
    interval: int | None,
    duration: float | None,
    number: int | None,
    cumulative: bool,
    top: int | None,
    histograms: tuple[str, ...],
    counts: tuple[str, ...],
) -> None:
    """Count or histogram values of arguments and results, as bcc's argdist does.

    \b
    argdist -H 'p::do_nanosleep(struct timespec *time):u64:time->tv_nsec'
    argdist -C 'p:c:open(char *filename):char*:filename'
    argdist -C 'r:c:open():int:$retval'

    A function stands for the system calls that it makes: open also for openat. What was matched is said on standard
    error. Without -i there is one answer, for the whole recording. In the expressions of an exit probe (r:) there are
    $retval, $latency (ns) and $entry(parameter), in all $PID and $COMM. All counts stand before the histograms.
    """
    if not histograms and not counts:
        raise click.UsageError("At least one specifier is required: -C or -H.")
    if cumulative and interval is None and number is None:
        raise click.UsageError("-c needs -i: without it there is one answer for all the time.")
    from bpfrec.analyze.render import probes  # noqa: PLC0415
    from bpfrec.analyze.reports.argdist import Distribution  # noqa: PLC0415

    result = trace.report(
        "argdist",
        counts=counts,
        histograms=histograms,
        pid=pid,
        tid=tid,
        string_size=string_size,
        interval_s=interval,
        duration_s=duration,
        number=number,
        cumulative=cumulative,
        top=top,
    )
    assert isinstance(result, Distribution)  # noqa: S101
    clocks = [trace.local_time(end) for end in result.ends_ns]
    output.write(result, lambda r: probes.argdist(r.dicts(), result.titles, clocks))
