"""``bpfrec record``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bpfrec.bpf.permission import check_permission
from bpfrec.bpf.sampling import MOST_HZ
from bpfrec.bpf.selection import DATA_MOST
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.imports import interruptible_imports
from bpfrec.record.options.choices import Bytes, Duration, Ids, User
from bpfrec.record.options.disk_size import DiskSize
from bpfrec.record.options.last import Last, LastPart
from bpfrec.record.options.ring_size import RingSize
from bpfrec.record.options.syscalls import complete_calls, parse_calls, parse_stack_on
from bpfrec.record.options.until import Condition, Until
from bpfrec.record.processes.cgroup import find_cgroup
from bpfrec.record.request import Request, check_targets

if TYPE_CHECKING:
    from bpfrec.record.finish.live_follower import Show

RECORDING_FAILED = 125
"""Exit status of ``record -- COMMAND`` if recording itself failed, as timeout(1) and env(1) have it."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "-p", "--pid", "pids", type=Ids(), multiple=True, metavar="PID", help="Record this process, or these: 1,2."
)
@click.option("-f", "--follow", is_flag=True, help="With -p: also record children started from now on.")
@click.option("-t", "--tid", "tids", type=Ids(), multiple=True, metavar="TID", help="Record this thread, or these.")
@click.option("-n", "--name", "comm", metavar="COMM", help="Record processes and threads with this name.")
@click.option(
    "-u", "--uid", type=User(), metavar="USER", help="Record calls made with this real user id, or that of this user."
)
@click.option(
    "--cgroup", metavar="PATH", help="Record threads in this cgroup (version 2) and below it; 'self': that of bpfrec."
)
@click.option("-a", "--all", "everything", is_flag=True, help="Record every process except bpfrec itself.")
@click.option(
    "-e",
    "--events",
    "events",
    multiple=True,
    metavar="SYSCALLS",
    shell_complete=complete_calls,
    help="Record only these calls, written as for strace: openat,read, 'open*', %file, %net or '!futex' (all "
    "except futex).",
)
@click.option("-x", "--failed", "failed_only", is_flag=True, help="Record only calls that fail.")
@click.option(
    "-d", "--duration", type=Duration(), metavar="TIME", help="Stop after this time: 30 (seconds), 500ms, 5m, 1h30m."
)
@click.option(
    "--max-duration",
    "max_seconds",
    type=Duration(),
    metavar="TIME",
    help="Stop recording after this time, such as 90s, 15m or 2h; unlike with -d, a COMMAND goes on.",
)
@click.option(
    "--max-size",
    "max_bytes",
    type=DiskSize(),
    metavar="SIZE",
    help="Stop before the recording takes more of the disk than this, such as 2G, at least 64M; a COMMAND goes on.",
)
@click.option(
    "--last",
    type=LastPart(),
    metavar="TIME|SIZE",
    help="Keep the last part alone, such as 60s, or as much as takes 256M of the disk, at least 64M. SIGUSR1 writes "
    "it to FILE-TIME.bpfrec and recording goes on; the end writes FILE.",
)
@click.option(
    "--until",
    type=Until(),
    multiple=True,
    metavar="CONDITION",
    help="Stop at the first call like this: 'openat ENOENT /etc/app/*', 'fsync >100ms', 'exit_group !=0'; a COMMAND "
    "goes on.",
)
@click.option("--after", type=Duration(), metavar="TIME", help="With --until: stop this much later.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the trace to FILE. [trace.bpfrec]"
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--stacks",
    type=click.Choice(["off", "fp", "full"]),
    default="full",
    show_default=True,
    help="User stacks: none, by frame pointers, or whole ones by unwind tables.",
)
@click.option(
    "--stack-on",
    metavar="CALLS",
    help="Calls to record a stack for: all, none, or a list of failed, paths (calls that take a path) and names. "
    "[failed,paths]",
)
@click.option(
    "--data",
    "data_bytes",
    type=Bytes(DATA_MOST),
    metavar="N",
    help="Copy the first N bytes (256, 4K) of what calls read, write, send and receive, secrets included. [none]",
)
@click.option("--env", "environment", is_flag=True, help="Copy environments of executed programs, secrets included.")
@click.option(
    "--save-binaries",
    is_flag=True,
    help="Save executed programs and libraries, for symbols and source lines on another machine. [at most 1 GiB]",
)
@click.option(
    "--profile",
    type=click.IntRange(1, MOST_HZ),
    metavar="HZ",
    help="Also sample what runs on each CPU, with its stacks, HZ times a second; 99 is usual.",
)
@click.option(
    "--sched",
    is_flag=True,
    help="Also record when threads do not run: what they wait for, how long for a CPU, and who wakes them.",
)
@click.option(
    "--kernel-stacks",
    type=Duration(),
    is_flag=False,
    flag_value="1ms",
    metavar="[TIME]",
    help="With that, where threads wait in the kernel: stacks of calls that wait so long. [1ms]",
)
@click.option(
    "--buffer",
    "ring_bytes",
    type=RingSize(),
    metavar="SIZE",
    help="Ring buffer for each CPU, such as 512K, 64M or 1G, rounded up to a power of two. "
    "[depends on the memory, at most 128M]",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def record(
    pids: tuple[tuple[int, ...], ...],
    follow: bool,
    tids: tuple[tuple[int, ...], ...],
    comm: str | None,
    uid: int | None,
    cgroup: str | None,
    everything: bool,
    events: tuple[str, ...],
    failed_only: bool,
    duration: float | None,
    max_seconds: float | None,
    max_bytes: int | None,
    last: Last | None,
    until: tuple[Condition, ...],
    after: float | None,
    output: Path | None,
    force: bool,
    stacks: str,
    stack_on: str | None,
    data_bytes: int | None,
    environment: bool,
    save_binaries: bool,
    profile: int | None,
    sched: bool,
    kernel_stacks: float | None,
    ring_bytes: int | None,
    command: tuple[str, ...],
    show: Show | None = None,
) -> None:
    """Record the system calls of processes into a trace file.

    Say what to record with -p, -t, --name, -u, --cgroup or -a, or give a command after --. A command is recorded with
    its children, from its execve to its end. Ctrl-C stops the recording and finishes the file.
    """
    chosen = bool(pids or tids) or any(option is not None for option in (comm, uid, cgroup))
    if command and (chosen or everything):
        raise click.UsageError("a COMMAND is recorded by itself: leave out -p, -t, --name, -u, --cgroup and -a")
    if follow and not (pids or command):
        raise click.UsageError("--follow is for processes named with -p; the children of a COMMAND are followed always")
    if everything and (pids or tids):
        raise click.UsageError("-a records every process: leave out -p and -t, or -a")
    if not (command or chosen or everything):
        raise click.UsageError(
            "say what to record: -p PID, -t TID, --name COMM, -u USER, --cgroup PATH, -a, or -- COMMAND ARG..."
        )
    if show is not None and last is not None:
        raise click.UsageError("--live shows all calls, and --last keeps the last part of them alone: leave out one")
    if comm == "":
        raise click.UsageError("--name takes the name of a process or thread, as ps -o comm shows it")
    if stack_on is not None and stacks == "off":
        raise click.UsageError(
            "--stack-on says which calls have a stack, and --stacks off that none has: leave out one"
        )
    if after is not None and not until:
        raise click.UsageError("--after is for --until: it says how long to record after the call")
    with _failures_of(command):
        calls, unknown_calls = parse_calls(events)
        _check_recorded(until, calls)
        every_pid, every_tid = tuple(chain.from_iterable(pids)), tuple(chain.from_iterable(tids))
        check_targets(every_pid, every_tid)
        check_permission()
        request = Request(
            pids=tuple(dict.fromkeys(every_pid)),
            tids=tuple(dict.fromkeys(every_tid)),
            comm=comm,
            uid=uid,
            cgroup=None if cgroup is None else find_cgroup(cgroup),
            everything=everything,
            calls=calls,
            unknown_calls=unknown_calls,
            failed_only=failed_only,
            seconds=duration,
            max_seconds=max_seconds,
            max_bytes=max_bytes,
            last=last,
            until=until,
            after=after or 0.0,
            output=output,
            force=force,
            stacks=stacks,
            stack_on=parse_stack_on("failed,paths" if stack_on is None else stack_on),
            data_bytes=data_bytes or 0,
            environment=environment,
            save_binaries=save_binaries,
            profile=profile or 0,
            sched=sched,
            kernel_stacks=kernel_stacks,
            ring_bytes=ring_bytes,
            command=command,
            follow=follow,
        )
        # numpy, pyarrow and rich are slow to import, and a usage error need not wait for them.
        with interruptible_imports():
            from bpfrec.record.run import run  # noqa: PLC0415

        sys.exit(run(request, show))


def _check_recorded(until: tuple[Condition, ...], calls: frozenset[str] | None) -> None:
    """Checks that a call that a condition waits for is one of ``calls`` (None: all)."""
    for condition in until:
        if calls is not None and not condition.calls & calls:
            raise click.UsageError(f"--until '{condition.text}' waits for calls that -e does not record")


@contextmanager
def _failures_of(command: tuple[str, ...]) -> Iterator[None]:
    """Gives a recording that fails another exit status than its command could have."""
    try:
        yield
    except BpfrecError as error:
        if command and error.exit_code == BpfrecError.exit_code:
            error.exit_code = RECORDING_FAILED
        raise
