"""What strace -f wrote into its log, as calls per thread.

A call that other threads' lines interrupt stands on two lines, which are joined. A thread that executes a program takes
the id of its process: strace tells its result under that id, but here it stays the call of the thread that made it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from judge.strace_values import NotationError, Value, split, without_comments

_LINE = re.compile(r"(\d+) +(.*)", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (\w+|\?\?\?) resumed>")
_CALL = re.compile(r"(\w+|\?\?\?)\(")
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d+) \+\+\+")
_ENDED = re.compile(r"\+\+\+ (exited with|killed by) .* \+\+\+")
_RESULT = re.compile(
    r"\s*= (\?|-?\d+|0x[0-9a-f]+)(?: (E[A-Z0-9_]+)(?= |$))?(?: \((.*)\))?(?: <unavailable>)?", re.DOTALL
)
_UNFINISHED = " <unfinished ...>"

OpenCall = tuple[int, int, str]
"""Of a call on two lines: whose list it is in, its place there, and its first half."""


@dataclass
class StraceCall:
    """One call: ``ret`` is None where it never returned, and -1 where ``errno`` says why it failed.

    ``detail`` is what stands in brackets behind the result; a call that is not ``whole`` has its first arguments alone.
    """

    tid: int
    name: str
    args: list[Value]
    ret: int | None = None
    errno: str | None = None
    detail: str | None = None
    whole: bool = True
    text: str = ""
    is_last: bool = False
    """Whether its thread ended in or after it, or lost its id to one that executed a program."""


@dataclass
class StraceLog:
    """All calls by thread, in the order of their beginnings."""

    root: int = 0
    threads: dict[int, list[StraceCall]] = field(default_factory=dict)
    signals: int = 0
    ends: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.threads.values()))

    def calls(self) -> Iterator[StraceCall]:
        """Every call, thread by thread."""
        for calls in self.threads.values():
            yield from calls


def read_log(path: Path) -> StraceLog:
    """The log that ``strace -f -o path`` wrote."""
    with path.open(encoding="latin-1", newline="\n") as lines:
        return parse_log(line.rstrip("\n") for line in lines)


def parse_log(lines: Iterable[str]) -> StraceLog:
    """The calls in the lines of a log.

    Raises:
        NotationError: a line is none that strace writes.
    """
    log = StraceLog()
    open_calls: dict[int, OpenCall] = {}
    for line in lines:
        parts = _LINE.fullmatch(line)
        if not parts:
            raise NotationError(f"no thread id: {line[:200]}")
        tid, text = int(parts[1]), parts[2]
        log.root = log.root or tid
        calls = log.threads.setdefault(tid, [])
        if text.startswith("+++ "):
            if superseded := _SUPERSEDED.fullmatch(text):
                _supersede(log, open_calls, int(superseded[1]), tid)
            elif _ENDED.fullmatch(text):
                log.ends += 1
                _end(log, tid)
        elif text.startswith("--- "):
            log.signals += 1
        elif resumed := _RESUMED.match(text):
            _resume(log, open_calls, tid, resumed[1], text[resumed.end() :])
        elif text.endswith(_UNFINISHED):
            begun = text.removesuffix(_UNFINISHED)
            open_calls[tid] = (tid, len(calls), begun)
            calls.append(_unfinished(tid, begun))
        else:
            calls.append(parse_call(tid, text))
    return log


def parse_call(tid: int, text: str) -> StraceCall:
    """A call that stands whole on one line.

    Raises:
        NotationError: it does not.
    """
    named = _CALL.match(text)
    if not named:
        raise NotationError(f"no call: {text[:200]}")
    args, end = split(text, named.end())
    result = _RESULT.fullmatch(text, end + 1)
    if end == len(text) or not result:
        raise NotationError(f"no result: {text[:200]} ... {text[-100:]}")
    value, errno, detail = result.groups()
    values = [Value(without_comments(arg)) for arg in args if arg != _UNFINISHED.strip()]
    ret = Value(value).number if errno is None else -1
    return StraceCall(tid, named[1], values, ret, errno, detail, text=text)


def _unfinished(tid: int, begun: str) -> StraceCall:
    named = _CALL.match(begun)
    if not named:
        raise NotationError(f"no call: {begun[:200]}")
    args = [Value(without_comments(arg)) for arg in split(begun, named.end())[0] if arg]
    return StraceCall(tid, named[1], args, whole=False, text=begun + _UNFINISHED)


def _resume(log: StraceLog, open_calls: dict[int, OpenCall], tid: int, name: str, rest: str) -> None:
    if tid not in open_calls:
        raise NotationError(f"{name} of {tid} goes on and never began")
    thread, place, begun = open_calls.pop(tid)
    text = begun + rest
    if not begun.startswith(f"{name}("):
        raise NotationError(f"{name} goes on where another call began: {begun[:200]}")
    log.threads[thread][place] = parse_call(tid, text)


def _supersede(log: StraceLog, open_calls: dict[int, OpenCall], old: int, new: int) -> None:
    """The execve of thread ``old`` goes on under the id ``new``, whose own call has ended; it stays ``old``'s call."""
    open_calls.pop(new, None)
    _end(log, new)
    if old in open_calls:
        open_calls[new] = open_calls.pop(old)


def _end(log: StraceLog, tid: int) -> None:
    calls = log.threads[tid]
    if calls:
        calls[-1].is_last = True
