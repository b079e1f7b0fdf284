"""Compares resolved paths with the names that ``strace -yy`` prints, in one run that both watch.

The calls of each thread are compared one by one. Three differences are allowed: a path may lead through links, a pipe
has the name of the call that made it, and an address of a socket may be unknown.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bpfrec.analyze.facade import Trace
from bpfrec.analyze.names.paths import joined

_LINE = re.compile(r"(\d+) +(\w+)\((.*)")
_UNFINISHED, _RESUMED = " <unfinished ...>", re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_OWN_LINKS = ("/proc/self/", "/proc/thread-self/", "/dev/fd/", "/dev/stdin", "/dev/stdout", "/dev/stderr")
"""Links that lead each process elsewhere."""

_OPENS = frozenset(("open", "openat", "openat2", "creat"))
_QUERY = """
SELECT tid, syscall, coalesce(ret, 0) AS ret, path, resolved_path, resolved_reason
FROM syscalls
WHERE pid != getvariable('tracer')
ORDER BY tid, ts_ns
"""


@dataclass
class Compared:
    """How many names were alike, how many were NULL by which reason, and those that differ."""

    alike: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    different: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """A call as strace wrote it: what stands in brackets, and behind them."""

    tid: int
    call: str
    text: str


def record(argv: list[str], folder: Path) -> tuple[Path, Path]:
    """Runs ``argv`` under strace and the recorder at once; the trace and strace's log."""
    trace, log = folder / "names.bpfrec", folder / "strace.log"
    strace = [shutil.which("strace") or "strace", "-f", "-yy", "-s", "4096", "-o", str(log), *argv]
    recorded = [sys.executable, "-m", "bpfrec", "record", "--stacks", "off", "-o", str(trace), "--force", "--", *strace]
    subprocess.run(recorded, cwd=folder, check=False, capture_output=True, timeout=240)
    return trace, log


def compare(trace: Path, log: Path) -> Compared:
    """Every name in ``log`` beside that in ``trace``."""
    result = Compared()
    pipes: dict[str, str] = {}
    with Trace(trace) as opened:
        tracer = opened.query("SELECT min_by(pid, ts_ns) FROM syscalls").rows[0][0]
        opened.execute(f"SET VARIABLE tracer = {tracer}")
        ours: dict[int, list[tuple[object, ...]]] = {}
        for tid, *row in opened.query(_QUERY).rows:
            ours.setdefault(tid, []).append(tuple(row))
    theirs: dict[int, list[Line]] = {}
    for line in read_log(log):
        theirs.setdefault(line.tid, []).append(line)
    for tid, lines in theirs.items():
        rows = iter(ours.get(tid, []))
        for line in lines:
            # What strace's own child does before it executes the program is not in the log.
            row = next((r for r in rows if r[0] == line.call), None)
            if row is None:
                result.different.append(f"{tid} {line.call}: not recorded")
                break
            _compare_call(line, row, result, pipes)
    return result


def read_log(log: Path) -> Iterator[Line]:
    """The calls of a log, each whole."""
    begun: dict[int, Line] = {}
    for text in log.read_text("utf-8", "backslashreplace").splitlines():
        if resumed := _RESUMED.match(text):
            start = begun.pop(int(resumed[1]), None)
            if start is not None:
                yield Line(start.tid, start.call, start.text + resumed[3])
        elif found := _LINE.match(text):
            line = Line(int(found[1]), found[2], found[3].removesuffix(_UNFINISHED))
            if text.endswith(_UNFINISHED):
                begun[line.tid] = line
            else:
                yield line
    yield from begun.values()


def name_at(text: str, start: int) -> str | None:
    """The name in the angle brackets that begin at ``start``."""
    depth = 0
    for place in range(start, len(text)):
        if text[place] == "<":
            depth += 1
        elif text[place] == ">" and text[place - 1] != "-":
            depth -= 1
            if depth == 0:
                return text[start + 1 : place]
    return None


def _compare_call(line: Line, row: tuple[object, ...], result: Compared, pipes: dict[str, str]) -> None:
    _, ret, path, resolved, reason = row
    expected = _expected(line, path if isinstance(path, str) else None, int(str(ret)))
    if expected is None:
        return
    if resolved is None:
        result.unknown[str(reason)] = result.unknown.get(str(reason), 0) + 1
        if reason is None:
            result.different.append(f"{line.tid} {line.call}: {expected!r} is NULL without a reason: {line.text}")
    elif _alike(str(resolved), expected, pipes):
        result.alike += 1
    else:
        result.different.append(f"{line.tid} {line.call}: {resolved!r} is {expected!r} to strace: {line.text}")


def _expected(line: Line, path: str | None, ret: int) -> str | None:
    """What strace says that the call is about."""
    # A file without a name has one of its own in /proc.
    if (
        line.call in _OPENS
        and ret >= 0
        and "O_TMPFILE" not in line.text
        and (found := re.search(r"\) += \d+(<.*>)", line.text))
    ):
        return name_at(found[1], 0)
    first = re.match(r"(?:\d+|AT_FDCWD)<", line.text)
    if first is None:
        return None
    base = name_at(line.text, first.end() - 1)
    if base is None or path is None or not path:
        return base
    return joined("/" if path.startswith("/") else base, True, path)


def _alike(ours: str, theirs: str, pipes: dict[str, str]) -> bool:
    theirs = re.sub(r"<(char|block) [0-9a-fx:]+>$", "", theirs)
    if ours == theirs or ours.startswith(_OWN_LINKS) or theirs.startswith(("signalfd:", "pid:")):
        return True
    if theirs.startswith("pipe:[") and ours.startswith("pipe:#"):
        return pipes.setdefault(theirs, ours) == ours and pipes.setdefault(ours, theirs) == theirs
    if ours.startswith("memfd:"):
        return theirs == f"/{ours}"
    if ours.startswith("/") and theirs.startswith("/"):
        return os.path.realpath(ours) == os.path.realpath(theirs)
    return _same_socket(ours, theirs)


def _same_socket(ours: str, theirs: str) -> bool:
    if socket := re.fullmatch(r"(TCP|UDP|RAW)(?:v6)?:\[(.*)\]", theirs):
        kind, _, address = ours.partition(" ")
        return kind == socket[1] and (not address or _same_address(address, socket[2]) or socket[2].isdigit())
    if theirs.startswith("UNIX"):
        shown = re.search(r'"(.*)"', theirs)
        return ours.startswith("unix:") and (not shown or ours.endswith(shown[1]) or ours == "unix:")
    return ours.startswith("NETLINK") and theirs.startswith("NETLINK")


def _same_address(ours: str, theirs: str) -> bool:
    pattern = re.escape(ours).replace(r"\?", r"\S+?")
    return re.fullmatch(pattern, theirs) is not None
