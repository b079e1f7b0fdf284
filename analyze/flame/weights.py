"""What a flame graph is made of: calls, or CPU samples, measured by call stack."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import Fragment, bundled_sql, render_text
from bpfrec.analyze.flame.frame import Frame, Kind, function_frame
from bpfrec.analyze.reports.stacks import missing_notes
from bpfrec.analyze.views.stack_text import MODULE, function_name

Numbers = np.ndarray[Any, np.dtype[np.int64]]

_END = "[{}]"
"""How a frame is named that says why a stack ends early."""

_AMOUNTS = {
    "calls": ("count(*)", "calls"),
    "time": ("sum(duration_ns)", "ns"),
    "failures": ("count(*) FILTER (failed(ret))", "failures"),
}


@dataclass
class MeasuredStacks:
    """Call stacks, outermost frame first, and what each comes to.

    Stack ``i`` has the frames ``places[starts[i]:starts[i + 1]]``, which are places in ``frames``; ``values[i]`` is in
    ``unit``: calls, failures, samples or ns. ``notes``: what is not in it, for the reader.
    """

    frames: list[Frame]
    starts: Numbers
    places: Numbers
    values: Numbers
    unit: str
    notes: list[str] = field(default_factory=list)


def measure_calls(
    trace: Queries, chosen: list[Fragment], by: str, *, comm: bool = True, call: bool = True, lines: bool = False
) -> MeasuredStacks:
    """The stacks of the calls that meet ``chosen``, measured ``by`` calls, time or failures.

    ``comm``: the thread's name is the outermost frame; ``call``: the system call is the innermost; ``lines``: a frame
    for each source line of a function, where lines are known.
    """
    amount, unit = _AMOUNTS[by]
    rows = f"""
        SELECT {_comm(comm)} AS comm, NULL AS gap, stack_id AS user_stack_id, NULL::BIGINT AS kernel_stack_id,
            {"syscall" if call else "NULL"} AS call, ({amount})::BIGINT AS amount
        FROM syscalls WHERE stack_id IS NOT NULL AND {where(chosen)} GROUP BY ALL
    """  # noqa: S608 - only literals
    return _measured(trace, rows, lines, unit, missing_notes(trace, chosen, by))


def measure_blocked(
    trace: Queries, chosen: list[Fragment], stop_ns: int, *, comm: bool = True, call: bool = True, lines: bool = False
) -> MeasuredStacks:
    """The stacks of the calls in which threads waited, measured by the time until they were woken, of ``sched``.

    ``chosen``: conditions on ``sched``. Kernel frames stand on the call, and that on the user stack. What had not ended
    at ``stop_ns`` lasted until then. The other options are those of :func:`measure_calls`.
    """
    rows = f"""
        SELECT {_comm(comm)} AS comm, NULL AS gap, made.stack_id AS user_stack_id, kernel_stack_id,
            {"syscall" if call else "NULL"} AS call,
            sum(coalesce(blocked_ns, if(duration_ns IS NULL, {stop_ns} - sched.ts_ns, 0)))::BIGINT AS amount
        FROM sched
        LEFT JOIN (
            SELECT tid, ts_ns, any_value(stack_id) AS stack_id FROM syscalls WHERE stack_id IS NOT NULL GROUP BY ALL
        ) AS made ON made.tid = sched.tid AND made.ts_ns = sched.call_ns
        WHERE sched.syscall IS NOT NULL AND sched.state != 'exited' AND {where(chosen)} GROUP BY ALL
    """  # noqa: S608 - only literals
    return _measured(trace, rows, lines, "ns", _blocked_notes(trace, chosen))


def _blocked_notes(trace: Queries, chosen: list[Fragment]) -> list[str]:
    query = f"""
        SELECT count(*) FILTER (blocked_ns IS NULL AND duration_ns IS NOT NULL), count(*)
        FROM sched WHERE syscall IS NOT NULL AND state != 'exited' AND {where(chosen)}
    """  # noqa: S608 - only literals
    ((unknown, total),) = trace.query(query).rows
    lost = [f"of {unknown} of {total} times off the CPU it is not known how long they were blocked"] if unknown else []
    return ["widths are the time that threads were blocked in calls (record --sched)", *lost]


def measure_long_calls(
    trace: Queries, chosen: list[Fragment], least_ns: int, *, comm: bool = True, call: bool = True, lines: bool = False
) -> MeasuredStacks:
    """The stacks of calls that took ``least_ns`` or more, by their durations: in place of :func:`measure_blocked`."""
    found = measure_calls(
        trace, [*chosen, Fragment(f"duration_ns >= {least_ns}")], "time", comm=comm, call=call, lines=lines
    )
    least = f"{least_ns / 1000:g} us"
    found.notes.insert(
        0,
        f"when threads were blocked was not recorded (record --sched): widths are the durations of calls of {least} or "
        "more, in which threads may have run too",
    )
    return found


def measure_samples(
    trace: Queries, chosen: list[Fragment], period_ns: int | None = None, *, comm: bool = True, lines: bool = False
) -> MeasuredStacks:
    """The stacks that CPU samples meeting ``chosen`` hit: kernel frames stand on those of the user stack.

    Their number, or with ``period_ns``, from one sample to the next, the time that they stand for.
    """
    rows = f"""
        SELECT {_comm(comm)} AS comm, CASE WHEN stack_status != 'kernel-thread' THEN stack_status END AS gap,
            stack_id AS user_stack_id, kernel_stack_id, NULL AS call, count(*) * {period_ns or 1} AS amount
        FROM samples WHERE coalesce(stack_id, kernel_stack_id) IS NOT NULL AND {where(chosen)} GROUP BY ALL
    """  # noqa: S608 - only literals
    return _measured(trace, rows, lines, "ns" if period_ns else "samples", _sample_notes(trace, chosen))


def _comm(wanted: bool) -> str:
    return "coalesce(comm, '[unknown]')" if wanted else "NULL"


def _sample_notes(trace: Queries, chosen: list[Fragment]) -> list[str]:
    query = f"""
        SELECT coalesce(stack_status, 'none was asked for') AS reason, kernel_stack_id IS NULL AS bare, count(*)
        FROM samples WHERE stack_id IS NULL AND stack_status IS DISTINCT FROM 'kernel-thread' AND {where(chosen)}
        GROUP BY ALL ORDER BY ALL
    """  # noqa: S608 - only literals
    rows = trace.query(query).rows
    said = {True: "samples without a stack, which are not counted", False: "samples with a kernel stack alone"}
    return [
        f"{text}: {', '.join(f'{reason} {count}' for reason, bare, count in rows if bare == is_bare)}"
        for is_bare, text in said.items()
        if any(bare == is_bare for _, bare, _ in rows)
    ]


def _measured(trace: Queries, rows: str, lines: bool, unit: str, notes: list[str]) -> MeasuredStacks:
    trace.execute(f"CREATE OR REPLACE TEMP TABLE flame_rows AS SELECT * FROM ({rows}) WHERE amount > 0")  # noqa: S608
    trace.execute(render_text(bundled_sql("flame_frames"), lines=lines))
    ends: dict[int, str] = dict(
        trace.query(
            "SELECT stack_id, status FROM stacks WHERE status != 'root' AND stack_id IN "
            "(SELECT unnest([user_stack_id, kernel_stack_id]) FROM flame_rows)"
        ).rows
    )
    functions = trace.query(
        f"SELECT {function_name()}, {MODULE}, source, file, line FROM flame_functions ORDER BY number"  # noqa: S608 - ours
    ).rows
    stacked = trace.arrow(
        "SELECT stack_id, number FROM flame_frames JOIN flame_functions USING (key) ORDER BY stack_id, depth DESC"
    )
    measured = trace.arrow("FROM flame_rows ORDER BY ALL")
    trace.execute("DROP TABLE flame_frames; DROP TABLE flame_functions; DROP TABLE flame_rows")

    of_function = [function_frame(*row) for row in functions]
    singles = {Frame(_END.format(status), Kind.END) for status in ends.values()}
    columns = {"comm": (Kind.THREAD, "{}"), "gap": (Kind.END, _END), "call": (Kind.CALL, "{}")}
    named: dict[str, list[Frame | None]] = {}
    for name, (kind, form) in columns.items():
        texts = {text: None if text is None else Frame(form.format(text), kind) for text in _distinct(measured, name)}
        singles.update(frame for frame in texts.values() if frame)
        named[name] = [texts[text] for text in measured[name].to_pylist()]

    frames = sorted({*of_function, *singles}, key=lambda frame: frame.order)
    place = {frame: i for i, frame in enumerate(frames)}
    stacks = _Stacks(
        _integers(stacked, "stack_id"),
        np.array([place[frame] for frame in of_function], dtype=np.int64)[_integers(stacked, "number")],
        {stack: place[Frame(_END.format(status), Kind.END)] for stack, status in ends.items()},
        len(frames),
    )
    single = {name: _ones([-1 if frame is None else place[frame] for frame in of]) for name, of in named.items()}
    parts = (
        single["comm"],
        single["gap"],
        *stacks.parts(_integers(measured, "user_stack_id")),
        single["call"],
        *stacks.parts(_integers(measured, "kernel_stack_id")),
    )
    starts = np.column_stack([part[0] for part in parts])
    lengths = np.column_stack([part[1] for part in parts])
    return MeasuredStacks(
        frames,
        np.concatenate(([0], np.cumsum(lengths.sum(axis=1)))),
        stacks.pool[_ranges(starts.ravel(), lengths.ravel())],
        _integers(measured, "amount"),
        unit,
        notes,
    )


class _Stacks:
    """Frames of stacks: ``pool`` begins with every frame by itself, and goes on with one stack after the other."""

    def __init__(self, ids: Numbers, places: Numbers, ends: dict[int, int], frames: int) -> None:
        self.pool = np.concatenate((np.arange(frames), places))
        self._ids, first, self._lengths = np.unique(ids, return_index=True, return_counts=True)
        self._starts = first + frames
        self._ends = ends

    def parts(self, wanted: Numbers) -> tuple[tuple[Numbers, Numbers], tuple[Numbers, Numbers]]:
        """Start and length in the pool of why each stack ends early, and of its frames; -1 wants none."""
        at = np.searchsorted(self._ids, wanted)
        found = np.zeros(len(wanted), dtype=bool)
        inside = at < len(self._ids)
        found[inside] = self._ids[at[inside]] == wanted[inside]
        starts, lengths = np.zeros_like(wanted), np.zeros_like(wanted)
        starts[found], lengths[found] = self._starts[at[found]], self._lengths[at[found]]
        return _ones([self._ends.get(stack, -1) for stack in wanted.tolist()]), (starts, lengths)


def _ones(places: list[int]) -> tuple[Numbers, Numbers]:
    """Start and length in the pool of single frames, -1 being none."""
    found = np.array(places, dtype=np.int64)
    return np.maximum(found, 0), (found >= 0).astype(np.int64)


def _distinct(table: pa.Table, name: str) -> list[str | None]:
    texts: list[str | None] = table[name].unique().to_pylist()
    return texts


def _ranges(starts: Numbers, lengths: Numbers) -> Numbers:
    """The numbers from each start on, so many, one range behind the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def _integers(table: pa.Table, name: str) -> Numbers:
    """A column as numbers, -1 for NULL."""
    column = table[name].combine_chunks().fill_null(-1)
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)
