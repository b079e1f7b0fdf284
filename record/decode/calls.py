"""Decoded records to rows of ``syscalls`` and of the tables of captures, a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.selection import NATIVE_ABI
from bpfrec.formats.kernel.errnos import MAX_ERRNO, errno_names
from bpfrec.formats.kernel.syscalls import Syscall, by_number
from bpfrec.record.decode.capture_rows import capture_rows
from bpfrec.record.decode.captures import KINDS, SideRows
from bpfrec.record.decode.interrupted import returns_from_handler
from bpfrec.record.decode.text import CODES, choice, status, string_array

Integers = NDArray[np.int64]

_ABIS = (NATIVE_ABI, "i386", "x32")
_TABLE_SIZE = 1024
# Calls that only 32-bit programs make, and what points at all that they are given.
_ARGUMENTS_IN_MEMORY = {"socketcall": 1}
# include/uapi/linux/futex.h: WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2; without the flags above.
_FUTEX_WAITS = (0, 6, 9, 11, 13)
_FUTEX_COMMAND = 0x7F
_ENTRY_STATUS = ("before-recording", "refused")
_UNFINISHED = ("thread-exited", "recording-stopped")
# Which of _ABIS the flags COMPAT and X32 stand for.
_ABI_OF_FLAGS = np.array([0, 1, 2, 1], np.int32)


@dataclass
class CallRows:
    """Rows for ``syscalls``, all columns except event_id, comm and stack_id, and ``captures`` of these calls.

    Columns of few distinct strings are dictionary arrays. ``ends``: when the first of the calls ended, ns on
    CLOCK_MONOTONIC. ``unread_32_bit``: how many calls point at memory that is copied of 64-bit programs only.
    """

    table: pa.Table
    captures: list[SideRows]
    ends: int
    unread_32_bit: int


class Choice(NamedTuple):
    """A condition: ``argument`` is captured if the argument ``when`` is from ``values[0]`` to ``values[1]``."""

    argument: int
    when: int
    values: tuple[int, int]


@dataclass(frozen=True)
class _CallTables:
    """Facts per syscall number: ``_TABLE_SIZE`` rows for each of ``_ABIS``, the last of each for unknown numbers.

    ``names``: the distinct names; ``name``: index into them, -1: none. ``first``, ``second``: the arguments captured at
    entry, -1: none. ``paths``: how many of these are paths. ``kinds``: see ``capture_rows()``. ``choices``: by index of
    the name, what is captured only if another argument says so. ``unread``: an argument that points at what is copied
    of 64-bit programs only, -1: none.
    """

    names: tuple[str, ...]
    name: NDArray[np.int32]
    first: NDArray[np.int8]
    second: NDArray[np.int8]
    paths: NDArray[np.int8]
    kinds: NDArray[np.int8]
    futexes: tuple[int, ...]
    choices: dict[int, list[Choice]]
    unread: NDArray[np.int8]


@cache
def _tables() -> _CallTables:
    rows = len(_ABIS) * _TABLE_SIZE
    names: dict[str, int] = {}
    name = np.full(rows, -1, np.int32)
    first, second = np.full(rows, -1, np.int8), np.full(rows, -1, np.int8)
    paths, unread = np.zeros(rows, np.int8), np.full(rows, -1, np.int8)
    kinds = np.zeros((rows, wire.ARGS), np.int8)
    choices: dict[int, list[Choice]] = {}
    for base, abi in zip(range(0, rows, _TABLE_SIZE), _ABIS, strict=True):
        known: dict[int, Syscall] = by_number(NATIVE_ABI if abi == "x32" else abi)
        for number, call in known.items():
            name[base + number] = names.setdefault(call.name, len(names))
            captured = call.captures_for(abi)
            for slot, capture in zip((first, second), captured, strict=False):
                slot[base + number] = -1 if capture.at_exit else capture.index
            for capture in captured:
                if capture.kind == "buffers":
                    continue
                if capture.when is not None:
                    choice_of = Choice(capture.index, capture.when, capture.values)
                    choices.setdefault(names[call.name], []).append(choice_of)
                kinds[base + number, capture.index] = KINDS.index(capture.kind)
            paths[base + number] = len(call.paths)
            unread[base + number] = _unread_argument(call, abi)
    futexes = (names["futex"], names["futex_time64"])
    return _CallTables(tuple(names), name, first, second, paths, kinds, futexes, choices, unread)


def _unread_argument(call: Syscall, abi: str) -> int:
    """The first argument whose memory is copied, but not for callers of ``abi``; -1: there is none."""
    if abi == "i386" and "x86_64" not in call.numbers:
        return _ARGUMENTS_IN_MEMORY.get(call.name, -1)
    copied = {capture.index for capture in call.captures_for(abi)}
    names = {argument.name: argument.index for argument in call.arguments_for(abi) or ()}
    wanted = [argument.name for argument in call.arguments or () if argument.index in {c.index for c in call.captures}]
    left = [names[name] for name in wanted if name in names and names[name] not in copied]
    return left[0] if left else 0 if wanted and not names.keys() & set(wanted) else -1


def call_rows(records: wire.Records, still_running: bool = False) -> CallRows:
    """Makes the rows for ``records``.

    ``still_running``: these are the calls in progress when recording stopped.
    """
    calls = records.calls
    no_return = (calls.flags & wire.NO_RETURN) != 0
    returned = None if not no_return.any() else no_return
    facts = _facts(calls)
    columns: dict[str, pa.Array] = {
        "ts_ns": pa.array(calls.ts),
        "duration_ns": pa.array(calls.duration, mask=returned),
        "pid": pa.array(calls.pid),
        "tid": pa.array(calls.tid),
        "uid": pa.array(calls.uid),
        "cpu": pa.nulls(len(calls), pa.int16()) if still_running else pa.array(calls.cpu),
        "abi": choice(facts.abi, _ABIS),
        "nr": pa.array(facts.nr),
        "syscall": choice(facts.name, facts.names),
    }
    most = int(calls.nargs.max(initial=0))
    for index in range(wire.ARGS):
        columns[f"arg{index}"] = (
            pa.array(calls.argument(index), mask=calls.nargs <= index)
            if index < most
            else pa.nulls(len(calls), pa.uint64())
        )
    columns["ret"] = pa.array(calls.ret, mask=returned)
    columns["errno"] = errno_column(calls.ret, no_return | returns_from_handler(calls))
    columns["path"], columns["path_status"] = _first_path(records, facts)
    columns["path2"], columns["path2_status"] = _second_path(records, facts)
    columns["unfinished"] = (
        pa.nulls(len(calls), CODES)
        if returned is None
        else choice(np.where(returned, np.int32(still_running), np.int32(-1)), _UNFINISHED)
    )
    columns["entry_status"] = _entry_status(calls)
    captures = capture_rows(records, facts.first, facts.kinds)
    ends = int(calls.ts[0] + calls.duration[0]) if len(calls) else 0
    unread = (calls.pointer(facts.unread) != 0) & (facts.unread >= 0)
    return CallRows(pa.table(columns), captures, ends, int(np.count_nonzero(unread)))


@dataclass
class _Facts:
    """What the syscall tables say about each call of a batch; members as in :class:`_CallTables`."""

    abi: NDArray[np.int32]
    nr: NDArray[np.int16]
    name: NDArray[np.int32]
    names: tuple[str, ...]
    first: NDArray[np.int8]
    second: NDArray[np.int8]
    paths: NDArray[np.int8]
    kinds: NDArray[np.int8]
    unread: NDArray[np.int8]


def _facts(calls: wire.Calls) -> _Facts:
    tables = _tables()
    abi = _ABI_OF_FLAGS[calls.flags & (wire.COMPAT | wire.X32)]
    numbers = calls.nr
    known = (numbers >= 0) & (numbers < _TABLE_SIZE - 1)
    row = np.where(known, numbers, _TABLE_SIZE - 1) + abi * np.intp(_TABLE_SIZE)
    name, names = tables.name.take(row, mode="clip"), tables.names
    nameless = np.flatnonzero(name < 0)
    if len(nameless):
        unknown, inverse = np.unique(numbers[nameless], return_inverse=True)
        name[nameless] = len(names) + inverse
        names = (*names, *(f"unknown_{number}" for number in unknown.tolist()))
    in_range = known | ((numbers >= 0) & (numbers <= np.iinfo(np.int16).max))
    return _Facts(
        abi=abi,
        nr=np.where(in_range, numbers, -1).astype(np.int16),
        name=name,
        names=names,
        **{fact: getattr(tables, fact).take(row, mode="clip") for fact in ("first", "second", "paths", "unread")},
        kinds=_kinds(calls, name, tables, row),
    )


def _entry_status(calls: wire.Calls) -> pa.Array:
    unseen = (calls.flags & wire.NO_ENTRY) != 0
    if not unseen.any():
        return pa.nulls(len(calls), CODES)
    earlier = (calls.flags & wire.EARLIER) != 0
    return choice(np.where(unseen, np.where(earlier, np.int32(0), np.int32(1)), np.int32(-1)), _ENTRY_STATUS)


@cache
def _errno_table() -> tuple[str, ...]:
    known = errno_names()
    return tuple(known.get(code, f"E{code}") for code in range(MAX_ERRNO + 1))


def _kinds(calls: wire.Calls, name: NDArray[np.int32], tables: _CallTables, row: NDArray[np.intp]) -> NDArray[np.int8]:
    kinds = tables.kinds.take(row, axis=0, mode="clip")
    there = set(np.flatnonzero(np.bincount(name)).tolist())
    for code in there.intersection(tables.futexes):
        _clear_wakes(calls, np.flatnonzero(name == code), kinds)
    for code in there.intersection(tables.choices):
        _clear_unchosen(calls, np.flatnonzero(name == code), tables.choices[code], kinds)
    return kinds


def _clear_wakes(calls: wire.Calls, futexes: Integers, kinds: NDArray[np.int8]) -> None:
    """Clears the kinds of futex calls that do not wait: only a wait has a timeout. See futex(2)."""
    operations = calls.argument(1)[futexes] & np.uint64(_FUTEX_COMMAND)
    kinds[futexes[~np.isin(operations, _FUTEX_WAITS)]] = 0


def _clear_unchosen(calls: wire.Calls, which: Integers, choices: list[Choice], kinds: NDArray[np.int8]) -> None:
    """Clears the kinds of arguments of the calls ``which`` whose conditions all failed."""
    for argument in {one.argument for one in choices}:
        taken = np.zeros(len(which), bool)
        for one in choices:
            value = calls.argument(one.when)[which] & np.uint64(0xFFFFFFFF)
            taken |= (one.argument == argument) & (value >= one.values[0]) & (value <= one.values[1])
        kinds[which[~taken], argument] = 0


def errno_column(ret: Integers, cannot_fail: NDArray[np.bool_]) -> pa.Array:
    """The name of the error in each result; NULL for those that are none, and where the call ``cannot_fail``."""
    failed = (ret < 0) & (ret >= -MAX_ERRNO) & ~cannot_fail
    if not failed.any():
        return pa.nulls(len(ret), CODES)
    codes = np.where(failed, -ret, 0).astype(np.int32)
    there = np.flatnonzero(np.bincount(codes, minlength=1))
    there = there[there > 0]
    place = np.full(MAX_ERRNO + 1, -1, np.int32)
    place[there] = np.arange(len(there))
    names = _errno_table()
    return choice(place[codes], [names[code] for code in there.tolist()])


def _first_path(records: wire.Records, facts: _Facts) -> tuple[pa.Array, pa.Array]:
    calls = records.calls
    is_path = facts.paths > 0
    if not is_path.any():
        return _no_paths(len(calls))
    aside = _aside(records, facts.first)
    lost = is_path & ((calls.flags & wire.SPILLED) != 0) & (aside < 0)
    return _path_columns(records, facts.first, aside, is_path, is_path & (calls.captured < 0), lost)


def _second_path(records: wire.Records, facts: _Facts) -> tuple[pa.Array, pa.Array]:
    is_path = facts.paths > 1
    if not is_path.any():
        return _no_paths(len(records.calls))
    aside = _aside(records, np.where(is_path, facts.second, -1))
    have = is_path & (aside >= 0)
    return _path_columns(records, facts.second, aside, have, np.zeros(len(have), bool), is_path & ~have)


def _no_paths(rows: int) -> tuple[pa.Array, pa.Array]:
    return pa.nulls(rows, pa.string()), pa.nulls(rows, CODES)


def _path_columns(
    records: wire.Records,
    argument: NDArray[np.int8],
    aside: Integers,
    present: NDArray[np.bool_],
    unread: NDArray[np.bool_],
    lost: NDArray[np.bool_],
) -> tuple[pa.Array, pa.Array]:
    """Makes the columns of a path and its status, for calls that have it (``present``).

    It stands in the extra record number ``aside``, or inline where that is -1.
    """
    calls = records.calls
    starts = calls.data_at.copy()
    lengths = np.maximum(calls.captured.astype(np.int64), 0)
    have = aside >= 0
    starts[have] = records.extra_data[aside[have]]
    lengths[have] = np.maximum(records.extras["captured"][aside[have]], 0)
    null = (present | lost) & (calls.pointer(argument) == 0)
    untried = present & ~null & (calls.captured == wire.NOT_CAPTURED)
    unreadable = present & ~null & ~untried & (unread | _negative(records, aside))
    text, odd = string_array(records.data, starts, lengths, present & ~null & ~untried & ~unreadable)
    truncated = have & (lengths >= wire.DATA_MAX - 1)
    return text, status(
        [
            (null, "null"),
            (untried, "not-captured"),
            (unreadable, "unreadable"),
            (lost, "lost"),
            (truncated, "truncated"),
            (odd, "not-utf8"),
        ],
        len(calls),
    )


def _aside(records: wire.Records, argument: NDArray[np.int8]) -> Integers:
    """Returns per call the index of the extra record that holds ``argument``, -1 where there is none."""
    found = np.full(len(records.calls), -1, np.int64)
    which = np.flatnonzero(records.extras["kind"] == wire.KIND_DATA)
    owners = records.extra_owner[which]
    right = records.extras["arg"][which] == argument[owners]
    found[owners[right]] = which[right]
    return found


def _negative(records: wire.Records, aside: Integers) -> NDArray[np.bool_]:
    have = aside >= 0
    negative = np.zeros(len(aside), bool)
    negative[have] = records.extras["captured"][aside[have]] < 0
    return negative
