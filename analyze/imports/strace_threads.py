"""Who the threads of a strace log are: their processes, parents, names and ends, from their calls."""

from __future__ import annotations

from dataclasses import dataclass, field

COMM_BYTES = 15
"""A thread's name has at most 15 bytes: include/linux/sched.h, TASK_COMM_LEN."""


@dataclass(slots=True)
class Name:
    """A name of a thread from ``start_ns`` on; ``text`` is None where it has that of ``inherited``."""

    thread: Thread
    number: int
    text: str | None
    start_ns: int | None
    inherited: Name | None = None

    def resolve(self) -> str | None:
        """Returns the name, or None where the log does not tell."""
        name: Name | None = self
        for _ in range(10_000):
            if name is None or name.text is not None:
                break
            name = name.inherited
        return name.text if name else None


@dataclass(slots=True, eq=False)
class Thread:
    """A thread of the log. ``leader``: the thread whose tid is the pid of its process, None where it is one itself."""

    tid: int
    number: int
    leader: Thread | None = None
    parent: Thread | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    exe: str | None = None
    arguments: list[str] = field(default_factory=list)
    cwd: str | None = None
    uid: int | None = None
    uid_changes: bool = False
    is_compat: bool = False
    names: list[Name] = field(default_factory=list)

    @property
    def process(self) -> Thread:
        """The leader of its process."""
        leader = self
        for _ in range(64):
            if leader.leader is None:
                break
            leader = leader.leader
        return leader


class Threads:
    """All threads of a log, by tid; a tid used again is another thread."""

    def __init__(self) -> None:
        self._living: dict[int, Thread] = {}
        self.all: list[Thread] = []
        self.names: list[Name] = []

    def get(self, tid: int) -> Thread:
        """Returns the living thread ``tid``, made now if the log has not named it before."""
        return self._living.get(tid) or self._made(tid)

    @property
    def living(self) -> list[int]:
        """The tids of threads that have not ended."""
        return list(self._living)

    def _made(self, tid: int) -> Thread:
        thread = Thread(tid, len(self.all))
        self.all.append(thread)
        self._living[tid] = thread
        self.rename(thread, None, None)
        return thread

    def renumber(self, old: int, tid: int) -> bool:
        """Gives the living thread ``old`` the tid ``tid``, if no thread has it; returns whether it did."""
        if tid in self._living or old not in self._living:
            return False
        thread = self._living.pop(old)
        thread.tid = tid
        self._living[tid] = thread
        return True

    def rename(self, thread: Thread, text: str | None, at_ns: int | None) -> None:
        """Notes a name of ``thread``; None: not known."""
        name = Name(thread, len(self.names), text, at_ns)
        thread.names.append(name)
        self.names.append(name)

    def born(self, parent: Thread, tid: int, *, is_thread: bool, at_ns: int) -> Thread:
        """Notes that ``parent`` made ``tid``, of which the log may have lines already."""
        child = self.get(tid)
        child.start_ns = at_ns if child.start_ns is None else min(child.start_ns, at_ns)
        if is_thread and child is not parent.process:
            child.leader = parent.process
        child.parent = parent
        first = child.names[0]
        if first.text is None and first.thread is not parent:
            first.inherited = parent.names[-1]
        return child

    def executed(self, thread: Thread, path: str | None, arguments: list[str], at_ns: int) -> None:
        """Notes a successful execve of ``thread``, which becomes the leader of its process."""
        leader = thread.process
        if path is not None:
            name = path.rpartition("/")[2].encode("utf-8", "surrogateescape")[:COMM_BYTES]
            self.rename(leader, name.decode("utf-8", "backslashreplace"), at_ns)
            leader.exe = path
        if arguments:
            leader.arguments = arguments

    def superseded(self, leader: Thread, tid: int, from_ns: int, until_ns: int) -> None:
        """Notes that the thread ``tid`` goes on as ``leader`` of its process, under the pid, by an execve.

        ``from_ns``: when the execve began; ``until_ns``: when it ended the thread.
        """
        thread = self._living.get(tid)
        if thread is None or thread is leader:
            return
        if thread.leader is None:
            # The log does not say by which call the thread came into being.
            thread.leader = leader
        self.ended(tid, until_ns, None, None)
        if thread.names[-1].resolve() != leader.names[-1].resolve():
            name = Name(leader, len(self.names), None, from_ns, thread.names[-1])
            leader.names.append(name)
            self.names.append(name)

    def ended(self, tid: int, at_ns: int, exit_code: int | None, signal: int | None) -> None:
        """Notes the end of ``tid``."""
        thread = self._living.pop(tid, None)
        if thread is not None:
            thread.end_ns, thread.exit_code, thread.signal = at_ns, exit_code, signal
