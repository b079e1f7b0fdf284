"""What the user asked to record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bpfrec.bpf.selection import Selection, StackChoice
from bpfrec.formats.errors import BpfrecError
from bpfrec.record.options.last import Last
from bpfrec.record.options.until import Condition
from bpfrec.record.processes import procfs


@dataclass(frozen=True)
class Request:
    """The options of ``bpfrec record``, parsed.

    ``follow``: also record children that the processes :attr:`pids` start from now on. ``calls``: names, None: all;
    ``unknown_calls``: also those whose number has no name here. ``seconds``: None: until something else ends it.
    ``data_bytes``: how many bytes to copy of what a call reads, writes, sends or receives, 0: none. ``profile``:
    samples a second on each CPU, 0: none. ``sched``: also when threads are off their CPUs; ``kernel_stacks``: with
    kernel stacks where a call waits so many seconds, None: without. ``ring_bytes``: bytes of each CPU's ring, a power
    of two; None: by memory. ``max_seconds``, ``max_bytes``: when recording stops and the command goes on; None: no
    limit. ``last``: only the last part of the recording is kept; None: all. ``until``: it also stops so, ``after``
    seconds later, when a call meets one of these.
    """

    pids: tuple[int, ...] = ()
    tids: tuple[int, ...] = ()
    comm: str | None = None
    uid: int | None = None
    everything: bool = False
    calls: frozenset[str] | None = None
    unknown_calls: bool = True
    failed_only: bool = False
    seconds: float | None = None
    output: Path | None = None
    force: bool = False
    stacks: str = "full"
    stack_on: StackChoice = field(default_factory=StackChoice)
    data_bytes: int = 0
    environment: bool = False
    save_binaries: bool = False
    ring_bytes: int | None = None
    command: tuple[str, ...] = ()
    follow: bool = False
    cgroup: Path | None = None
    profile: int = 0
    sched: bool = False
    kernel_stacks: float | None = None
    max_seconds: float | None = None
    max_bytes: int | None = None
    last: Last | None = None
    until: tuple[Condition, ...] = ()
    after: float = 0.0

    def selection(self, command_pid: int | None, helper_pids: tuple[int, ...] = ()) -> Selection:
        """What the BPF program has to record; ``command_pid``: the process that will become :attr:`command`.

        ``helper_pids``: processes of the recorder's that are never recorded.
        """
        return Selection(
            tgids=frozenset(self.pids if command_pid is None else (*self.pids, command_pid)),
            tids=frozenset(self.tids),
            comm=self.comm,
            uid=self.uid,
            calls=self.calls,
            unknown_calls=self.unknown_calls,
            failed_only=self.failed_only,
            stacks=self.stacks,
            stack_on=self.stack_on,
            data_bytes=self.data_bytes,
            environment=self.environment,
            cgroup=self.cgroup,
            follow=self.follow or command_pid is not None,
            until_exec=command_pid is not None,
            profile=self.profile,
            helper_pids=helper_pids,
            sched=self.sched or self.kernel_stacks is not None,
            kernel_stacks_ns=None if self.kernel_stacks is None else round(self.kernel_stacks * 1e9),
        )

    def processes(self) -> set[int] | None:
        """The pids whose calls may be in the trace, as far as that is known now; None: any."""
        if not self.pids and not self.tids and not self.command:
            return None
        owners = {known.pid for tid in self.tids if (known := procfs.status(tid)) is not None}
        return set(self.pids) | owners

    def subject(self) -> str:
        """What is recorded, as a phrase."""
        if self.command:
            return self.command[0]
        children = " with its children" if self.follow else ""
        parts = [f"process {pid}{children}" for pid in self.pids] + [f"thread {tid}" for tid in self.tids]
        text = ", ".join(parts) or "all processes"
        if self.comm is not None:
            text += f" named {self.comm}"
        if self.cgroup is not None:
            text += f" in {self.cgroup}"
        return f"{text} of uid {self.uid}" if self.uid is not None else text


def check_targets(pids: Sequence[int], tids: Sequence[int]) -> None:
    """Checks that every process and thread exists.

    Raises:
        BpfrecError: one does not, or a pid is the id of a thread.
    """
    for pid in pids:
        known = procfs.status(pid)
        if known is None:
            raise BpfrecError(
                f"no process {pid}", "List processes with: ps -e   or record one from its start with: -- COMMAND"
            )
        if known.pid != pid:
            raise BpfrecError(
                f"{pid} is a thread of process {known.pid}",
                f"Record it with -t {pid}, or its process with -p {known.pid}",
            )
    for tid in tids:
        if procfs.status(tid) is None:
            raise BpfrecError(f"no thread {tid}", "List the threads of a process with: ps -L -p PID")
