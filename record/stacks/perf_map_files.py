"""The perf maps (``perf-PID.map``) of recorded processes, held open so that they can be read when the process has gone.

A runtime appends lines while it runs, and may put new code where older code was. So the size of each map is noted again
and again: a line was written between the looks before and after it appeared.
"""

from __future__ import annotations

import logging
import math
import os
import resource
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.formats.symbols.perf_map import LARGEST, JitSymbol, entries_for
from bpfrec.record.processes.foreign_files import open_local
from bpfrec.record.processes.helpers import Helpers, Reply
from bpfrec.record.processes.procfs import PROC, Reader, living_thread, reader, status

_log = logging.getLogger(__name__)

HOST = Path("/")
_TEMPORARY = "tmp"
BEFORE = 0

_MOST_LOOKS = 1 << 12
_MOST_MAPS = 16
_MOST_OPEN = 1 << 12
_OPENING_SECONDS = 0.25
# Time stamps of files are those of the kernel's last tick.
_FILE_CLOCK_NS = 10_000_000


@dataclass(frozen=True, slots=True)
class JitEntry:
    """A line of a map, written between ``since`` and ``until`` (ns on CLOCK_MONOTONIC); None: unknown lines."""

    since: int
    until: int
    symbol: JitSymbol | None


UNKNOWN = JitEntry(BEFORE, BEFORE, None)


def at_time(entries: Sequence[JitEntry], when: int) -> JitSymbol | None:
    """The code at an address at ``when``; ``entries``: all for that address, in order. None where it is not certain."""
    sure = next((n for n in range(len(entries) - 1, -1, -1) if entries[n].until <= when), None)
    rest = entries[0 if sure is None else sure + 1 :]
    possible = {entry.symbol for entry in rest if entry.since <= when}
    if sure is not None:
        possible.add(entries[sure].symbol)
    if not possible and rest:
        # Some runtimes write their maps late; Java does when it ends.
        possible = {entry.symbol for entry in rest if entry.since <= rest[0].until}
    return possible.pop() if len(possible) == 1 else None


@dataclass
class _Map:
    """An open map; times in ns on CLOCK_MONOTONIC. ``named``: when the file was last seen under the map's name.

    ``looks``, one for each time that it had grown: when it was looked at before, the latest time at which it was
    written to, its size in bytes, and the earliest time of the last write.
    """

    file: BinaryIO
    identity: tuple[int, int]
    last_look: int
    named: int
    looks: list[tuple[int, int, int, int]] = field(default_factory=list)

    def look(self, name: str) -> None:
        now = monotonic_ns()
        found = os.fstat(self.file.fileno())
        size = self.looks[-1][2] if self.looks else 0
        if found.st_size != size:
            written = found.st_mtime_ns - time.time_ns() + now
            since = self.last_look
            if found.st_size < size:
                # It was truncated, and nothing of what was in it is left.
                self.looks.clear()
            until = max(since, min(now, written + _FILE_CLOCK_NS))
            self.looks.append((since, until, found.st_size, min(until, max(since, written))))
            _log.debug("%s has %d bytes", name, found.st_size)
            if len(self.looks) > _MOST_LOOKS:
                pairs = zip(self.looks[::2], self.looks[1::2], strict=False)
                self.looks = [(first[0], *second[1:]) for first, second in pairs]
        self.last_look = now

    def written(self, end: int) -> tuple[int, int]:
        """The earliest and the latest time at which the line that ends at offset ``end`` was written."""
        for since, until, size, last in self.looks:
            if end < size:
                return since, until
            if end == size:
                # The last write was that of this line.
                return last, until
        return self.last_look, monotonic_ns()


