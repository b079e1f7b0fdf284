"""Python source text as it grows, and the columns of events that it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Column:
    """A column of the events: ``kind`` is what it is, ``name`` of which field, ``extra`` how it was copied.

    ``variable`` is what the generated source calls it.
    """

    kind: str
    name: str = ""
    extra: str = ""

    @property
    def variable(self) -> str:
        """Its name in the generated source."""
        return "_".join(part for part in ("e", self.kind, self.name, self.extra) if part)


@dataclass
class Emitter:
    """Lines of source with their indentation, constants that they name ``K[i]``, and columns."""

    lines: list[str] = field(default_factory=list)
    indent: int = 0
    constants: list[Any] = field(default_factory=list)
    columns: dict[Column, None] = field(default_factory=dict)
    temporaries: int = 0

    def line(self, text: str) -> None:
        """Adds a line."""
        self.lines.append("    " * self.indent + text)

    @contextmanager
    def nested(self, head: str) -> Iterator[None]:
        """Adds ``head`` and indents what comes inside; an empty body becomes ``pass``."""
        self.line(head)
        self.indent += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.line("pass")
        self.indent -= 1

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """Gives the lines that are added inside, which are not among the others."""
        outer, self.lines = self.lines, []
        inner = self.lines
        yield inner
        self.lines = outer

    def temporary(self) -> str:
        """A name that nothing else has."""
        self.temporaries += 1
        return f"x{self.temporaries}"

    def constant(self, value: Any) -> str:
        """Source for ``value``, which is no literal."""
        for number, known in enumerate(self.constants):
            if known is value or (isinstance(value, tuple) and known == value):
                return f"K{number}"
        self.constants.append(value)
        return f"K{len(self.constants) - 1}"

    def column(self, kind: str, name: str = "", extra: str = "") -> str:
        """Source for a column of the event."""
        column = Column(kind, name, extra)
        self.columns[column] = None
        return column.variable
