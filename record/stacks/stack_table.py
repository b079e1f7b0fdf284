"""The stack table of a recording: which stacks its calls and samples have.

There is one class for each value of ``--stacks``: :class:`.UnwoundStacks` (full), :class:`.FramePointerStacks` (fp) and
:class:`NoStacks` (off). Their users see only the protocol :class:`StackTable`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.samples import Sample
from bpfrec.record.decode.text import choice
from bpfrec.record.processes.history import History
from bpfrec.record.stacks.frame_pointers import FramePointerStacks
from bpfrec.record.stacks.frames import StackRows
from bpfrec.record.stacks.modules import Modules
from bpfrec.record.stacks.perf_map_files import PerfMaps
from bpfrec.record.stacks.unwound_stacks import UnwoundStacks

Integers = NDArray[np.int64]


class StackTable(Protocol):
    """The distinct stacks of a recording. A stack gets its id, counted from 0, when a call or a sample first has it."""

    @property
    def count(self) -> int:
        """How many stacks have an id so far."""

    def columns(self, records: wire.Records) -> tuple[pa.Array, pa.Array]:
        """The columns ``stack_id`` and ``stack_status`` of the calls in ``records``."""

    def add_samples(self, samples: Sequence[Sample]) -> Integers:
        """Adds the stacks of ``samples``, all of which have a user stack; gives a handle for each."""

    def sample_ids(self, handles: Integers, times: Integers) -> Integers:
        """The ``stack_id`` of all samples, taken at ``times`` (ns on CLOCK_MONOTONIC): to be called once."""

    def look_up(self) -> None:
        """Does what can be done for :meth:`resolve` before the calls are known."""

    def resolve(self) -> Iterator[StackRows]:
        """The rows for all stacks that have an id, with their functions, some at a time: to be called last."""


def read_stack_table(
    kind: str,
    history: History,
    modules: Modules,
    maps: PerfMaps,
    snapshots: Path,
    learned: Path,
    report: Callable[[float], None],
) -> StackTable:
    """The stack table of a recording with ``--stacks`` ``kind``; unwinds what the spool ``snapshots`` holds.

    ``learned``: the spool of what was learned meanwhile.

    ``report`` gets the share that is done, 0 to 1.
    """
    match kind:
        case "off":
            return NoStacks()
        case "fp":
            return FramePointerStacks(history, modules, maps)
    table = UnwoundStacks(history, modules, maps)
    table.read(snapshots, learned, report)
    return table


class NoStacks:
    """The stack table of a recording without stacks."""

    @property
    def count(self) -> int:
        """None."""
        return 0

    def columns(self, records: wire.Records) -> tuple[pa.Array, pa.Array]:
        """Two columns of nulls."""
        size = len(records.calls)
        return pa.nulls(size, pa.int64()), choice(np.full(size, -1, np.int32), ())

    def add_samples(self, samples: Sequence[Sample]) -> Integers:
        """-1 for each."""
        return np.full(len(samples), -1, np.int64)

    def sample_ids(self, handles: Integers, times: Integers) -> Integers:  # noqa: ARG002 - the protocol's
        """-1 for each."""
        return handles

    def look_up(self) -> None:
        """Nothing."""

    def resolve(self) -> Iterator[StackRows]:
        """Nothing."""
        return iter(())
