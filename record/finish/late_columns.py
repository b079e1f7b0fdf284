"""The columns of ``syscalls`` that need all that is known of processes and stacks: names of threads, and stacks."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.numeric.asof import AsOf
from bpfrec.formats.part_files import PartFiles
from bpfrec.record.decode.stack_references import read_references
from bpfrec.record.decode.text import choice
from bpfrec.record.finish.call_parts import EARLY_COLUMNS, LATE_COLUMNS, Converted
from bpfrec.record.processes.history import History
from bpfrec.record.stacks.stack_table import NoStacks, StackTable

_log = logging.getLogger(__name__)

_NEEDED = ["ts_ns", "pid", "tid"]


@dataclass
class LateColumns:
    """Writes :data:`.LATE_COLUMNS` for the rows of parts. ``failed``: row groups whose stacks could not be found."""

    folder: Path
    history: History
    stacks: StackTable
    failed: int = 0
    _names: AsOf = field(init=False)
    _name_values: list[str] = field(init=False)
    _name_codes: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        self._names = self.history.name_lookup()
        names = [name.comm for name in self.history.names]
        codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
        self._name_values = list(codes)
        # The entry -1, none, takes the code behind the last.
        self._name_codes = np.array([*(codes[name] for name in names), -1], np.int32)

    def existed(self, calls: wire.Calls) -> NDArray[np.bool_]:
        """Whether the thread of each call is known at the time of its entry."""
        known: NDArray[np.bool_] = self._names.lookup(calls.tid, calls.ts) >= 0
        return known

    def write(self, made: Converted, tag: str) -> Path:
        """Writes a file beside the early columns of ``made``, with the same row groups; its path."""
        files = PartFiles(self.folder, tag)
        with pq.ParquetFile(made.parts[EARLY_COLUMNS.name]) as early, made.references.open("rb") as references:
            for number in range(early.num_row_groups):
                rows = early.read_row_group(number, columns=_NEEDED)
                ts, pid, tid = (rows[name].to_numpy() for name in _NEEDED)
                records = read_references(references).records(ts, pid, tid)
                self.history.note_calls(pid, ts)
                files.write(LATE_COLUMNS, self._columns(records))
        files.close()
        return files.path(LATE_COLUMNS)

    def _columns(self, records: wire.Records) -> pa.Table:
        calls = records.calls
        comm = choice(self._name_codes[self._names.lookup(calls.tid, calls.ts)], self._name_values)
        try:
            stack_id, stack_status = self.stacks.columns(records)
        except OSError:
            raise
        except Exception:
            # A stack that nobody thought of must not cost the calls.
            _log.info("finding the stacks of %d calls failed", len(calls), exc_info=True)
            self.failed += 1
            stack_id, stack_status = NoStacks().columns(records)
        return pa.table({"comm": comm, "stack_id": stack_id, "stack_status": stack_status})
