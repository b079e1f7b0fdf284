"""One line of a strace log: what it is about, and its parts as text.

The forms are those of strace 4.8 to 7.0, with any of ``-f -ff -o -t -tt -ttt -r -T -i -n -k -y -Y``: see strace(1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a line tells of."""

    CALL = auto()
    UNFINISHED = auto()
    RESUMED = auto()
    SIGNAL = auto()
    EXITED = auto()
    KILLED = auto()
    SUPERSEDED = auto()
    ATTACHED = auto()
    MODE = auto()
    FRAME = auto()
    IGNORED = auto()


@dataclass(slots=True)
class Line:
    """The parts of a line; a part that it does not have is None or ''.

    ``pid``: the thread that the line names. ``comm``: its name (``-Y``). ``time``: as written.
    ``since``: seconds since the line before (``-r``). ``name``: the call; of other kinds what they are about: the
    signal, the exit status, the pid, the mode, the frame. ``arguments``: text between the parentheses. ``result``: text
    behind ``=``. ``spent``: seconds in the call (``-T``).
    """

    kind: Kind
    pid: int | None = None
    comm: str | None = None
    time: str = ""
    since: str = ""
    name: str = ""
    arguments: str = ""
    result: str = ""
    spent: str = ""


# A pid has at most 7 digits (PID_MAX_LIMIT), so a longer number that begins a line is a time. Runs are bounded or
# possessive (++): a line of anybody's may not take more time than its length.
_PREFIX = (
    r"(?:\[pid ++(?P<pid>\d{1,9})(?:<(?P<comm>[^>]*+)>)?\] {1,64}|"
    r"(?P<bare>\d{1,7})(?:<(?P<name_of_bare>[^>]*+)>)? {1,64})?"
    r"(?:(?P<time>\d\d:\d\d:\d\d(?:\.\d{1,9})?|\d{9,10}(?:\.\d{1,9})?) {1,64})?"
    r"(?:\(\+ {0,64}(?P<beside>\d{1,9}\.\d{1,9})\) {1,64}| {0,64}(?P<since>\d{1,9}\.\d{1,9}) {1,64})?"
    r"(?:\[ {0,64}[0-9a-fx?]{1,64}\] {1,64}){0,2}"
)
_NAME = r"(?P<call>[a-z_][a-z0-9_]*)"
_CALL = re.compile(_PREFIX + _NAME + r"\((?P<arguments>.*)\) += (?P<result>-?[0-9?].*)", re.S)
_PART = re.compile(_PREFIX + r"(?P<rest>.*)", re.S)
_UNFINISHED = re.compile(_NAME + r"\((?P<arguments>.*)<(?:unfinished|detached|pid changed to \d{1,9}) \.\.\.>$", re.S)
_RESUMED = re.compile(r"<\.\.\. " + _NAME + r" resumed>(?P<arguments>.*)\) += (?P<result>-?[0-9?].*)", re.S)
_EXITED = re.compile(r"\+\+\+ exited with (\d{1,9}) \+\+\+")
_KILLED = re.compile(r"\+\+\+ killed by (\w+)(?: \(core dumped\))? \+\+\+")
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d{1,9}) \+\+\+")
_SIGNAL = re.compile(r"--- (?:stopped by )?(\w+)\b.*---")
_ATTACHED = re.compile(r"(?:strace: )?Process (\d{1,9}) (attached|detached|suspended|resumed).*")
_MODE = re.compile(r"(?:strace: )?\[ Process PID=(\d{1,9}) runs in (.+?) mode\. \]")
_FRAME = re.compile(r" > (.+)")
_GLUED = re.compile(r"(?:strace: )?Process \d{1,9} (?:attached|detached|suspended)[^\n]*$")
_RESULT = re.compile(r"(?P<value>.*?)(?: <(?P<spent>\d{1,9}\.\d{1,9})>)?$", re.S)
_BEGINNING = re.compile(_PREFIX + _NAME + r"\(")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_SUMMARY = re.compile(
    r"% time +seconds|[- ]{20,}$| {0,64}\d{1,9}\.\d{1,9} {1,64}\d{1,9}\.\d{1,9} {1,64}\d{1,18} |"
    r"strace: Can't|strace: \S+: |strace: exec: "
)


def parse_line(text: str) -> Line | None:
    """Parses one line without its newline; None: it is none of strace's, or none that is understood."""
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    if match := _CALL.match(text):
        return _made(Kind.CALL, match, match["call"], match["arguments"], match["result"])
    if text.startswith(" > "):
        return Line(Kind.FRAME, name=text[3:])
    part = _PART.match(text)
    return _parse_part(part, part["rest"]) if part and part["rest"] else _ignored(not text.strip())


def _ignored(says_nothing: bool) -> Line | None:
    return Line(Kind.IGNORED) if says_nothing else None


def _parse_part(part: re.Match[str], rest: str) -> Line | None:
    """Parses a line that is no whole call; ``rest`` is what stands behind the pid and the time."""
    if match := _RESUMED.match(rest):
        arguments = match["arguments"].removesuffix(" ").removesuffix("<unfinished ...>")
        return _made(Kind.RESUMED, part, match["call"], arguments, match["result"])
    if match := _UNFINISHED.match(rest):
        return _made(Kind.UNFINISHED, part, match["call"], match["arguments"].rstrip(" ").removesuffix(","))
    for kind, pattern in _EVENTS:
        if match := pattern.fullmatch(rest):
            return _made(kind, part, match[1], match[2] if pattern.groups > 1 else "")
    if (match := _GLUED.search(rest)) and "(" in rest:
        # What strace says of another process may stand in the middle of a line, whose end is a line of its own.
        name, _, arguments = rest[: match.start()].partition("(")
        return _made(Kind.UNFINISHED, part, name, arguments)
    nothing = rest.strip() == "<unfinished ...>" or rest in ("(No stack)", ">")
    return _ignored(nothing or _SUMMARY.match(part.string) is not None)


def time_of(text: str) -> str:
    """Returns the time that stands at the beginning of a line, as written, or ''."""
    match = _PART.match(text)
    return (match["time"] or "") if match else ""


def is_like_a_call(text: str) -> bool:
    """Tells whether a line that is not understood begins as a call does."""
    return _BEGINNING.match(text) is not None


_EVENTS = (
    (Kind.SIGNAL, _SIGNAL),
    (Kind.EXITED, _EXITED),
    (Kind.KILLED, _KILLED),
    (Kind.SUPERSEDED, _SUPERSEDED),
    (Kind.ATTACHED, _ATTACHED),
    (Kind.MODE, _MODE),
)


def attached_in(text: str) -> int | None:
    """Returns the process that a line says strace attached to, also where it says so in the middle of a call."""
    match = _GLUED.search(text)
    return int(re.findall(r"\d+", match[0])[0]) if match and "attached" in match[0] else None


def _made(kind: Kind, prefix: re.Match[str], name: str, arguments: str, result: str = "") -> Line:
    pid = prefix["pid"] or prefix["bare"]
    spent = ""
    if result:
        # A string in the arguments may hold what looks like the end of the call: the result is behind the last.
        ending = _RESULT.match(result)
        if ending:
            result, spent = ending["value"], ending["spent"] or ""
    return Line(
        kind,
        int(pid) if pid else None,
        prefix["comm"] or prefix["name_of_bare"],
        prefix["time"] or "",
        prefix["since"] or prefix["beside"] or "",
        name,
        arguments,
        result.rstrip(),
        spent,
    )
