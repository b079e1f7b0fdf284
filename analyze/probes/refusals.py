"""Several probes at once: those that a trace can answer are answered, the others say why they are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from bpfrec.formats.errors import ReportError

Given = TypeVar("Given")
Built = TypeVar("Built")


def built_or_refused(given: Iterable[Given], build: Callable[[Given], Built]) -> tuple[list[Built], list[str]]:
    """What ``build`` makes of each of ``given``, and a line for each that it refuses.

    Raises:
        ReportError: it refuses all of them.
    """
    built, refused = [], []
    for one in given:
        try:
            built.append(build(one))
        except ReportError as error:
            refused.append(error)
    lines = [f"{error.message}: {error.hint}" if error.hint else error.message for error in refused]
    if refused and not built:
        raise refused[0] if len(refused) == 1 else ReportError("no probe can be answered", "\n".join(lines))
    return built, [f"refused: {line}" for line in lines]
