"""Reads a strace log line by line: joins the two halves of calls, follows threads, and makes rows of calls."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bpfrec.analyze.imports.strace_calls import CallText, Result, call_text, parse_result
from bpfrec.analyze.imports.strace_clock import LogClock, seconds_to_ns
from bpfrec.analyze.imports.strace_frames import LoggedStacks
from bpfrec.analyze.imports.strace_lines import Kind, Line, attached_in, parse_line
from bpfrec.analyze.imports.strace_numbers import parse_signal
from bpfrec.analyze.imports.strace_threads import Thread, Threads
from bpfrec.analyze.imports.strace_values import NestedError, annotation, unescaped
from bpfrec.formats.kernel.errnos import errno_numbers
from bpfrec.formats.schema import EXEC_ARGS, STRINGS

FIRST_PID = 1
"""The pid of the only process of a log that does not name it."""

BATCH = 1 << 17
"""Rows that are collected before they become an Arrow table."""

_ERRNOS = errno_numbers()
_CAN_BECOME_EINTR = {-_ERRNOS[name] for name in ("ERESTARTSYS", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK")}
_MAKES = frozenset({"clone", "clone3", "fork", "vfork"})
_EXECUTES = frozenset({"execve", "execveat"})
_TELLS_UID = frozenset({"getuid", "setuid", "setreuid", "setresuid"})
_TELLS_TID = frozenset({"getpid", "gettid", "set_tid_address"})
_SPECIAL = _TELLS_TID | _MAKES | _EXECUTES | _TELLS_UID | {"prctl", "rt_sigreturn", "sigreturn"}
_DESCRIPTOR = re.compile(r"(?<![\w\"/])(AT_FDCWD|\d{1,9})<((?:[^>]|(?<=-)>)*)>")
_DEEPEST = 64
# Parts of a line as in strace_lines.py; one that does not look so is read by its rules.
_COMMON = re.compile(
    r"(?:(\d{1,7}) {1,64})?(?:(\d{9,10}\.\d{6}|\d\d:\d\d:\d\d(?:\.\d{6})?) {1,64})?([a-z_][a-z0-9_]*)\((.*)\) += "
    r"(?:(0|-?[1-9]\d{0,17})(<[^<>]*>)?|-1 (E[A-Z0-9]+) \([^()]*\))(?: <(\d{1,9}\.\d{6})>)?",
    re.S | re.A,
)
_REST = re.compile(r"(.*)\) += (-?[0-9?].*)", re.S)
_SPENT = re.compile(r" <(\d{1,9}\.\d+)>$")

COLUMNS = (
    *("ts_ns", "duration_ns", "thread", "name", "abi", "nr", "syscall"),
    *("arg0", "arg1", "arg2", "arg3", "arg4", "arg5"),
    *("ret", "errno", "path", "path_status", "path2", "path2_status", "unfinished", "entry_status", "stack_id"),
)
"""The columns of a batch: those of ``syscalls``, but ``thread`` and ``name`` number what :class:`Threads` holds."""


@dataclass(slots=True)
class _Begun:
    """A call whose end has not been seen."""

    name: str
    arguments: str
    ts_ns: int
    stack: list[str] = field(default_factory=list)


@dataclass
class Counts:
    """What was met in a log."""

    lines: int = 0
    calls: int = 0
    signals: int = 0
    abbreviated: int = 0
    cut: int = 0


class _Readers(dict[str, CallText]):
    """What reads the arguments of calls of 64-bit programs, by name."""

    def __missing__(self, name: str) -> CallText:
        reader = self[name] = call_text(name, "x86_64")
        return reader


class StraceLog:
    """The calls of a log as batches of columns; what else it tells is in the attributes once :meth:`batches` has ended.

    Times are ns since the epoch. ``not_understood``: line numbers and texts. ``settled``: row numbers of calls of which
    a later line told that they failed with EINTR, and of ends of handlers, whose result is not theirs. ``side_rows``:
    rows of other tables, by their names, each with the number of its call.
    """

    def __init__(self, clock: LogClock) -> None:
        self.clock = clock
        self.threads = Threads()
        self.stacks = LoggedStacks()
        self.counts = Counts()
        self.not_understood: list[tuple[int, str]] = []
        self.descriptors: dict[tuple[int, int], tuple[str, int]] = {}
        self.interrupted: list[int] = []
        self.handler_ends: list[int] = []
        self.side_rows: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
        self.first_ns: int | None = None
        self.last_ns = 0
        self._rows: list[tuple[Any, ...]] = []
        self._begun: dict[int, _Begun] = {}
        self._glued: int | None = None
        self._main: int | None = None
        self._frames: list[str] = []
        self._framed: Thread | None = None
        self._restarting: dict[int, list[int]] = {}
        self._known_descriptors: set[tuple[int, int]] = set()
        self._readers = _Readers()

    def batches(self, lines: Iterable[tuple[int | None, str]]) -> Iterator[list[tuple[Any, ...]]]:
        """Reads ``lines``, each with the pid that its file is named after, or None; yields rows of :data:`COLUMNS`."""
        for file_pid, text in lines:
            self.counts.lines += 1
            if text.startswith(" > "):
                self._frames.append(text[3:])
                continue
            if self._frames:
                self._end_stack()
            try:
                if not self._read_common(text, file_pid):
                    self._read(text, file_pid)
            except (NestedError, RecursionError):
                self.not_understood.append((self.counts.lines, text))
            if len(self._rows) >= BATCH:
                yield self._taken()
        self._end_stack()
        self._leave_unfinished()
        if self._rows:
            yield self._taken()

    def _taken(self) -> list[tuple[Any, ...]]:
        taken, self._rows = self._rows, []
        return taken

    def _read_common(self, text: str, file_pid: int | None) -> bool:
        """Reads a line of the form that most have, a whole call with a plain result; whether it is one.

        It does what :meth:`_read` would do of such a line, in a third of the time.
        """
        match = _COMMON.fullmatch(text)
        if match is None:
            return False
        pid, time, name, arguments, value, target, errno, spent = match.groups()
        ret = int(value) if errno is None else -_ERRNOS.get(errno, 1)
        if name in _SPECIAL or ret in _CAN_BECOME_EINTR or (pid is not None and self._main == FIRST_PID):
            return False
        now = self.clock.read(time or "", "")
        if self.first_ns is None:
            self.first_ns = now
        self.last_ns = max(self.last_ns, now)
        thread = self.threads.get(file_pid or (int(pid) if pid else 0) or self._sole())
        process = thread.process
        reader = call_text(name, "i386") if process.is_compat else self._readers[name]
        parsed = reader.parse(arguments, ret, "")
        counts = self.counts
        number = counts.calls
        counts.calls += 1
        counts.abbreviated += parsed.abbreviated
        (path, path_status), (path2, path2_status) = parsed.paths
        self._rows.append(
            (
                *(now, seconds_to_ns(spent) if spent else None, thread.number, thread.names[-1].number),
                *(reader.abi, reader.number, reader.name, *parsed.arguments, ret, errno),
                *(path, path_status, path2, path2_status, None, None, None),
            )
        )
        for table, row in parsed.rows:
            self.side_rows[table.name].append((number, row))
        self._framed = thread
        if process.start_ns is None and "<" in arguments:
            self._note_descriptors(thread, arguments)
        if target is not None and ret >= 0:
            self._known_descriptors.add((process.number, ret))
        return True

    def _read(self, text: str, file_pid: int | None) -> None:
        line = parse_line(text)
        if line is None:
            self._read_part(text, file_pid)
            return
        if line.kind is Kind.IGNORED:
            return
        if line.kind is Kind.MODE:
            self._mode(line)
            return
        tid = file_pid or line.pid or self._sole()
        now = self.clock.read(line.time, line.since)
        if self.first_ns is None:
            self.first_ns = now
        self.last_ns = max(self.last_ns, now)
        if line.pid is not None and self._main == FIRST_PID:
            # Processes are announced before their first line; one that was not is the one that had no pid so far.
            self._name_main(line.pid)
        thread = self.threads.get(tid)
        if line.comm is not None and thread.names[-1].text != line.comm:
            self.threads.rename(thread, unescaped(line.comm).decode("utf-8", "backslashreplace"), now)
        self._follow(thread, line, now, text)

    def _follow(self, thread: Thread, line: Line, now: int, text: str) -> None:
        tid = thread.tid
        match line.kind:
            case Kind.CALL:
                self._call(thread, _Begun(line.name, line.arguments, now), line, None)
            case Kind.UNFINISHED:
                self._begun[tid] = _Begun(line.name, line.arguments, now)
                if attached := attached_in(text):
                    self.threads.get(attached)
                    self._glued = tid
            case Kind.RESUMED:
                begun = self._begun.pop(tid, None)
                if begun is not None and begun.name == line.name:
                    begun.arguments = _joined(begun.arguments, line.arguments)
                    self._call(thread, begun, line, now)
                else:
                    begun = _Begun(line.name, line.arguments, self.first_ns or now)
                    self._call(thread, begun, line, now, entry_status="before-recording")
            case Kind.SIGNAL:
                self.counts.signals += 1
            case Kind.EXITED | Kind.KILLED:
                self._end(thread, line, now)
            case Kind.SUPERSEDED:
                self._supersede(thread, int(line.name), now)
            case Kind.ATTACHED:
                self.threads.get(int(line.name))

    def _read_part(self, text: str, file_pid: int | None) -> None:
        """A line that is not whole: what the program wrote itself, or strace said of others, broke a call in two."""
        if self._glued is not None and (match := _REST.match(text)) and self._glued in self._begun:
            tid, self._glued = self._glued, None
            begun = self._begun.pop(tid)
            begun.arguments = _joined(begun.arguments, match[1])
            spent = _SPENT.search(match[2])
            result = match[2][: spent.start()] if spent else match[2]
            line = Line(Kind.RESUMED, name=begun.name, result=result.rstrip(), spent=spent[1] if spent else "")
            self._call(self.threads.get(tid), begun, line, None)
            return
        begins = parse_line(f"{text} <unfinished ...>")
        if begins is not None and begins.kind is Kind.UNFINISHED:
            tid = file_pid or begins.pid or self._sole()
            now = self.clock.read(begins.time, begins.since)
            self.threads.get(tid)
            self._begun[tid] = _Begun(begins.name, begins.arguments, now)
            self._glued = tid
            return
        self.not_understood.append((self.counts.lines, text))

    def _sole(self) -> int:
        """The thread of a line that names none: the only one there is."""
        living = self.threads.living
        if len(living) == 1:
            return living[0]
        if self._main is None:
            self._main = FIRST_PID
        return self._main if self._main in living or not living else living[0]

    def _name_main(self, tid: int) -> None:
        if self.threads.renumber(FIRST_PID, tid):
            self._main = tid
            if begun := self._begun.pop(FIRST_PID, None):
                self._begun[tid] = begun
            if self._glued == FIRST_PID:
                self._glued = tid

    def _mode(self, line: Line) -> None:
        thread = self.threads.get(int(line.name))
        thread.process.is_compat = line.arguments.startswith("32")

    def _call(
        self, thread: Thread, begun: _Begun, line: Line, ended_ns: int | None, entry_status: str | None = None
    ) -> None:
        result = parse_result(line.result)
        reader = call_text(begun.name, "i386" if thread.process.is_compat else "x86_64")
        parsed = reader.parse(begun.arguments, result.ret, result.remark)
        duration: int | None = None
        unfinished: str | None = None
        if result.ret is None and result.errno is None and line.result.startswith("?"):
            unfinished = "thread-exited"
        elif line.spent:
            duration = seconds_to_ns(line.spent)
        elif ended_ns is not None and self.clock.has_times:
            duration = max(ended_ns - begun.ts_ns, 0)
        (path, path_status), (path2, path2_status) = parsed.paths
        number = self.counts.calls
        self.counts.calls += 1
        self.counts.abbreviated += parsed.abbreviated
        self._rows.append(
            (
                *(begun.ts_ns, duration, thread.number, thread.names[-1].number, reader.abi, reader.number),
                *(reader.name, *parsed.arguments, result.ret, result.errno, path, path_status, path2, path2_status),
                *(unfinished, entry_status, None),
            )
        )
        for table, row in parsed.rows:
            self.side_rows[table.name].append((number, row))
        self._framed = thread
        if "<" in begun.arguments and thread.process.start_ns is None:
            self._note_descriptors(thread, begun.arguments)
        if result.ret is not None and result.ret >= 0 and annotation(line.result.split(" ")[0]):
            self._known_descriptors.add((thread.process.number, result.ret))
        if begun.name in _SPECIAL or result.ret in _CAN_BECOME_EINTR:
            # The first vector of an execve is argv; the string of prctl is a name.
            words = [row["value"] for table, row in parsed.rows if table in (EXEC_ARGS, STRINGS) and row["arg"] < 3]
            self._special(
                thread,
                begun,
                result,
                path,
                [word for word in words if word is not None],
                begun.ts_ns + (duration or 0),
                number,
            )

    def _special(
        self,
        thread: Thread,
        begun: _Begun,
        result: Result,
        path: str | None,
        words: list[str],
        at_ns: int,
        number: int,
    ) -> None:
        name, ret = begun.name, result.ret
        if ret in _CAN_BECOME_EINTR:
            waiting = self._restarting.setdefault(thread.number, [])
            waiting.append(number)
            del waiting[:-_DEEPEST]
        elif name.endswith("sigreturn"):
            self.handler_ends.append(number)
            if begun_before := self._restarting.get(thread.number):
                interrupted = begun_before.pop()
                if result.errno == "EINTR":
                    self.interrupted.append(interrupted)
        elif ret is None or ret < 0:
            return
        elif name in _TELLS_TID:
            if thread.tid == FIRST_PID == self._main:
                self._name_main(ret)
        elif name in _MAKES and ret > 0:
            is_thread = "CLONE_THREAD" in begun.arguments
            self.threads.born(thread, ret, is_thread=is_thread, at_ns=begun.ts_ns)
        elif name in _EXECUTES:
            self.threads.executed(thread, path, words, at_ns)
        elif name == "prctl" and begun.arguments.startswith("PR_SET_NAME"):
            self.threads.rename(thread, words[0] if words else None, at_ns)
        elif name == "getuid" and not thread.process.uid_changes:
            thread.process.uid = ret
        elif name in _TELLS_UID:
            thread.process.uid_changes = True

    def _note_descriptors(self, thread: Thread, arguments: str) -> None:
        """What a process had open when the log began: ``-y`` names it where it is used."""
        process = thread.process
        # Behind the last > none can end, and looking for it from each < would take long.
        for written, target in _DESCRIPTOR.findall(arguments, 0, arguments.rfind(">") + 1):
            if written == "AT_FDCWD":
                if process.cwd is None:
                    process.cwd = unescaped(target).decode("utf-8", "backslashreplace")
                continue
            key = (process.number, int(written))
            if key not in self._known_descriptors:
                self._known_descriptors.add(key)
                self.descriptors[key] = (unescaped(target).decode("utf-8", "backslashreplace"), self.first_ns or 0)

    def _end(self, thread: Thread, line: Line, now: int) -> None:
        begun = self._begun.pop(thread.tid, None)
        if begun is not None:
            self._call(thread, begun, Line(Kind.CALL, result="? <unavailable>"), None)
        code = int(line.name) if line.kind is Kind.EXITED else None
        signal = parse_signal(line.name) if line.kind is Kind.KILLED else None
        self.threads.ended(thread.tid, now, code, signal)

    def _supersede(self, leader: Thread, tid: int, now: int) -> None:
        """Thread ``tid`` of the process of ``leader`` executes a program: it takes the pid, all others end.

        strace writes the rest of the execve with the pid, and its beginning with the tid.
        """
        begun = self._begun.pop(leader.tid, None)
        if begun is not None:
            self._call(leader, begun, Line(Kind.CALL, result="? <unavailable>"), None)
        if (executing := self._begun.pop(tid, None)) is not None:
            self._begun[leader.tid] = executing
        self.threads.superseded(leader, tid, executing.ts_ns if executing else now, now)

    def _end_stack(self) -> None:
        frames, self._frames = self._frames, []
        if not frames or self._framed is None or not self._rows:
            return
        row = self._rows[-1]
        self._rows[-1] = (*row[:-1], self.stacks.number(frames, self._framed.process.number, row[0]))

    def _leave_unfinished(self) -> None:
        """Calls that had not returned when the log ended."""
        for tid, begun in list(self._begun.items()):
            self._call(self.threads.get(tid), begun, Line(Kind.CALL, result="?"), None)
            row = list(self._rows[-1])
            row[COLUMNS.index("unfinished")] = "recording-stopped"
            self._rows[-1] = tuple(row)
            self.counts.cut += 1
        self._begun.clear()


def _joined(first: str, rest: str) -> str:
    """The arguments of a call that was written in two parts."""
    first = first.rstrip()
    rest = rest.lstrip(" ")
    if not first or not rest or rest.startswith((",", " =>", "=>")):
        return first + rest
    return f"{first.rstrip(',')}, {rest}" if not first.endswith((",", "=")) else f"{first} {rest}"
