"""Which changes of descriptors and directories a trace can tell of: what was to be recorded, and what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bpfrec.analyze.names.callers import numbers
from bpfrec.formats.kernel.descriptors import makers
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.numeric.asof import FOREVER, AsOf, Booleans, Integers

CLOSING = frozenset(calls_that("ends_descriptors"))
"""Calls that can end what a descriptor is: without them none can be followed."""

MAKING = CLOSING | {m.syscall for m in makers()} | set(calls_that("makes_descriptors"))
"""Calls that tell of every descriptor there is: without them it is not known that one is not open."""

MOVING = frozenset(calls_that("changes_directory"))
"""Calls that change the working directory."""

FORKING = frozenset(calls_that("forks"))
"""Calls that make processes, and say whether they share."""

ADDRESSING = frozenset(calls_that("addresses"))
"""Calls that tell a socket's addresses."""

_NARROWING = ("comm", "uid", "cgroup")
_ANY = -1


@dataclass(frozen=True)
class Coverage:
    """What was to be recorded, by the configuration in the manifest.

    ``closing``, ``making`` ...: whether all calls of :data:`CLOSING`, :data:`MAKING` ... were. ``whole``: the processes
    of which all threads were recorded at all times; None: every one. ``uring``: whether what io_uring closes was.
    """

    closing: bool
    making: bool
    moving: bool
    forking: bool
    addressing: bool
    whole: frozenset[int] | None
    uring: bool

    @staticmethod
    def of(configuration: Mapping[str, Any]) -> Coverage:
        """What the options of a recording say."""
        events = configuration.get("events")
        narrowed = configuration.get("failed_only") or any(configuration.get(n) is not None for n in _NARROWING)

        def has(calls: frozenset[str]) -> bool:
            return not narrowed and (not isinstance(events, list) or calls <= set(map(str, events)))

        pids = configuration.get("pids")
        only = frozenset(p for p in pids if isinstance(p, int)) if isinstance(pids, list) else frozenset()
        whole = only if configuration.get("tids") else None
        uring = configuration.get("follows_uring") is True
        return Coverage(has(CLOSING), has(MAKING), has(MOVING), has(FORKING), has(ADDRESSING), whole, uring)

    def whole_processes(self, pids: Integers) -> Booleans:
        """Whether each process was recorded whole."""
        return np.ones(len(pids), bool) if self.whole is None else np.isin(pids, list(self.whole))


class Losses:
    """When calls were lost."""

    def __init__(self, losses: pa.Table) -> None:
        pid, first, last = (
            numbers(losses, "pid", _ANY),
            numbers(losses, "first", -FOREVER),
            numbers(losses, "last", FOREVER),
        )
        self._begun = AsOf(pid, first)
        ended = last[self._begun.order]
        # Of all that began by then, the latest end counts: within a process, not across.
        heads = np.flatnonzero(np.diff(self._begun.keys, prepend=self._begun.keys[:1] - 1))
        parts = np.split(ended, heads[1:]) if len(ended) else []
        self._ended = np.concatenate([np.maximum.accumulate(part) for part in parts]) if parts else ended

    @property
    def none(self) -> bool:
        """Whether none were."""
        return not len(self._ended)

    def any_between(self, pids: Integers, after: Integers, until: Integers) -> Booleans:
        """Whether calls of each process may be missing between two times."""
        if not len(self._ended):
            return np.zeros(len(pids), bool)
        return self._lost(pids, after, until) | self._lost(np.full(len(pids), _ANY), after, until)

    def _lost(self, groups: Integers, after: Integers, until: Integers) -> Booleans:
        position = self._begun.last(groups, until)
        return (position >= 0) & (self._ended[np.maximum(position, 0)] >= after)
