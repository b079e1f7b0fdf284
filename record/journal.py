"""The journal of a recording: what finishing it needs beside the rings' bytes, written while it goes on.

It is a file of lines of JSON beside the spools. A recorder that ends well does not need it: it has all that in memory.
Where the recorder was killed, ``bpfrec recover`` makes the trace of the journal and the spools.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from bpfrec.formats.manifest import Clock, Host
from bpfrec.formats.typed_json import from_plain, to_json
from bpfrec.formats.version import VERSION
from bpfrec.record.processes.calls_in_progress import CallInProgress
from bpfrec.record.processes.descriptors import ProcessFiles, ThreadFiles
from bpfrec.record.processes.found_process import FoundProcess, StartedProgram
from bpfrec.record.request import Request

_log = logging.getLogger(__name__)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# No line of ours is longer; more is damage.
_LONGEST_LINE = 1 << 26


@dataclass(frozen=True)
class Begun:
    """The recorder has begun: ``pid`` records what ``request`` asks for, into ``target`` (an absolute path).

    ``wall_ns``: when, ns since the epoch; ``boot``: which boot of the machine that was.
    """

    request: Request
    target: Path
    pid: int
    wall_ns: int
    boot: str
    tool_version: str
    command_line: list[str]
    host: Host


@dataclass(frozen=True)
class Attached:
    """Calls are recorded from ``start_ns`` on (CLOCK_MONOTONIC). The other members are those of the recording.

    ``wanted``: the pids to be recorded, None: all; ``command_pid``: the process that became the recorded command.
    ``recording_start_ns``: this is a leg of a recording that began then; None: it is the first, or there are no legs.
    ``counters_before``, ``lost_before``: what a mark would have said when the leg began.
    """

    clock: Clock
    start_ns: int
    wanted: set[int] | None
    follow: bool
    command_pid: int | None
    ring_bytes: int
    ring_cpus: frozenset[int]
    follows_uring: bool = False
    has_requests: bool = False
    recording_start_ns: int | None = None
    counters_before: dict[str, int] = field(default_factory=dict)
    lost_before: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class SocketNames:
    """The names of the sockets in a network namespace, by inode."""

    network: str
    names: dict[int, str]


@dataclass(frozen=True)
class Looked:
    """The calls that threads were in when recording began, looked at until ``looked_ns`` (CLOCK_MONOTONIC)."""

    in_progress: list[CallInProgress]
    looked_ns: int


@dataclass(frozen=True)
class Mark:
    """The end of a segment: at ``time_ns`` (CLOCK_MONOTONIC) the spools had ``bytes`` by kind.

    ``counters`` were read before the last drain, so the calls that they count as sent are in these bytes.
    ``lost_by_cpu``: calls that found no room in the ring of each CPU.
    """

    time_ns: int
    bytes: dict[str, int]
    counters: dict[str, int]
    lost_by_cpu: list[int]


@dataclass(frozen=True)
class Unsent:
    """The batch of ``cpu`` that the BPF program had not sent at the next mark, as a perf sample in hex."""

    cpu: int
    sample: str


@dataclass(frozen=True)
class Ready:
    """At ``time_ns`` (CLOCK_MONOTONIC) all had been read that a trace of this recording, or leg, begins with."""

    time_ns: int


@dataclass(frozen=True)
class Ended:
    """Recording stopped at ``stop_ns`` (CLOCK_MONOTONIC) because of ``stopped``; only finishing was left.

    ``in_progress``: the calls that threads were in, as perf samples in hex. ``outcome`` and ``exit_code``: those of the
    recorded command, None: there was none.
    """

    stop_ns: int
    stopped: str
    in_progress: str
    outcome: str | None
    exit_code: int | None


Entry = (
    Begun
    | Attached
    | FoundProcess
    | StartedProgram
    | ProcessFiles
    | ThreadFiles
    | SocketNames
    | Looked
    | Unsent
    | Ready
    | Mark
    | Ended
)

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Entry)}


class Journal:
    """Writes entries, each as one line, by ``append``."""

    def __init__(self, append: Callable[[bytes], None]) -> None:
        self._append = append

    def write(self, entry: Entry) -> None:
        """Appends ``entry``; errors are those of ``append``."""
        self._append(f'{{"{type(entry).__name__}":{to_json(entry)}}}\n'.encode())


@dataclass
class Kept:
    """What a journal holds; None: it does not say so. ``unsent``: the last such batch of each CPU."""

    begun: Begun | None = None
    attached: Attached | None = None
    looked: Looked | None = None
    mark: Mark | None = None
    ready: Ready | None = None
    ended: Ended | None = None
    found: list[FoundProcess] = field(default_factory=list)
    started: list[StartedProgram] = field(default_factory=list)
    files: list[ProcessFiles] = field(default_factory=list)
    apart: list[ThreadFiles] = field(default_factory=list)
    sockets: dict[str, dict[int, str]] = field(default_factory=dict)
    unsent: dict[int, str] = field(default_factory=dict)

    def note(self, entry: Entry) -> None:
        """Takes in one entry."""
        match entry:
            case Begun():
                self.begun = entry
            case Attached():
                self.attached = entry
            case Looked():
                self.looked = entry
            case Mark():
                self.mark = entry
            case Ready():
                self.ready = entry
            case Ended():
                self.ended = entry
            case FoundProcess():
                self.found.append(entry)
            case StartedProgram():
                self.started.append(entry)
            case ProcessFiles():
                self.files.append(entry)
            case ThreadFiles():
                self.apart.append(entry)
            case SocketNames():
                self.sockets[entry.network] = entry.names
            case Unsent():
                self.unsent[entry.cpu] = entry.sample


def read_journal(path: Path) -> Kept:
    """Reads the journal at ``path`` as far as it is whole: its last line may be cut off, and a disk may lose some.

    Raises:
        OSError: it cannot be read.
    """
    kept = Kept()
    JournalReader(path).read_into(kept)
    return kept


class JournalReader:
    """Reads the journal at ``path``, which may still grow.

    Raises:
        OSError: here and in all methods: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._end = path, 0

    def read_into(self, kept: Kept, *, whole_lines: bool = False) -> None:
        """Gives ``kept`` the entries that have not been read; ``whole_lines``: not a last one that is cut off."""
        with self._path.open("rb") as file:
            file.seek(self._end)
            while line := file.readline(_LONGEST_LINE):
                if whole_lines and not line.endswith(b"\n"):
                    return
                self._end += len(line)
                for entry in _entries(line):
                    kept.note(entry)


