"""Call stacks as blocks of lines, as bcc's stackcount prints them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.layout import fold

_INDENT = "  "
_NARROWEST = 20


def stack_blocks(rows: Iterable[Mapping[str, Any]], by: str, width: int | None) -> Iterator[str]:
    """A block for every row: a line for each function, then the count, its share, the call; a blank line.

    A function that calls itself stands once, with the number of its frames. Lines wider than ``width`` (character
    cells) are folded.
    """
    for row in rows:
        for line in frame_lines(row["frames"], row["status"]):
            yield from _folded(printable(line), width)
        yield _INDENT * 2 + "  ".join((_value(row, by), f"{row['share'] or 0:.1f}%", printable(_call(row, by))))
        yield ""


def frame_lines(frames: Sequence[str], status: str | None) -> Iterator[str]:
    """The functions, equal ones in a row as one, and why there are no more."""
    for frame, same in groupby(frames):
        times = sum(1 for _ in same)
        yield f"{frame}  x {times}" if times > 1 else frame
    if status is not None:
        yield f"... {status}"


def _folded(line: str, width: int | None) -> Iterator[str]:
    if width is None:
        yield _INDENT + line
        return
    first, *rest = fold(line, max(width - 3 * len(_INDENT), _NARROWEST))
    yield (_INDENT + first).rstrip()
    yield from ((_INDENT * 3 + part).rstrip() for part in rest)


def _value(row: Mapping[str, Any], by: str) -> str:
    if by == "time":
        return f"{row['total_ns'] / 1e6:.3f} ms"
    return str(row[by])


def _call(row: Mapping[str, Any], by: str) -> str:
    call = str(row["syscall"])
    if by == "calls":
        return f"{call}, {row['failures']} failed" if row["failures"] else call
    return f"{call}, {row['calls']} calls"
