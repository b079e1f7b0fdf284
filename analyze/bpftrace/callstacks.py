"""The call stacks of a trace, as a script sees them: numbers that lead to lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bpfrec.analyze.facade import Trace

MOST_FRAMES = 127
"""Frames that bpftrace keeps."""

NONE = -1
"""The number of no stack."""


class Frame(NamedTuple):
    """One frame: address, function and offset in it, the file it is from, that file's build id, address in the file."""

    ip: int
    symbol: str | None
    offset: int | None
    module: str | None
    build_id: str | None
    address: int | None


class Stacks:
    """The stacks of ``trace``, read when the first one is asked for; None: there are none."""

    def __init__(self, trace: Trace | None) -> None:
        self._trace = trace
        self._frames: dict[int, tuple[Frame, ...]] | None = None
        self._pids: dict[int, int | None] = {}
        self._shorter: dict[tuple[int | None, tuple[int, ...]], int] = {}
        self._limited: dict[tuple[int, int], int] = {}
        self._own: dict[int, tuple[Frame, ...]] = {}

    def load(self) -> None:
        """Reads the stacks."""
        self._all()

    def frames(self, number: int) -> tuple[Frame, ...]:
        """The frames of a stack, innermost first."""
        if number in self._own:
            return self._own[number]
        return self._all().get(number, ())[:MOST_FRAMES]

    def _all(self) -> dict[int, tuple[Frame, ...]]:
        if self._frames is None:
            self._frames = {}
            if self._trace is not None:
                stacks: dict[int, list[Frame]] = {}
                rows = self._trace.sql(
                    "SELECT stack_id, ip, symbol, symbol_offset, module, build_id, module_address FROM frames "
                    "ORDER BY stack_id, depth"
                ).fetchall()
                for number, *frame in rows:
                    stacks.setdefault(number, []).append(Frame(*frame))
                self._frames = {number: tuple(found) for number, found in stacks.items()}
                self._pids = dict(self._trace.sql("SELECT stack_id, pid FROM stacks").fetchall())
        return self._frames

    def limited(self, number: int, limit: int) -> int:
        """The number of the innermost ``limit`` frames of a stack: one for all stacks of a process that share them."""
        if number == NONE:
            return NONE
        known = self._limited.get((number, limit))
        if known is None:
            frames = self.frames(number)[:limit]
            place = (self._pids.get(number), tuple(frame.ip for frame in frames))
            known = self._shorter.setdefault(place, -2 - len(self._shorter))
            self._own[known] = frames
            self._limited[number, limit] = known
        return known

    def lines(self, number: int, mode: str, indent: str) -> list[str]:
        """The frames as text."""
        return [indent + self._line(frame, mode) for frame in self.frames(number)]

    @staticmethod
    def _line(frame: Frame, mode: str) -> str:
        name = frame.symbol if frame.symbol is not None else None
        shown = f"{name}+{frame.offset or 0}" if name is not None else f"0x{frame.ip:x}"
        if mode == "raw":
            return f"{frame.ip:x}"
        if mode == "perf":
            symbol = f"{name}+{frame.offset or 0}" if name is not None else "[unknown]"
            return f"{frame.ip:x} {symbol} ({frame.module or '[unknown]'})"
        if mode == "build_id":
            return f"{frame.build_id} 0x{frame.address or 0:x}" if frame.build_id else f"0x{frame.ip:x}"
        return shown

    def symbol(self, address: int) -> str:
        """The function of a recorded frame at ``address``; the address itself where no frame was there."""
        if not hasattr(self, "_symbols"):
            self._symbols: dict[int, str] = {}
            for frames in self._all().values():
                for frame in frames:
                    if frame.symbol is not None:
                        self._symbols.setdefault(frame.ip, frame.symbol)
        return self._symbols.get(address, f"0x{address:x}")
