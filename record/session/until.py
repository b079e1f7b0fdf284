"""Watches for the call at which a recording is to stop: ``--until``."""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.selection import NATIVE_ABI
from bpfrec.formats.kernel.errnos import MAX_ERRNO
from bpfrec.formats.kernel.syscalls import by_number
from bpfrec.record.decode.interrupted import InterruptedCalls, returns_from_handler
from bpfrec.record.options.until import Comparison, Condition

_Mask = NDArray[np.bool_]

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}
# By what the flags COMPAT and X32 say.
_ABIS = (NATIVE_ABI, "i386", NATIVE_ABI, "i386")
_EXITS = frozenset(("exit", "exit_group"))


class UntilWatch:
    """Looks at the calls that the rings held for the first that meets one of ``conditions``; many calls at a time.

    ``after``: seconds for which the recording goes on then.
    """

    def __init__(self, conditions: Sequence[Condition], after: float) -> None:
        self._conditions = [_Compiled(condition) for condition in conditions]
        self._after = after
        self._stop_at: float | None = None
        self._met = ""
        if any(condition.paths for condition in conditions):
            # Slow to import, and nothing is recorded yet.
            from bpfrec.record.decode import calls  # noqa: F401, PLC0415

    def take(self, _cpu: int, data: bytes) -> None:
        """Looks at the calls in ``data``, whole perf records of a ring."""
        if self._stop_at is not None:
            return
        records = wire.decode(np.frombuffer(data, np.uint8))
        for condition in self._conditions:
            found = condition.first(records)
            if found is not None:
                self._met = _sentence(condition.text, records.calls, found)
                self._stop_at = time.monotonic() + self._after
                return

    @property
    def met(self) -> str:
        """Which condition was met by which call, as a sentence; empty: none was."""
        return self._met

    def reason(self) -> str | None:
        """Why to stop now; None: go on."""
        return self._met if self._stop_at is not None and time.monotonic() >= self._stop_at else None


class _Compiled:
    """A condition with the numbers of its calls, and regular expressions for its paths."""

    def __init__(self, condition: Condition) -> None:
        self._condition, self.text = condition, condition.text
        self._numbers = [_numbers(abi, condition.calls) for abi in (NATIVE_ABI, "i386")]
        self._exits = [_numbers(abi, condition.calls & _EXITS) for abi in (NATIVE_ABI, "i386")]
        self._paths = [_expression(pattern) for pattern in condition.paths]

    def first(self, records: wire.Records) -> int | None:
        """The index of the first call in ``records`` that meets the condition."""
        calls, wanted = records.calls, self._condition
        chosen = _are_of(calls, self._numbers)
        if not chosen.any():
            return None
        returned = (calls.flags & wire.NO_RETURN) == 0
        if wanted.failed:
            chosen &= returned & _have_failed(calls)
        if wanted.errnos:
            chosen &= np.isin(-calls.ret, sorted(wanted.errnos))
        if wanted.durations:
            chosen &= returned & _hold(calls.duration, wanted.durations)
        if wanted.results:
            exits = _are_of(calls, self._exits)
            status = calls.argument(0).astype(np.uint32).view(np.int32) if exits.any() else calls.ret
            has_result = returned & ~returns_from_handler(calls) & ~InterruptedCalls.undecided(calls)
            chosen &= np.where(exits, _hold(status, wanted.results), has_result & _hold(calls.ret, wanted.results))
        if self._paths and chosen.any():
            chosen[np.flatnonzero(chosen)[~self._paths_match(records.where(chosen))]] = False
        return int(np.argmax(chosen)) if chosen.any() else None

    def _paths_match(self, records: wire.Records) -> _Mask:
        import pyarrow.compute as pc  # noqa: PLC0415

        from bpfrec.record.decode.calls import call_rows  # noqa: PLC0415

        rows = call_rows(records).table
        found = np.ones(len(rows), bool)
        for expression in self._paths:
            matches = [pc.match_substring_regex(rows[name].cast("string"), expression) for name in ("path", "path2")]
            either = pc.or_(*(pc.fill_null(each, False) for each in matches))
            found &= either.to_numpy()
        return found


def _numbers(abi: str, names: frozenset[str]) -> NDArray[np.int32]:
    return np.array([number for number, call in by_number(abi).items() if call.name in names], np.int32)


def _are_of(calls: wire.Calls, numbers: Sequence[NDArray[np.int32]]) -> _Mask:
    """Which of ``calls`` have the ``numbers`` of their ABI: native, i386."""
    native, compat = (np.isin(calls.nr, each) for each in numbers)
    chosen: _Mask = np.where((calls.flags & wire.COMPAT) != 0, compat, native)
    return chosen


def _have_failed(calls: wire.Calls) -> _Mask:
    """Which of ``calls`` have failed for certain: an interrupted one may be repeated."""
    failed: _Mask = (calls.ret < 0) & (calls.ret >= -MAX_ERRNO)
    return failed & ~returns_from_handler(calls) & ~InterruptedCalls.undecided(calls)


def _hold(values: NDArray[Any], comparisons: Sequence[Comparison]) -> _Mask:
    held = np.ones(len(values), bool)
    for each in comparisons:
        held &= _OPERATORS[each.operator](values, each.number)
    return held


def _expression(pattern: str) -> str:
    """``pattern`` as a regular expression of RE2."""
    parts = {"*": ".*", "?": "."}
    return rf"(?s)\A{''.join(parts.get(letter) or re.escape(letter) for letter in pattern)}\z"


def _sentence(text: str, calls: wire.Calls, index: int) -> str:
    abi = _ABIS[int(calls.flags[index]) & (wire.COMPAT | wire.X32)]
    name = by_number(abi)[int(calls.nr[index])].name
    thread = "" if calls.tid[index] == calls.pid[index] else f", thread {calls.tid[index]}"
    return f"--until '{text}' was met by {name} of process {calls.pid[index]}{thread} (ts_ns {calls.ts[index]})"
