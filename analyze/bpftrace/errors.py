"""Errors in a script, told as bpftrace tells them: FILE:LINE:COLUMNS, the source line, a marker below it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from bpfrec.formats.errors import ReportError


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a script: line and columns count from 1; ``end_column`` is behind the last character.

    ``end_line`` differs from ``line`` where it goes over several lines. ``source``: the file, where it is an imported
    one.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a script and the name it goes by in messages (``stdin`` for that of ``-e``)."""

    name: str
    text: str

    def message(self, span: Span, severity: str, text: str, hint: str = "") -> str:
        """The lines that say ``text`` of the place ``span``."""
        if span.source is not None and span.source is not self:
            return span.source.message(span, severity, text, hint)
        if span.end_line != span.line:
            return f"{self.name}:{span.line}-{span.end_line}: {severity}: {text}" + (f"\n{hint}" if hint else "")
        end = max(span.end_column, span.column + 1)
        lines = [f"{self.name}:{span.line}:{span.column}-{end}: {severity}: {text}"]
        source = self.text.split("\n")
        if span.line <= len(source):
            shown = source[span.line - 1].replace("\t", " ")
            lines += [shown, " " * (span.column - 1) + "~" * (end - span.column)]
        return "\n".join([*lines, *([hint] if hint else [])])


class ScriptError(ReportError):
    """One or several things wrong with a script: ``message`` has all lines."""


class OptionError(ScriptError):
    """An option that the script does not take, or not so."""


class Problem(Exception):  # noqa: N818 - it is caught where it becomes a ScriptError
    """One thing wrong at a place of the script; ``hint`` is the remedy."""

    def __init__(self, span: Span, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.span = span
        self.text = text
        self.hint = hint


def script_error(source: Source, problems: list[Problem]) -> ScriptError:
    """The error that tells of ``problems``, each once; a hint that several have stands behind the last of them."""
    told: dict[str, None] = {}
    for problem, following in zip_longest(problems, problems[1:]):
        is_last = following is None or following.hint != problem.hint
        hint = f"HINT: {problem.hint}" if problem.hint and is_last else ""
        told[source.message(problem.span, "ERROR", problem.text, hint)] = None
    return ScriptError("\n".join(told))
