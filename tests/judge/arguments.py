"""Compares one argument of a call: what strace shows of it, and what the recording has.

Three things can compare an argument, and all that can do: ``structs.py``, by the kind of capture that ``syscalls.tsv``
names; :data:`COMPARED`, by call and argument; the ``ARGUMENT_text`` columns of the ``sys`` views. An argument that
nothing compares must be listed in ``gaps.py``. Otherwise it is an unexplained difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bpfrec.formats.kernel.syscalls import syscalls
from judge import elements
from judge.captures import Capture
from judge.recorded import WHOLE, Recorded
from judge.strace_values import Value
from judge.structs import KINDS

_PADDING = re.compile(r"nl_pad=0x[0-9a-f]+, ")

NOT_RECORDED = (
    (re.compile(r" => \{[^{}]*\}"), ""),  # ids that clone3 gives back
    (re.compile(r"(msg_namelen=)\d+ => "), r"\1"),
    (re.compile(r", si_utime=\d+, si_stime=\d+"), ""),
    (re.compile(r"(?:, | \()left \{[^{}]*\}(\))"), r"\1"),
)
"""Parts of strace's text that are not recorded, though the rest of the argument is."""

Comparison = Callable[[Value, Recorded, int], str | None]
"""Takes strace's value, our call and the index of the argument; says what is wrong, or None where they agree."""


def path(theirs: Value, ours: Recorded, index: int) -> str | None:
    """Compares a path. strace shows at most PATH_MAX bytes; both sides must have read it, or neither."""
    text, status = ours.paths[index]
    shown = theirs.string
    if shown is None:
        expected = "null" if theirs.text == "NULL" else "unreadable"
        return None if text is None and status == expected else f"path is {text!r} [{status}], not {expected}"
    told, cut = shown
    if status not in (None, "not-utf8") and not (cut and status == "truncated"):
        return f"path is {text!r} [{status}]"
    expected = told.decode("utf-8", "backslashreplace")
    agree = text is not None and text.startswith(expected) if cut else text == expected
    return None if agree else f"path is {text!r}, not {expected!r}"


def captured(kind: str) -> Comparison:
    """Compares captures of a kind of :data:`judge.structs.KINDS`."""

    def compare(theirs: Value, ours: Recorded, index: int) -> str | None:
        data = ours.data.get(index)
        if data is None and theirs.text in NOTHING:
            return None
        if theirs.is_number:
            return None if data is None or data.status == "unreadable" else f"{data}, which strace could not read"
        if data is None or data.status not in (None, "not-utf8"):
            return f"{data or 'nothing recorded'}, not {theirs.text[:200]}"
        return None if KINDS[kind](theirs, data) else f"{data}, not {theirs.text[:200]}"

    return compare


def ready(theirs: Value, ours: Recorded, index: int) -> str | None:
    """Compares what poll(2) found ready, which strace shows behind the result."""
    del index
    if not theirs.is_pointed:
        return None if ours.ret == 0 else f"{theirs.text} and a result of {ours.ret}"
    data = ours.data.get(0, Capture())
    return None if elements.ready(theirs, data) else f"{data}, not {theirs.text[:200]}"


def selected(theirs: Value, ours: Recorded, index: int) -> str | None:
    """Compares what select(2) found ready, which strace shows behind the result, less empty sets."""
    del index
    told = elements.sets_told(theirs.text)
    for argument, name in enumerate(("in", "out", "except"), start=1):
        found = elements.set_of(ours.data.get(argument, Capture()), "exit")
        if found != told.get(name, []):
            return f"{name} {found}, not {theirs.text}"
    return None


COMPARED: dict[tuple[str, str], Comparison] = {
    ("poll", "="): ready,
    ("ppoll", "="): ready,
    ("select", "="): selected,
    ("pselect6", "="): selected,
}
"""Comparisons by call and argument that need more than the kind of capture; ``=`` is behind the result."""

NOTHING = ('""', "[]")
"""Strace's text of buffers and arrays that nothing was written to; they have no capture."""


def as_recorded(text: str) -> str:
    """Removes from a text of strace or ours what is not recorded."""
    for pattern, left in NOT_RECORDED:
        text = pattern.sub(left, text)
    return text


def text(theirs: Value, ours: Recorded, index: int) -> str | None:
    """Compares a ``_text`` column: it has strace's words, or the same number."""
    said = ours.texts[index]
    if (beginning := _beginning(said, theirs, ours, index)) is not None:
        return None if beginning else f"text is {said!r}, which strace's does not begin with"
    told = as_recorded(_PADDING.sub("", theirs.text))
    same = said in (theirs.text, told) or (theirs.is_number and _number(said) == _number(theirs.text))
    return None if same else f"text is {said!r}, not {theirs.text[:200]!r}"


def _beginning(said: str | None, theirs: Value, ours: Recorded, index: int) -> bool | None:
    """Whether a text of contents, which are the beginning alone, is strace's beginning; None for any other text."""
    shown = Value(said or "").string
    if shown is None or theirs.string is None or not ours.data.get(index, Capture()).cut:
        return None
    return shown[1] and theirs.string[0].startswith(shown[0])


def _number(text: str | None) -> int | None:
    number = Value(text or "").number
    return None if number is None else number % 2**64


def _is_told_otherwise(kind: str, theirs: Value) -> bool:
    """Tells whether strace shows another form: the name of a number, or a message of netlink member by member."""
    if kind == "data":
        return theirs.is_pointed and theirs.string is None
    return kind in ("flock", "string") and not theirs.is_pointed and not theirs.is_number


def _kind(name: str, index: int) -> str:
    call = syscalls().get(name)
    return next((capture.kind for capture in call.captures if capture.index == index), "") if call else ""


def comparisons(name: str, argument: str, index: int, theirs: Value, ours: Recorded) -> dict[str, Comparison]:
    """Returns the comparisons that know an argument, by what they compare.

    A text that is a number says nothing of a name or of what is at an address.
    """
    known: dict[str, Comparison] = {}
    if index in ours.paths:
        known["paths"] = path
    kind = _kind(name, index)
    if kind in KINDS and not _is_told_otherwise(kind, theirs):
        known["pointed-to data"] = captured(kind)
    if (name, argument) in COMPARED:
        known["pointed-to data"] = COMPARED[name, argument]
    said = ours.texts.get(index)
    is_whole = theirs.string is not None or not ours.data.get(index, Capture()).cut
    if is_whole and said is not None and (theirs.is_number or not Value(said).is_number):
        known["whole calls" if index == WHOLE else "texts"] = text
    return known
