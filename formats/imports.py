"""Imports: Ctrl-C while they go on, which takes a second where disks are cold, and modules that must stay away."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible_imports() -> Iterator[None]:
    """For a block of imports: Ctrl-C ends the process there, without a traceback and with exit status 130.

    KeyboardInterrupt would go through the modules that are being imported, and C extensions make an ImportError of it.
    Who handles or ignores Ctrl-C in another way than Python does keeps doing so.
    """
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        with uncollected():
            yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        with uncollected():
            yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def uncollected() -> Iterator[None]:
    """For a block of imports: what they make stays, and looking for garbage in it takes a tenth of their time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def refuse_import(name: str) -> None:
    """Makes the module ``name`` and those in it look as if they were not installed, from now on and in this process."""
    sys.meta_path.insert(0, _Absent(name))


def allow_import(name: str) -> None:
    """Takes :func:`refuse_import` of ``name`` back."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not (isinstance(finder, _Absent) and finder.name == name)]


class _Absent:
    """A finder of modules (``importlib.abc.MetaPathFinder``) that refuses one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, _path: object, _target: object = None) -> None:
        if name.partition(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _end(number: int, _frame: FrameType | None) -> None:
    # Nothing has been printed or opened yet.
    os._exit(128 + number)
