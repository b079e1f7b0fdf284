"""What a number means in a process at a time: the change that made it so, looked up for whole columns at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bpfrec.analyze.names.callers import callers, numbers, short_numbers
from bpfrec.analyze.names.coverage import Coverage, Losses
from bpfrec.analyze.names.descriptor_tables import Tables, flags
from bpfrec.analyze.names.kinds import CLOSE_RANGE_CLOEXEC, CLOSED, CWD, SAME, UNKNOWN
from bpfrec.analyze.names.reasons import (
    BASE_UNKNOWN,
    CALLS_LOST,
    NONE,
    NOT_FOLLOWED,
    NOT_OPEN,
    NOT_RECORDED,
    OPENED_BEFORE,
    SHARING_UNKNOWN,
)
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.numeric.asof import FOREVER, AsOf, Booleans, Integers, Numbers
from bpfrec.formats.numeric.grouping import rows_alike
from bpfrec.formats.numeric.parts import in_parts

_ROUNDS = 64


@dataclass(frozen=True)
class Changes:
    """The rows of ``changes.sql``, by column; see there. ``event``: the call, -1 where none made the change."""

    event: Integers
    kind: Numbers
    caller: Integers
    fd: Numbers
    at: Integers
    source: Numbers
    entered: Integers
    close_on_exec: Booleans
    snapshot: Booleans
    no_links: Numbers
    reason: Numbers
    text: Numbers

    @staticmethod
    def of(rows: pa.Table) -> Changes:
        """The changes in a table with those columns, ``text`` as a number, -1 for none."""
        return Changes(
            event=numbers(rows, "event_id", -1),
            kind=short_numbers(rows, "kind", CLOSED, pa.int8()),
            caller=numbers(rows, "caller", 0),
            fd=short_numbers(rows, "fd", -1, pa.int32()),
            at=numbers(rows, "at", 0),
            source=short_numbers(rows, "source", -1, pa.int32()),
            entered=numbers(rows, "entered", 0),
            close_on_exec=flags(rows, "close_on_exec"),
            snapshot=flags(rows, "snapshot"),
            no_links=short_numbers(rows, "no_links", 0, pa.int8()),
            reason=short_numbers(rows, "reason", NONE, pa.int8()),
            text=short_numbers(rows, "text", -1, pa.int32()),
        )


class DescriptorLookup:
    """Finds changes, by thread, number and time. A change is known by its row in ``changes``."""

    def __init__(
        self, changes: Changes, tables: Tables, breaks: pa.Table, losses: Losses, coverage: Coverage, rings: pa.Table
    ) -> None:
        self.changes = changes
        self._tables = tables
        self._losses = losses
        self._coverage = coverage
        self._whole = coverage.whole_processes(tables.pid)
        (self.table,) = in_parts(lambda *asked: (tables.of(*asked),), changes.caller, changes.fd <= CWD, changes.at)
        self._slots = AsOf(_slot(self.table, changes.fd), changes.at)
        self._set_breaks(breaks)
        self._uring = self._beginning_of_uring(rings)
        self._calm = self._calm_tables()
        self._settled = self._settled_changes()

    def find(self, callers: Integers, fds: Numbers, times: Integers) -> tuple[Integers, Integers]:
        """The change that made each number what it is to a thread at that time (-1: none); a reason where none did."""
        found, reason = in_parts(self._find, callers, fds, times)
        return found, reason

    def _find(self, callers: Integers, fds: Numbers, times: Integers) -> tuple[Integers, Integers]:
        found, reason = self._search(self._tables.of(callers, fds <= CWD, times), fds, times)
        self._admit_ignorance(fds, found, reason)
        return found, reason

    def find_in_tables(self, table: Integers, fds: Numbers, times: Integers) -> tuple[Integers, Integers]:
        """The same, of numbers in tables (as :attr:`table` of a change); a number that is -1 and ``NOT_OPEN`` may have
        been made again by a call that was not to be recorded.
        """
        found, reason = in_parts(self._search, table, fds, times)
        if not self._coverage.closing:
            found[:], reason[:] = -1, NOT_RECORDED
        return found, reason

    def pid_of_table(self, tables: Integers) -> Integers:
        """The process of each table."""
        return self._tables.pid[tables]

    def makers(self) -> Integers:
        """For every change that only set a flag of a descriptor the change that made its number one; -1: not known.
        For all others themselves.
        """
        changes = self.changes
        maker = np.arange(len(changes.kind))
        flagged = np.flatnonzero((changes.kind == SAME) & (changes.source == changes.fd))
        maker[flagged], _ = self.find(changes.caller[flagged], changes.fd[flagged], changes.entered[flagged])
        for _ in range(_ROUNDS):
            known = flagged[maker[flagged] >= 0]
            further = maker[maker[known]]
            if (further == maker[known]).all():
                return maker
            maker[known] = further
        maker[flagged] = -1
        return maker

    def _search(self, tables: Integers, fds: Numbers, times: Integers) -> tuple[Integers, Integers]:
        found, reason = np.full(len(fds), -1), np.full(len(fds), NONE)
        reason[tables < 0] = OPENED_BEFORE
        rows = np.flatnonzero(tables >= 0)
        if self._calm.any():
            rows = self._find_settled(rows, tables, fds, times, found, reason)
        heads, group = self._alike(rows, tables, fds, times)
        of_heads = self._climb(tables[heads], fds[heads], times[heads])
        found[rows], reason[rows] = (of_head[group] for of_head in of_heads)
        return found, reason

    def _climb(self, tables: Integers, fds: Numbers, times: Integers) -> tuple[Integers, Integers]:
        """Looks numbers up in tables, and in those that these were copied from."""
        found, reason = np.full(len(fds), -1), np.full(len(fds), NONE)
        table, time, rows = tables.copy(), times.copy(), np.arange(len(fds))
        executed = np.zeros(len(fds), bool)
        while len(rows):
            rows = self._step(rows, fds, table, time, executed, found, reason)
        return found, reason

    def origins(self) -> tuple[Integers, Integers]:
        """For every change the one that first made what its descriptor is, -1 where that is not known, and why."""
        changes = self.changes
        origin, reason = np.arange(len(changes.kind)), np.where(changes.kind == UNKNOWN, changes.reason, NONE)
        copies = np.flatnonzero(changes.kind == SAME)
        origin[copies], reason[copies] = self.find(
            changes.caller[copies], changes.source[copies], changes.entered[copies]
        )
        for _ in range(_ROUNDS):
            known = copies[origin[copies] >= 0]
            further = origin[origin[known]]
            moved = further != origin[known]
            if not moved.any():
                break
            reason[known] = np.maximum(reason[known], reason[origin[known]])
            origin[known] = further
        lost = (changes.kind == SAME) & (origin >= 0)
        lost[lost] = changes.kind[origin[lost]] == SAME
        origin[lost], reason[lost] = -1, BASE_UNKNOWN
        known = copies[origin[copies] >= 0]
        reason[known] = reason[origin[known]]
        return origin, reason

    def _set_breaks(self, breaks: pa.Table) -> None:
        name = np.array(breaks["syscall"].to_pylist(), object)
        who, ended = callers(breaks), numbers(breaks, "ended", FOREVER)
        ranged = np.flatnonzero(name == "close_range")
        asked = numbers(breaks, "arg2", 0)[ranged]
        marks = asked & CLOSE_RANGE_CLOEXEC != 0
        when = np.where(marks, ended[ranged], numbers(breaks, "entered", 0)[ranged] + 1)
        executes = np.flatnonzero(np.isin(name, calls_that("executes")))
        no = np.zeros(len(name), bool)
        self._executes = AsOf(self._tables.of(who[executes], no[executes], ended[executes]), ended[executes])
        self._ranges = AsOf(self._tables.of(who[ranged], no[ranged], when), when)
        order = ranged[self._ranges.order]
        self._first = numbers(breaks, "arg0", 0)[order] & 0xFFFFFFFF
        self._last = numbers(breaks, "arg1", 0)[order] & 0xFFFFFFFF
        self._marks = marks[self._ranges.order]

    def _beginning_of_uring(self, rings: pa.Table) -> Integers:
        """From when on io_uring may have closed descriptors of each table unseen."""
        begins = np.full(len(self._tables.pid), FOREVER)
        if not self._coverage.uring:
            began = dict(zip(rings["pid"].to_pylist(), rings["at"].to_pylist(), strict=True))
            for pid, at in began.items():
                begins[self._tables.pid == pid] = at
        return begins

    def _calm_tables(self) -> Booleans:
        """In which tables nothing but changes and execs can have happened to descriptors."""
        tables = self._tables
        quiet = (tables.split == FOREVER) & (self._uring == FOREVER) & self._whole
        quiet[self._ranges.keys[self._ranges.keys >= 0]] = False
        calm: Booleans = quiet & ~self._losses.any_between(
            tables.pid, np.full(len(quiet), -FOREVER), np.full(len(quiet), FOREVER)
        )
        return calm

    def _settled_changes(self) -> Booleans:
        """For each position in :attr:`_slots`, whether its change says all until the next one of its number."""
        slots, closes_on_exec = self._slots, self.changes.close_on_exec[self._slots.order]
        table = self.table[slots.order]
        settled = (table >= 0) & self._calm[table] if len(self._calm) else np.zeros(len(table), bool)
        rows = np.flatnonzero(settled & closes_on_exec)
        executed = self._executes.next(table[rows], slots.times[rows])
        following = np.minimum(rows + 1, len(table) - 1)
        has_following = (following > rows) & (slots.keys[following] == slots.keys[rows])
        until = np.where(has_following, slots.times[following], FOREVER)
        when = self._executes.times[executed] if len(self._executes.times) else until
        settled[rows] = (executed < 0) | (when >= until)
        return settled

    def _find_settled(
        self, rows: Integers, tables: Integers, fds: Numbers, times: Integers, found: Integers, reason: Integers
    ) -> Integers:
        """Finds what the last change of a number in its own table says for certain; the rows that are left."""
        position = self._slots.last(_slot(tables[rows], fds[rows]), times[rows])
        settled = (position >= 0) & self._settled[position] if len(self._settled) else np.zeros(len(rows), bool)
        change = self._slots.order[position[settled]]
        is_closed = self.changes.kind[change] == CLOSED
        found[rows[settled]] = np.where(is_closed, -1, change)
        reason[rows[settled]] = np.where(is_closed, NOT_OPEN, NONE)
        left: Integers = rows[~settled]
        return left

    def _alike(self, rows: Integers, tables: Integers, fds: Numbers, times: Integers) -> tuple[Integers, Integers]:
        """Groups ``rows`` that have the same answer: one row of each group, and the place among these for each row.

        In a calm table the answer changes with what :meth:`_step` compares a time with, and with nothing else.
        """
        table, time = tables[rows], times[rows]
        slot = _slot(table, fds[rows])
        first, group = rows_alike(
            (
                slot,
                np.minimum(time, self._tables.born[table]),
                self._slots.last(slot, time),
                self._executes.last(table, time),
                (self._tables.snapshot[table] <= time).astype(np.int64),
                np.where(self._calm[table], -1, rows),
            )
        )
        return rows[first], group

    def _step(
        self,
        rows: Integers,
        fds: Numbers,
        table: Integers,
        time: Integers,
        executed: Booleans,
        found: Integers,
        reason: Integers,
    ) -> Integers:
        """Looks ``rows`` up in their tables; those to be looked up in the table that theirs was copied from."""
        tables, changes = self._tables, self.changes
        mine, until, fd = table[rows], time[rows], fds[rows]
        slot = _slot(mine, fd)
        position, later = self._slots.around(slot, until)
        change = self._slots.order[np.maximum(position, 0)] if len(self._slots.order) else position
        after = self._slots.order[np.maximum(later, 0)] if len(self._slots.order) else later
        # What nothing changed between now and the snapshot was then what it is now.
        ahead = (position < 0) & (later >= 0)
        ahead[ahead] = changes.snapshot[after[ahead]]
        change, known = np.where(ahead, after, change), (position >= 0) | ahead
        made = np.where(known, changes.at[change] if len(changes.at) else 0, tables.born[mine])
        since, end = np.minimum(made, until), np.maximum(np.where(known, made, until), until)

        closed = self._range_closed(mine, fd, since, until, executed[rows])
        # An exec matters to descriptors that it closes, and to those looked for in the table this one was copied from.
        touched = ~known if not len(self._ranges.order) else np.ones(len(rows), bool)
        touched |= known & (changes.close_on_exec[change] if len(changes.kind) else False)
        touched = np.flatnonzero(touched)
        executed[rows[touched]] |= self._executes.any_between(mine[touched], since[touched], until[touched])
        closed |= known & (changes.kind[change] == CLOSED) if len(changes.kind) else closed
        closed |= known & executed[rows] & (changes.close_on_exec[change] if len(changes.kind) else False)
        lost = self._losses.any_between(tables.pid[mine], since, end)

        parent, refused = tables.parent[mine], tables.refused[mine]
        snapshot = tables.snapshot[mine]
        missing = np.where((snapshot <= until) | ((snapshot < FOREVER) & (later < 0)), NOT_OPEN, OPENED_BEFORE)
        missing = np.where(fd <= CWD, OPENED_BEFORE, missing)
        inherits = (parent >= 0) & (refused == NONE)
        why = np.where(known, NONE, np.where(inherits, NONE, np.where(parent >= 0, refused, missing)))
        why = np.where(closed, NOT_OPEN, why)
        why = np.where(lost, CALLS_LOST, why)
        why = np.where(tables.split[mine] < until, SHARING_UNKNOWN, why)
        why = np.where((fd > CWD) & (self._uring[mine] <= end), NOT_FOLLOWED, why)
        why = np.where(self._whole[mine], why, NOT_RECORDED)

        reason[rows] = why
        done = known & (why == NONE)
        found[rows[done]] = change[done]
        up = ~known & (why == NONE)
        table[rows[up]], time[rows[up]] = parent[up], np.minimum(tables.born[mine[up]], until[up])
        further: Integers = rows[up]
        return further

    def _range_closed(
        self, table: Integers, fd: Numbers, since: Integers, until: Integers, executed: Booleans
    ) -> Booleans:
        """Whether a close_range between two times closed each number, or an exec after one that marked it.

        ``executed``: a child has executed a program since.
        """
        closed = np.zeros(len(table), bool)
        position = self._ranges.last(table, until)
        open_ = np.flatnonzero((position >= 0) & (fd >= 0))
        while len(open_):
            at = position[open_]
            same = (at >= 0) & (self._ranges.keys[at] == table[open_]) & (self._ranges.times[at] > since[open_])
            open_, at = open_[same], at[same]
            covered = (self._first[at] <= fd[open_]) & (fd[open_] <= self._last[at])
            executes = self._executes.any_between(table[open_], self._ranges.times[at], until[open_]) | executed[open_]
            closed[open_] |= covered & (~self._marks[at] | executes)
            open_ = open_[~closed[open_]]
            position[open_] -= 1
        return closed

    def _admit_ignorance(self, fds: Numbers, found: Integers, reason: Integers) -> None:
        """Takes back what cannot be known because calls that would have changed it were not to be recorded."""
        coverage, directory = self._coverage, fds <= CWD
        doubtful = (directory & (not coverage.moving) & (fds == CWD)) | (~directory & (not coverage.closing))
        doubtful |= (reason == NOT_OPEN) & (not coverage.making)
        found[doubtful], reason[doubtful] = -1, NOT_RECORDED


def _slot(table: Integers, fd: Numbers) -> Integers:
    return table << 32 | fd.astype(np.uint32)
