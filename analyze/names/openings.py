"""What became of every descriptor that a call made: whether it is still open at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.names.callers import numbers, pid_of
from bpfrec.analyze.names.kinds import CLOSED, SAME
from bpfrec.analyze.names.naming import Naming
from bpfrec.analyze.names.reasons import NAME_UNKNOWN, NONE, NOT_OPEN, REASONS
from bpfrec.analyze.names.resolve import naming_of
from bpfrec.formats.numeric.asof import FOREVER, AsOf, Booleans, Integers

OPEN, CLOSED_BY_CALL, LEFT_AT_EXIT, NOT_KNOWN = "open", "closed", "left", "unknown"
"""What became of a descriptor: it is open; a call closed it; it was open when its process ended; not known."""

STATES = (OPEN, CLOSED_BY_CALL, LEFT_AT_EXIT, NOT_KNOWN)
_STATE_OF = {state: place for place, state in enumerate(STATES)}


@dataclass(frozen=True)
class Openings:
    """``rows``: event_id, pid, fd, name, state, reason (of NOT_KNOWN), one for every descriptor that a call made.

    ``before``: how many were open when their process was read, and are open still.
    """

    rows: pa.Table
    before: int


def openings(queries: Queries, at_ns: int) -> Openings:
    """The descriptors that calls made until ``at_ns`` (CLOCK_MONOTONIC), and their state then.

    A descriptor belongs to the table in which the call put it: copies that child processes have are not counted.
    """
    naming = naming_of(queries)
    lookup = naming.lookup
    changes, makers = lookup.changes, lookup.makers()
    made = (changes.fd >= 0) & (changes.kind != CLOSED) & (lookup.table >= 0) & (changes.at <= 2 * at_ns)
    made &= ~((changes.kind == SAME) & (changes.source == changes.fd))
    rows = np.flatnonzero(made & (changes.event >= 0))
    state, reason, name = _states(naming, makers, rows, _ends(queries, naming, rows), at_ns)
    snapshot = np.flatnonzero(made & changes.snapshot)
    before, _, _ = _states(naming, makers, snapshot, _ends(queries, naming, snapshot), at_ns)
    table = pa.table(
        {
            "event_id": pa.array(changes.event[rows], pa.int64()),
            "pid": pa.array(pid_of(changes.caller[rows]), pa.int32()),
            "fd": pa.array(changes.fd[rows], pa.int32()),
            "name": _chosen(name, naming.names.text),
            "state": _chosen(state, STATES),
            "reason": _chosen(reason - 1, list(REASONS)),
        }
    )
    return Openings(table, int((before == _STATE_OF[OPEN]).sum()))


def _chosen(places: Integers, texts: Sequence[str]) -> pa.Array:
    """A column of texts, each given by its place among ``texts``; -1 for NULL."""
    numbers_of = pa.array(places.astype(np.int32), mask=places < 0)
    return pa.DictionaryArray.from_arrays(numbers_of, pa.array(texts, pa.string()))


def _states(
    naming: Naming, makers: Integers, rows: Integers, ends: Integers, at_ns: int
) -> tuple[Integers, Integers, Integers]:
    """State (a place in :data:`STATES`), reason and name of what each of ``rows`` of the changes made.

    ``ends``: when the tables ended.
    """
    lookup = naming.lookup
    table, fds = lookup.table[rows], lookup.changes.fd[rows]
    until = np.maximum(np.minimum(ends, 2 * at_ns), lookup.changes.at[rows])
    found, reason = lookup.find_in_tables(table, fds, until)
    now: Integers = np.where(found >= 0, makers[found] if len(makers) else -1, -1)
    is_open: Booleans = now == rows
    is_closed = ((found >= 0) & (now >= 0) & ~is_open) | (reason == NOT_OPEN)
    state = np.full(len(rows), _STATE_OF[NOT_KNOWN])
    state[is_closed] = _STATE_OF[CLOSED_BY_CALL]
    state[is_open] = np.where(ends[is_open] <= 2 * at_ns, _STATE_OF[LEFT_AT_EXIT], _STATE_OF[OPEN])
    reason = np.where(state == _STATE_OF[NOT_KNOWN], np.where(reason == NONE, NAME_UNKNOWN, reason), NONE)
    return state, reason, naming.names_at(rows, until)


def _ends(queries: Queries, naming: Naming, rows: Integers) -> Integers:
    """When the process of the table of each change ended, FOREVER where it did not."""
    lives = queries.arrow("SELECT pid, 2 * start_ns AS start, 2 * end_ns AS ended FROM processes WHERE pid IS NOT NULL")
    known = AsOf(numbers(lives, "pid", -1), numbers(lives, "start", -FOREVER))
    ended = numbers(lives, "ended", FOREVER)
    found = known.lookup(naming.lookup.pid_of_table(naming.lookup.table[rows]), naming.lookup.changes.at[rows])
    return np.where(found >= 0, ended[np.maximum(found, 0)] if len(ended) else FOREVER, FOREVER)
