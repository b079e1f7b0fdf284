"""A frame of a flame graph, and what kind of code it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_PERF_MAP = re.compile(r"perf-\d+\.map")


class Kind(Enum):
    """What a frame is; the value is how a legend calls it."""

    NATIVE = "compiled code"
    KERNEL = "kernel"
    JIT = "JIT code"
    GUESS = "found by frame pointer: a guess"
    THREAD = "name of the thread"
    CALL = "system call"
    END = "why a stack ends early"
    ALL = "all"


@dataclass(frozen=True)
class Frame:
    """A function, or what stands for one; ``module``, ``file`` and ``line`` are None where they are not known."""

    name: str
    kind: Kind
    module: str | None = None
    file: str | None = None
    line: int | None = None

    @property
    def order(self) -> tuple[str, str, str, int]:
        """Where it stands beside its siblings."""
        return self.name, self.module or "", self.kind.value, self.line or 0

    @property
    def label(self) -> str:
        """Its name with its source line, where that is known and the name does not say it."""
        if self.file is None or self.line is None or self.file in self.name:
            return self.name
        return f"{self.name} {self.file.rpartition('/')[2]}:{self.line}"

    @property
    def where(self) -> str:
        """Its module, source file and line, as far as they are known and its name does not say them."""
        parts = []
        if self.module and not self.name.startswith(f"{self.module}+") and self.name != self.module:
            parts.append(self.module if self.module.startswith("[") else f"[{self.module}]")
        if self.file and self.file not in self.name:
            parts.append(self.file if self.line is None else f"{self.file}:{self.line}")
        return " ".join(parts)


def function_frame(name: str, module: str | None, source: str | None, file: str | None, line: int | None) -> Frame:
    """The frame of a function as the table ``frames`` has it, its module without a folder."""
    if source == "kernel":
        return Frame(name, Kind.KERNEL, module, file, line)
    if module is not None and (_PERF_MAP.fullmatch(module) or module == "[anon]"):
        return Frame(name, Kind.JIT, None, file, line)
    return Frame(name, Kind.GUESS if source == "fp" else Kind.NATIVE, module, file, line)
