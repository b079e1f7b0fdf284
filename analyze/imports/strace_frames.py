"""Call stacks of a strace log (``-k``) as rows of ``stacks`` and ``frames``."""

from __future__ import annotations

import re
from typing import Any

_FRAME = re.compile(
    r"(?P<module>.*?)\((?:(?P<symbol>.*?)(?:\+(?P<offset>0x[0-9a-f]{1,16}))?)?\)"
    r"(?: (?P<file>\S+):(?P<line>\d{1,9}))? \[(?P<address>0x[0-9a-f]{1,16})\]"
    r"(?: (?P<file_behind>\S+):(?P<line_behind>\d{1,9}))?$"
)
# Characters. Names of C++ are long; a line of brackets takes time with the square of its length.
_LONGEST = 1 << 13


class LoggedStacks:
    """Numbers the distinct stacks of a log; rows come in the order of the numbers."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self.stacks: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []

    def number(self, lines: list[str], process: int, ts_ns: int) -> int:
        """Returns the number of the stack of ``lines``, innermost frame first, in process number ``process``."""
        key = (str(process), *lines)
        if key not in self._numbers:
            number = self._numbers[key] = len(self._numbers)
            self.stacks.append(
                {"stack_id": number, "process": process, "ts_ns": ts_ns, "depth": len(lines), "status": None}
            )
            self.frames += [_frame(number, depth, line) for depth, line in enumerate(lines)]
        return self._numbers[key]


def _frame(stack: int, depth: int, line: str) -> dict[str, Any]:
    row: dict[str, Any] = {"stack_id": stack, "depth": depth, "source": "ip" if depth == 0 else "cfi"}
    if len(line) <= _LONGEST and (match := _FRAME.match(line)):
        source, number = match["file"] or match["file_behind"], match["line"] or match["line_behind"]
        row |= {
            "symbol": match["symbol"] or None,
            "symbol_offset": int(match["offset"], 16) if match["offset"] else None,
            "module": match["module"] or None,
            "module_address": int(match["address"], 16),
            "file": source,
            "line": int(number) if number else None,
        }
    return row
