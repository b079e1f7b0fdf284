"""A sign of life on the terminal while an answer takes long."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

_FIRST_S = 1.5
_NEXT_S = 1.0
_CLEAR = "\r\x1b[K"


class Patience:
    """Says on standard error every second how long the user has been waiting; a context manager.

    It says nothing in the first moments, nothing if standard error is no terminal, and nothing more once
    :meth:`stop` was called: the answer has begun. Within another one it does nothing.
    """

    current: Patience | None = None
    """The one that is in use."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._shown = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Patience:
        if Patience.current is None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            Patience.current = self
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Removes the line; no other follows."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            Patience.current = None
        with self.aside():
            pass

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Removes the line and keeps it away while the caller writes something in its place."""
        with self._lock:
            if self._shown:
                sys.stderr.write(_CLEAR)
                sys.stderr.flush()
                self._shown = False
            yield

    def _run(self) -> None:
        begin = time.monotonic()
        pause = _FIRST_S
        while not self._stopped.wait(pause):
            pause = _NEXT_S
            with self._lock:
                sys.stderr.write(f"{_CLEAR}bpfrec: still asking, {time.monotonic() - begin:.0f} s (Ctrl-C ends it)")
                sys.stderr.flush()
                self._shown = True
