"""The one exception that reaches a user as a message instead of a traceback."""

from __future__ import annotations


class BpfrecError(Exception):
    """A failure that a user can do something about.

    ``message``: the cause, one line; ``hint``: the remedy, may be empty; ``exit_code``: the exit status of the program.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class TraceFileError(BpfrecError):
    """A trace that is missing, damaged, or of a version this bpfrec cannot read."""


class ReportError(BpfrecError):
    """A question that this trace, or any recorded trace, cannot answer."""
