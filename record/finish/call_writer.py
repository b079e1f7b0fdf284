"""The calls of a recording to the table ``syscalls`` and those of what calls point at, when recording has stopped."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.schema import SYSCALLS, TABLES, URING_CLOSES
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.record.decode.interrupted import InterruptedCalls, returns_from_handler
from bpfrec.record.finish.call_parts import EARLY_COLUMNS, CallParts, Converted
from bpfrec.record.finish.late_columns import LateColumns
from bpfrec.record.finish.unseen_entries import UnseenEntries
from bpfrec.record.processes.calls_in_progress import CallInProgress
from bpfrec.record.processes.history import History
from bpfrec.record.spool import Chunk, read_decoded
from bpfrec.record.stacks.stack_table import StackTable

_log = logging.getLogger(__name__)

# Larger batches fall out of the processor's caches.
_BATCH_BYTES = 4 << 20

_HELD = "held"


def convert_spool(
    parts: CallParts,
    spool: Path,
    report: Callable[[float], None] = lambda _share: None,
    *,
    start: int = 0,
    end: int | None = None,
    consume: bool = False,
) -> None:
    """Gives the calls in ``spool`` to ``parts``; ``report`` gets the share that is done, 0 to 1.

    ``start``, ``end``: offsets of the first chunk and behind the last one, None: the end of the file. ``consume``: give
    the room of the spool back meanwhile.
    """
    span = (start, spool.stat().st_size if end is None else end)
    for chunk, records in read_decoded(spool, decoded, _BATCH_BYTES, report, consume, span, joined=True):
        parts.take(chunk.time, records)


class CallWriter:
    """Gives ``writer`` the calls that were ``converted``, and those that could not be understood before.

    ``unseen``: decides about calls whose entry was not seen. ``failed_only``: calls that cannot fail are left out. When
    it is closed, ``rows``, ``pids`` ... are those of all calls, as in :class:`.Converted`.
    """

    def __init__(
        self,
        folder: Path,
        writer: TraceWriter,
        history: History,
        stacks: StackTable,
        unseen: UnseenEntries,
        converted: Sequence[Converted],
        *,
        failed_only: bool,
    ) -> None:
        self._writer, self._history, self._unseen, self._converted = writer, history, unseen, converted
        self._failed_only = failed_only
        self.pids: set[int] = set()
        self.tids: set[int] = set()
        for made in converted:
            for told in made.told:
                history.note_processes(told)
                self._write_uring_closes(told)
            for found in made.arguments:
                history.note_arguments(found.pid, found.entry, found.end, found.argv)
            self.tids |= made.tids
        self._late = LateColumns(folder, history, stacks)
        first = sum(made.rows for made in converted)
        self._last = CallParts(folder, _HELD, first=first, failed_only=failed_only, holds=False)
        self.rows = self.undecoded = self.unread_32_bit = self.failed_groups = 0
        self.decoded = sum(made.decoded for made in converted)
        self.per_syscall: Counter[str] = Counter()

    def _write_uring_closes(self, told: NDArray[np.void]) -> None:
        closed = told[told["what"] == wire.URING_CLOSE]
        if len(closed):
            names = {"ts_ns": "ts", "pid": "pid", "tid": "tid", "fd": "status"}
            columns = {name: pa.array(closed[member].astype(np.int64)) for name, member in names.items()}
            self._writer.write(URING_CLOSES, pa.table(columns))

    def write_held(self) -> None:
        """Adds the records that were held back."""
        interrupted = InterruptedCalls([noted for made in self._converted for noted in made.noted])
        _log.info("%d interrupted calls failed", interrupted.settle())
        for made in self._converted:
            for _, records in read_decoded(made.held, decoded, _BATCH_BYTES, lambda _share: None, joined=True):
                interrupted.apply(records.calls)
                chosen = records.where(~returns_from_handler(records.calls)) if self._failed_only else records
                self._add(chosen)
        self._last.flush()
        self.tids |= self._last.made.tids

    def write_in_progress_at_end(self, samples: bytes) -> None:
        """Adds the calls that threads were in when recording stopped, given as perf samples."""
        self._last.flush()
        records = wire.decode(np.frombuffer(samples, np.uint8))
        self._add(records, still_running=True)
        self._last.take_requests(records)
        self._last.flush()
        self.tids |= self._last.made.tids

    def write_in_progress_at_start(self, in_progress: Iterable[CallInProgress], began: int) -> None:
        """Adds the calls that threads were in when recording began, of threads that made no other since.

        ``began``: when that was, ns on CLOCK_MONOTONIC.
        """
        same = [call for call in in_progress if call.tid not in self.tids]
        for ended in (True, False):
            samples = b"".join(call.sample(began) for call in same if self._history.has_ended(call.tid) is ended)
            self._add(wire.decode(np.frombuffer(samples, np.uint8)), still_running=not ended)

    def close(self) -> None:
        """Writes what needs all calls, and gives the tables to the writer."""
        last = self._last.close()
        for number, made in enumerate((*self._converted, last)):
            self._sum_up(made)
            if made.rows:
                late = self._late.write(made, str(number))
                self._writer.add_part(SYSCALLS, [made.parts[EARLY_COLUMNS.name], late], made.rows)
            for table in TABLES:
                if table.name in made.parts:
                    self._writer.add_part(table, [made.parts[table.name]], made.table_rows[table.name])
        self.failed_groups = self._late.failed

    def _add(self, records: wire.Records, *, still_running: bool = False) -> None:
        calls = records.calls
        if (calls.flags & wire.NO_ENTRY).any():
            records = self._unseen.settle(records, self._late.existed(calls))
        self._last.add(records, still_running=still_running)

    def _sum_up(self, made: Converted) -> None:
        self.rows += made.rows
        self.undecoded += made.undecoded
        self.unread_32_bit += made.unread_32_bit
        self.pids |= made.pids
        self.tids |= made.tids
        self.per_syscall += made.per_syscall


def decoded(chunk: Chunk) -> tuple[tuple[Chunk, wire.Records], int]:
    """``chunk`` and the records in it, and how many of its bytes they take."""
    records = wire.decode(chunk.data, chunk.parts)
    return (chunk, records), records.consumed
