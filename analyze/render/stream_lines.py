"""Contents of reads and writes as lines: as text, or as hexdump -C shows bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bpfrec.analyze.render.bcc import shown
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.layout import Painter, fold
from bpfrec.analyze.render.text_columns import Record
from bpfrec.formats.kernel.roles import calls_that

_LINE, _MORE = "  | ", "  : "
"""What stands before a line of the contents, and before the rest of one that is too wide."""
_IN_A_ROW = 16
_NARROWEST = 20
_UNFINISHED = re.compile(r"(\\(x[0-9a-f]?|u[0-9a-f]{0,3})?)?$")
"""The beginning of an escape where a text ends, or nothing."""
_WHY = {
    "truncated": "the recording copied no more of it",
    "not-copied": "the recording did not copy them",
    "unreadable": "the memory could not be read",
    "lost": "they were lost on the way to the recorder",
}


def stream_lines(
    rows: Iterable[Record], by: str | None, as_hex: bool, width: int | None, paint: Painter | None = None
) -> Iterator[str]:
    """For each transfer (a row of the report stream) a line that says what it is, and the bytes below it.

    ``by``: what streams are put together by; each gets a heading. ``paint`` colours headings.
    """
    stream = None
    for row in rows:
        if by is not None and row["stream"] != stream:
            if stream is not None:
                yield ""
            stream = row["stream"]
            yield from (paint("", line) if paint else line for line in _folded(_heading(row, by), width, ""))
        yield from _folded(_transfer(row, by), width, "    ")
        yield from _hex(row) if as_hex else _text(row, width)
        yield from (f"  {line}" for line in _folded(_missing(row), width and width - 2, "  ") if line)


def _heading(row: Record, by: str) -> str:
    if by == "descriptor":
        return f"== fd {row['fd']} of {shown(row['comm'])} {row['pid']}: {_name(row)}"
    return f"== {printable((row['peer'] if by == 'peer' else None) or _name(row))}"


def _transfer(row: Record, by: str | None) -> str:
    sign = ">" if row["direction"] == "sent" else "<"
    who = "" if by == "descriptor" else f"  {shown(row['comm'])} {row['tid']} fd {row['fd']}"
    where = "" if by in ("descriptor", "file") else f" {_name(row)}"
    return f"{shown(row['moved_ts'])[11:26]} {sign} {_size(row)}{who}{where}"


def _size(row: Record) -> str:
    if row["messages"] is not None:
        return f"{row['messages']} messages ({row['syscall']})"
    if row["bytes"] == 0:
        return "end"
    size = "1 byte" if row["bytes"] == 1 else f"{row['bytes']:,} bytes"
    return f"{size}, peeked" if row["peeked"] else size


def _name(row: Record) -> str:
    return "?" if row["name"] is None else printable(row["name"])


def _missing(row: Record) -> str:
    """What is not in the trace of a transfer; '' if all is."""
    if row["data_status"] is None:
        return ""
    why = _WHY.get(row["data_status"], printable(row["data_status"]))
    if row["syscall"] in calls_that("copies", "copies_back"):
        why = f"{row['syscall']} moves them inside the kernel"
    if row["bytes"] is None:
        return "[the contents are not in the trace: neither they nor their lengths are copied for this call]"
    lacking = row["bytes"] - len(row["data"] or b"")
    return f"[{lacking:,} {'more ' if row['data'] else ''}bytes are not in the trace: {why}]"


def _text(row: Record, width: int | None) -> Iterator[str]:
    if not row["data"]:
        return
    lines = row["data"].decode("utf-8", "backslashreplace").split("\n")
    if not lines[-1]:
        lines.pop()
    for line in lines:
        room = None if width is None else max(width - len(_LINE), _NARROWEST)
        text = printable(line)
        # Blanks are part of what was sent, so lines are not broken at them.
        parts = [text] if room is None else list(_cut(text, room))
        yield from (f"{_MORE if number else _LINE}{part}".rstrip(" ") for number, part in enumerate(parts))


def _cut(text: str, room: int) -> Iterator[str]:
    """``text`` in parts of at most ``room`` characters, none of which ends within an escape; at least one."""
    at = 0
    while at < len(text) or not at:
        part = text[at : at + room]
        if at + room < len(text):
            part = part[: _UNFINISHED.search(part).start()]  # type: ignore[union-attr] # it matches at the end
        yield part
        at += len(part) or 1


def _hex(row: Record) -> Iterator[str]:
    data = row["data"] or b""
    for at in range(0, len(data), _IN_A_ROW):
        some = data[at : at + _IN_A_ROW]
        left, right = (" ".join(f"{byte:02x}" for byte in half) for half in (some[:8], some[8:]))
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in some)
        yield f"{row['position'] + at:08x}  {left:<23}  {right:<23}  |{letters}|"


def _folded(text: str, width: int | None, indent: str) -> Iterator[str]:
    if width is None:
        yield text
        return
    first, *rest = fold(text, max(width - len(indent), _NARROWEST))
    yield first.rstrip()
    yield from (f"{indent}{part}".rstrip() for part in rest)
