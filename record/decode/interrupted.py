"""Calls that a signal interrupted: whether the program saw EINTR, which the kernel decides only after the call.

Such a call ends with an internal error (ERESTARTSYS and its like). If a handler runs, and the kernel does not repeat
the call behind it, the program sees EINTR. The end of the handler tells: the result of rt_sigreturn is what the
interrupted code has in rax, here -EINTR. If the kernel repeats the call, it is the call's number. A handler that
interrupted other code, as that of another handler, ends with whatever that had in rax. See arch/x86/kernel/signal.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.selection import NATIVE_ABI
from bpfrec.formats.kernel.errnos import errno_numbers
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.numeric.grouping import are_among

Integers = NDArray[np.int64]

_NUMBERS = errno_numbers()
_EINTR = -_NUMBERS["EINTR"]
# The kernel repeats a call that ended with ERESTARTNOINTR, whatever the handler.
_CAN_BECOME_EINTR = np.array([-_NUMBERS[name] for name in ("ERESTARTSYS", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK")])
# Behind a handler only calls that ended so are repeated.
_CAN_BE_REPEATED = -_NUMBERS["ERESTARTSYS"]
# Without a handler the kernel goes on with such a call by another one, restart_syscall.
_GOES_ON = -_NUMBERS["ERESTART_RESTARTBLOCK"]
_RESTART_SYSCALL = syscalls()["restart_syscall"].numbers
_PENDING = frozenset(_CAN_BECOME_EINTR.tolist())
_SIGNAL_RETURNS = tuple(syscalls()[name] for name in calls_that("returns_from_handler"))
_NATIVE = np.array([call.numbers[NATIVE_ABI] for call in _SIGNAL_RETURNS if NATIVE_ABI in call.numbers])
_I386 = np.array([call.numbers["i386"] for call in _SIGNAL_RETURNS if "i386" in call.numbers])
# Handlers can be nested, but one that is left by longjmp() never ends.
_DEEPEST = 64


def _goes_on(calls: wire.Calls) -> NDArray[np.bool_]:
    """Tells which of ``calls`` go on with one that was interrupted."""
    is_compat = (calls.flags & wire.COMPAT) != 0
    found: NDArray[np.bool_] = calls.nr == np.where(is_compat, _RESTART_SYSCALL["i386"], _RESTART_SYSCALL[NATIVE_ABI])
    return found


def returns_from_handler(calls: wire.Calls) -> NDArray[np.bool_]:
    """Tells which of ``calls`` end a signal handler. Their result is not theirs: they cannot fail."""
    is_compat = (calls.flags & wire.COMPAT) != 0
    found = are_among(calls.nr, _NATIVE)
    return np.where(is_compat, are_among(calls.nr, _I386), found) if is_compat.any() else found


class _Interrupted(NamedTuple):
    """A call that a signal interrupted; ``entry``: ns, ``ret``: -EINTR, or one of the internal errors."""

    entry: int
    number: int
    ret: int


class _Handlers:
    """The handlers that one thread is in, each by the call that it interrupted, the innermost last."""

    def __init__(self) -> None:
        self._calls: list[_Interrupted] = []
        self._perhaps_repeated: _Interrupted | None = None

    def begin(self, call: _Interrupted) -> None:
        """A signal interrupted ``call``: a handler runs, most likely."""
        self._calls.append(call)
        del self._calls[:-_DEEPEST]
        self._perhaps_repeated = None

    def go_on(self) -> None:
        """The kernel goes on with the call that was interrupted last: there was no handler."""
        if self._calls and self._calls[-1].ret == _GOES_ON:
            self._calls.pop()

    def end(self, ret: int) -> int | None:
        """A handler ends, and its interrupted code has ``ret``: the entry of the call that so failed with EINTR."""
        if ret == _EINTR:
            call = self._calls.pop() if self._calls else self._perhaps_repeated
            self._perhaps_repeated = None
            return call.entry if call is not None and call.ret != _EINTR else None
        if self._calls and self._calls[-1].ret == _CAN_BE_REPEATED and self._calls[-1].number == ret:
            call = self._calls.pop()
            # 0 is the number of read, and what rax is at the start of a handler that another one interrupted there.
            self._perhaps_repeated = call if ret == 0 else None
        return None


class InterruptedCalls:
    """Finds the calls of a recording that failed with EINTR: first :meth:`note` for all records, then :meth:`settle`.

    Records of one thread may come in any order, for each CPU sends its own. ``noted``: what was noted before.
    """

    def __init__(self, noted: Sequence[Integers] = ()) -> None:
        self._noted = list(noted)
        self._keys: NDArray[np.void] = _keys(np.empty(0, np.int32), np.empty(0, np.int64))

    def note(self, calls: wire.Calls) -> None:
        """Notes those of ``calls`` that were interrupted, and the ends of handlers."""
        ends_handler, goes_on = returns_from_handler(calls), _goes_on(calls)
        pending = self.undecided(calls)
        chosen = np.flatnonzero(
            (ends_handler | goes_on | pending | (calls.ret == _EINTR)) & ((calls.flags & wire.NO_RETURN) == 0)
        )
        if len(chosen):
            columns = [calls.tid, calls.ts + calls.duration, calls.ts, calls.ret, calls.nr, ends_handler, goes_on]
            self._noted.append(np.stack([column[chosen].astype(np.int64) for column in columns], axis=1))

    @property
    def noted(self) -> list[Integers]:
        """What was noted so far, for another one."""
        return self._noted

    @staticmethod
    def undecided(calls: wire.Calls) -> NDArray[np.bool_]:
        """Whether each of ``calls`` may have failed with EINTR, which only :meth:`settle` knows."""
        return are_among(calls.ret, _CAN_BECOME_EINTR)

    def settle(self) -> int:
        """Decides which of the noted calls failed with EINTR; returns how many there are."""
        if not self._noted:
            return 0
        noted = np.concatenate(self._noted)
        self._noted.clear()
        noted = noted[np.lexsort((noted[:, 1], noted[:, 0]))]
        failed: list[tuple[int, int]] = []
        handlers, thread = _Handlers(), None
        for tid, _end, entry, ret, number, ends_handler, goes_on in noted.tolist():
            if tid != thread:
                handlers, thread = _Handlers(), tid
            if ends_handler:
                began = handlers.end(ret)
                if began is not None:
                    failed.append((tid, began))
                continue
            if goes_on:
                handlers.go_on()
            if ret == _EINTR or ret in _PENDING:
                handlers.begin(_Interrupted(entry, number, ret))
        tids, entries = np.array(failed, np.int64).reshape(-1, 2).T
        self._keys = _keys(tids.astype(np.int32), entries)
        return len(failed)

    def apply(self, calls: wire.Calls) -> None:
        """Gives those of ``calls`` that failed with EINTR this result."""
        if len(self._keys):
            pending = np.flatnonzero(np.isin(calls.ret, _CAN_BECOME_EINTR))
            keys = _keys(calls.tid[pending], calls.ts[pending])
            calls.ret[pending[np.isin(keys, self._keys)]] = _EINTR


def _keys(tids: NDArray[np.int32], entries: Integers) -> NDArray[np.void]:
    """One value for each call: a thread enters one call at a time."""
    keys = np.empty(len(tids), [("entry", np.int64), ("tid", np.int32)])
    keys["entry"], keys["tid"] = entries, tids
    return keys
