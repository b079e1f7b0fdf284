"""Signals that ask the program to end: it ends by itself, so that its temporary files go away."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_ASKING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_arrived: list[int] = []


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raises SystemExit inside when SIGTERM or SIGHUP arrives, with 128 and the signal's number.

    A signal that is ignored (``nohup``) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ASKING}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is _end:
                signal.signal(number, handler)


def interrupted_status() -> int:
    """The exit status of a program that was interrupted: 128 and the number of the signal that asked for it."""
    return 128 + (_arrived[-1] if _arrived else signal.SIGINT)


def ending_status(ending: BaseException) -> int:
    """The exit status of a program that ``ending`` ended: a KeyboardInterrupt, or a SystemExit with its status."""
    return ending.code if isinstance(ending, SystemExit) and isinstance(ending.code, int) else interrupted_status()


def end_now(status: int) -> NoReturn:
    """Ends the process without waiting for threads, which may be waiting for a server themselves."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _end(number: int, _frame: FrameType | None) -> None:
    # DuckDB looks for signals while a query runs, and makes an interrupt of whatever the handler raises.
    _arrived.append(number)
    raise SystemExit(128 + number)