def _entries(line: bytes) -> Iterator[Entry]:
    try:
        (name, raw), *_ = json.loads(line).items()
        kind = _KINDS.get(name)
        if kind is not None:
            yield from_plain(kind, raw)
    except (ValueError, AttributeError, RecursionError) as error:
        _log.info("a line of the journal is damaged: %s", error)


def begun_now(request: Request, target: Path) -> Begun:
    """The first entry of a recording that this process begins now."""
    return Begun(
        request=request,
        target=target,
        pid=os.getpid(),
        wall_ns=time.time_ns(),
        boot=boot_id(),
        tool_version=VERSION,
        command_line=["bpfrec", *map(text_of_argument, sys.argv[1:])],
        host=this_host(),
    )


def boot_id() -> str:
    """The id of this boot of the machine; empty where the kernel does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def text_of_argument(argument: str) -> str:
    """An argument of a command line as text that can be stored; bytes that are not UTF-8 are escaped."""
    return os.fsencode(argument).decode("utf-8", "backslashreplace")


def this_host() -> Host:
    """The machine that this process runs on."""
    names = os.uname()
    page = os.sysconf("SC_PAGE_SIZE")
    return Host(
        name=names.nodename,
        kernel=names.release,
        arch=names.machine,
        page_size=page,
        cpus=os.cpu_count() or 1,
        memory_bytes=page * os.sysconf("SC_PHYS_PAGES"),
    )