class PerfMaps:
    """The open maps by pid. A runtime writes to /tmp of its mount namespace, under the pid of its pid namespace.

    ``cut``: how many maps were too long to be read to their ends. At most ``most_open`` are held open at a time;
    ``unheld``: how many processes have a map that was not, for that reason. ``helpers`` open them.
    ``made``: older ones are of other processes; ns since the epoch, None: now.
    """

    def __init__(self, helpers: Helpers | None = None, most_open: int | None = None, made: int | None = None) -> None:
        self._helpers = helpers or Helpers()
        self._most_open = _maps_budget() if most_open is None else most_open
        self._unheld: set[int] = set()
        self._opening: dict[int, tuple[str, Path, Reply]] = {}
        self._maps: dict[int, list[_Map]] = {}
        self._names: dict[int, str] = {}
        self._tried: dict[int, float] = {}
        self._made = time.time_ns() if made is None else made
        self._left = LARGEST
        self.cut = 0

    def look(self, pids: Iterable[int]) -> None:
        """Notes the sizes of the maps of ``pids``, and opens those that are new."""
        now = time.monotonic()
        for pid in pids:
            for known in self._maps.get(pid, ())[-1:]:
                known.look(self._names[pid])
            if now - self._tried.get(pid, -_OPENING_SECONDS) >= _OPENING_SECONDS:
                self._tried[pid] = now
                self._open(pid)

    def look_last(self, pids: Iterable[int]) -> None:
        """The same for the last time: it tries to open the maps of all ``pids``, however recently it has tried."""
        self._tried = {pid: when for pid, when in self._tried.items() if when == math.inf}
        self.look(pids)

    def name(self, pid: int) -> str | None:
        """The name of the map of ``pid``, as ``perf-N.map``; None where none was found."""
        return self._names.get(pid)

    def entries(self, pid: int, addresses: Iterable[int]) -> dict[int, list[JitEntry]]:
        """The entries that cover ``addresses`` in the maps of ``pid``, by address and in order."""
        wanted = set(addresses)
        entries: dict[int, list[JitEntry]] = {}
        for known in self._maps.get(pid, ()):
            try:
                known.file.seek(0)
                found = entries_for(known.file, wanted, self._left)
                self._left -= min(self._left, known.file.tell())
            except OSError:
                continue
            self.cut += found.cut
            for address, lines in found.found.items():
                before = [UNKNOWN] if address in found.older else []
                entries.setdefault(address, before).extend(
                    JitEntry(*known.written(end), symbol) for end, symbol in lines
                )
        return entries

    def forget(self, pids: Iterable[int]) -> None:
        """Closes the maps of ``pids``, processes that are not asked for any more."""
        for pid in pids:
            for known in self._maps.pop(pid, ()):
                known.file.close()
            self._names.pop(pid, None)
            self._tried.pop(pid, None)
            self._unheld.discard(pid)

    def files(self) -> list[BinaryIO]:
        """The open files."""
        return [one.file for known in self._maps.values() for one in known]

    def use(self, helpers: Helpers) -> None:
        """Has files opened by ``helpers`` from now on; what others were asked for is given up."""
        self._helpers = helpers
        self._opening.clear()

    def renew_helpers(self) -> None:
        """See :meth:`.Helpers.renew`."""
        self._helpers.renew()

    def leave_helpers(self) -> None:
        """As :meth:`.Helpers.leave`."""
        self._helpers.leave()

    def close(self) -> None:
        """Closes all maps."""
        for known in self._maps.values():
            for one in known:
                one.file.close()
        self._maps.clear()
        self._helpers.close()

    def _open(self, pid: int) -> None:
        """Opens the map of ``pid`` if it exists and is not the one that is open."""
        if pid in self._opening:
            self._helpers.poll()
            name, root, reply = self._opening[pid]
        else:
            name, root, user = self._place(pid)
            reply = self._helpers.ask((pid,), open_local, str(root), _TEMPORARY, name, user)
        if not reply.is_there:
            self._opening[pid] = name, root, reply
            return
        self._opening.pop(pid, None)
        if reply.descriptor is None:
            return
        file = os.fdopen(reply.descriptor, "rb")
        found = os.fstat(file.fileno())
        known = self._maps.setdefault(pid, [])
        identity = (found.st_dev, found.st_ino)
        is_stale = root == HOST and found.st_mtime_ns < self._made - _FILE_CLOCK_NS
        now = monotonic_ns()
        if known and known[-1].identity == identity:
            known[-1].named = now
        if is_stale or len(known) >= _MOST_MAPS or any(one.identity == identity for one in known):
            file.close()
            return
        if sum(map(len, self._maps.values())) >= self._most_open:
            self._unheld.add(pid)
            file.close()
            return
        known.append(_Map(file, identity, known[-1].named if known else BEFORE, now))
        known[-1].look(name)
        self._names[pid] = name

    @property
    def unheld(self) -> int:
        """How many processes have a map that is not open, for too many are."""
        return len(self._unheld)

    def _place(self, pid: int) -> tuple[str, Path, Reader | None]:
        """The name of the map of ``pid``, the root that its folder is in, and the user that the process is."""
        found = status(pid)
        if found is not None:
            return f"perf-{found.namespace_pid}.map", PROC / str(living_thread(pid)) / "root", reader(pid)
        # It has ended. If it had no namespaces of its own, its map may still be there.
        self._tried[pid] = math.inf
        return f"perf-{pid}.map", HOST, None


def _maps_budget() -> int:
    """How many maps may be open: a part of the descriptors that this process may have."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_OPEN if limit == resource.RLIM_INFINITY else min(_MOST_OPEN, limit // 8)
