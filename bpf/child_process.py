"""Child processes that do some of the recorder's work, and end with it."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


def start(work: Callable[[], object], blocked: Iterable[int], name: str = "") -> int:
    """Forks a child that does ``work`` and exits: 0, or 1 if that failed. Returns its pid.

    The signals ``blocked`` are blocked in the child from its first instruction on, so that one sent to the whole
    process group never kills it. The kernel kills the child when the thread that called this ends, unless
    the child changed its user before: see PR_SET_PDEATHSIG in prctl(2). ``name``: what ps shows, at most 15 bytes.
    """
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        pid = os.fork()
        if pid == 0:
            _run(work, parent, name)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def reap(pid: int, flags: int = 0) -> int | None:
    """Waits for the child ``pid``, and returns its wait status.

    ``flags``: as of waitpid(2). None: it has not ended yet, or nobody knows how: where SIGCHLD is ignored, as it may
    have been when bpfrec was started, the kernel keeps no status.
    """
    with suppress(ChildProcessError):
        ended, status = os.waitpid(pid, flags)
        return status if ended == pid else None
    return None


def kill(pid: int) -> None:
    """Kills the child ``pid``, if it is still there, and waits for its end."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    reap(pid)


def _run(work: Callable[[], object], parent: int, name: str) -> NoReturn:
    status = 1
    try:
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if name:
            libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
        # What the parent made stays: to look for garbage in it would copy its memory.
        gc.freeze()
        # The parent may have ended before the kernel was told.
        if os.getppid() == parent:
            work()
            status = 0
    except Exception:
        _log.info("a child process failed", exc_info=True)
    finally:
        os._exit(status)
