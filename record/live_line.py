"""The line on a terminal that says how far a recording is."""

from __future__ import annotations

from rich.console import Console
from rich.live import Live
from rich.text import Text


class LiveLine:
    """A line at the bottom of the terminal that standard error is; it goes away with :meth:`stop`.

    Raises:
        OSError: here and in all methods: the terminal has hung up.
    """

    def __init__(self) -> None:
        self._console = _StandardError(stderr=True, highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, line: str) -> None:
        """Replaces the line."""
        self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)

    def print(self, line: str) -> None:
        """Prints a line above it, which stays."""
        self._console.print(Text(line))

    def stop(self) -> None:
        """Removes the line."""
        self._live.stop()


class _StandardError(Console):
    """A console that says that its reader has gone by an OSError, and does not end the program."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError
