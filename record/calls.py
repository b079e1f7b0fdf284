"""Decoded records to rows of ``syscalls`` and ``timespecs``, a piece of a ring at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.selection import NATIVE_ABI
from bpfrec.formats.errnos import MAX_ERRNO, errno_names
from bpfrec.formats.syscalls import Syscall, by_number
from bpfrec.record.text import string_array

Integers = NDArray[np.int64]

_ABIS = (NATIVE_ABI, "i386", "x32")
_TABLE_SIZE = 1024
_UNFINISHED = ("thread-exited", "recording-stopped")
_EFAULT = 14


@dataclass
class CallRows:
    """Rows for ``syscalls`` (all columns but event_id, comm and stack_id) and for ``timespecs``.

    ``timespec_rows``: to which row of ``table`` each row of ``timespecs`` belongs.
    """

    table: pa.Table
    timespecs: pa.Table
    timespec_rows: Integers


@dataclass(frozen=True)
class _CallTable:
    """Facts per syscall number of one ABI, as arrays of ``_TABLE_SIZE``."""

    names: list[str | None]
    arity: NDArray[np.int8]
    first: NDArray[np.int8]
    second: NDArray[np.int8]
    paths: NDArray[np.int8]


@cache
def _table_of(abi: str) -> _CallTable:
    known: dict[int, Syscall] = by_number(NATIVE_ABI if abi == "x32" else abi)
    table = _CallTable(
        names=[None] * _TABLE_SIZE,
        arity=np.full(_TABLE_SIZE, 6, np.int8),
        first=np.full(_TABLE_SIZE, -1, np.int8),
        second=np.full(_TABLE_SIZE, -1, np.int8),
        paths=np.zeros(_TABLE_SIZE, np.int8),
    )
    for number, call in known.items():
        table.names[number] = call.name
        if call.arguments is not None:
            table.arity[number] = len(call.arguments)
        captured = [c.index for c in call.captures if abi == NATIVE_ABI or c.kind == "path"]
        for slot, argument in zip((table.first, table.second), captured, strict=False):
            slot[number] = argument
        table.paths[number] = len(call.paths)
    return table


def call_rows(records: wire.Records, cpu: int, still_running: bool = False) -> CallRows:
    """The rows for ``records``, drained from the ring of ``cpu``.

    ``still_running``: the records are calls that threads were in when recording stopped.
    """
    calls = records.calls
    no_return = np.full(len(calls), True) if still_running else (calls["flags"] & wire.NO_RETURN) != 0
    facts = _facts(calls)
    columns: dict[str, pa.Array] = {
        "ts_ns": pa.array(calls["ts"].astype(np.int64)),
        "duration_ns": pa.array(calls["duration"].astype(np.int64), mask=no_return),
        "pid": pa.array(calls["pid"].astype(np.int32)),
        "tid": pa.array(calls["tid"].astype(np.int32)),
        "uid": pa.array(calls["uid"].astype(np.int32)),
        "cpu": pa.array(np.full(len(calls), cpu, np.int16), mask=np.full(len(calls), still_running)),
        "abi": _choice(_abi_index(calls), _ABIS),
        "nr": pa.array(np.where(facts.in_range, calls["nr"], -1).astype(np.int16)),
        "syscall": facts.names,
    }
    for index in range(6):
        columns[f"arg{index}"] = pa.array(np.ascontiguousarray(calls["args"][:, index]), mask=facts.arity <= index)
    columns["ret"] = pa.array(calls["ret"], mask=no_return)
    columns["errno"] = _errno_column(np.where(no_return, 0, calls["ret"]))
    columns["path"], columns["path_status"] = _first_path(records, facts)
    columns["path2"], columns["path2_status"] = _second_path(records, facts)
    reason = np.where(no_return, int(still_running), -1)
    columns["unfinished"] = _choice(reason, _UNFINISHED)
    timespecs, rows = _timespecs(records, facts)
    return CallRows(pa.table(columns), timespecs, rows)


@dataclass
class _Facts:
    """What the syscall tables say about each call of a piece."""

    names: pa.Array
    in_range: NDArray[np.bool_]
    arity: NDArray[np.int8]
    first: NDArray[np.int8]
    second: NDArray[np.int8]
    paths: NDArray[np.int8]


def _abi_index(calls: NDArray[np.void]) -> Integers:
    flags = calls["flags"]
    return np.where(flags & wire.COMPAT, 1, np.where(flags & wire.X32, 2, 0))


def _facts(calls: NDArray[np.void]) -> _Facts:
    numbers, abis = calls["nr"].astype(np.int64), _abi_index(calls)
    in_range = (numbers >= 0) & (numbers <= np.iinfo(np.int16).max)
    rows = np.where(in_range & (numbers < _TABLE_SIZE), numbers, _TABLE_SIZE - 1)
    tables = [_table_of(abi) for abi in _ABIS]

    def fact(name: str) -> NDArray[np.int8]:
        stacked = np.stack([getattr(table, name) for table in tables])
        return stacked[abis, rows]

    pairs, inverse = np.unique(abis << 32 | (numbers & 0xFFFFFFFF), return_inverse=True)
    names = []
    for pair in pairs.tolist():
        number = pair & 0xFFFFFFFF
        known = tables[pair >> 32].names[number] if number < _TABLE_SIZE else None
        names.append(known or f"unknown_{number}")
    return _Facts(_choice(inverse, tuple(names)), in_range, fact("arity"), fact("first"), fact("second"), fact("paths"))


def _choice(indexes: NDArray[np.signedinteger], values: tuple[str, ...]) -> pa.Array:
    """``values[index]`` per row, NULL where the index is -1."""
    return pa.DictionaryArray.from_arrays(
        pa.array(indexes.astype(np.int32), mask=indexes < 0), pa.array(values, pa.string())
    ).cast(pa.string())


def _errno_column(ret: Integers) -> pa.Array:
    failed = (ret < 0) & (ret >= -MAX_ERRNO)
    codes, inverse = np.unique(np.where(failed, -ret, 0), return_inverse=True)
    known = errno_names()
    names = tuple(known.get(code, f"E{code}") for code in codes.tolist())
    return _choice(np.where(failed, inverse, -1), names)


def _status(pieces: list[tuple[NDArray[np.bool_], str]], rows: int) -> pa.Array:
    """The first status whose condition holds, per row; NULL where none does."""
    index = np.full(rows, -1)
    for number in range(len(pieces) - 1, -1, -1):
        index[pieces[number][0]] = number
    return _choice(index, tuple(name for _, name in pieces))


def _pointer(calls: NDArray[np.void], argument: NDArray[np.int8]) -> NDArray[np.uint64]:
    pointers: NDArray[np.uint64] = calls["args"][np.arange(len(calls)), np.maximum(argument, 0)]
    return pointers


def _first_path(records: wire.Records, facts: _Facts) -> tuple[pa.Array, pa.Array]:
    calls = records.calls
    is_path = facts.paths > 0
    aside = _aside(records, facts.first)
    lost = is_path & ((calls["flags"] & wire.SPILLED) != 0) & (aside < 0)
    return _path_columns(records, facts.first, aside, is_path, is_path & (calls["inline_size"] < 0), lost)


def _second_path(records: wire.Records, facts: _Facts) -> tuple[pa.Array, pa.Array]:
    is_path = facts.paths > 1
    aside = _aside(records, np.where(is_path, facts.second, -1))
    have = is_path & (aside >= 0)
    return _path_columns(records, facts.second, aside, have, np.zeros(len(have), bool), is_path & ~have)


def _path_columns(
    records: wire.Records,
    argument: NDArray[np.int8],
    aside: Integers,
    present: NDArray[np.bool_],
    unread: NDArray[np.bool_],
    lost: NDArray[np.bool_],
) -> tuple[pa.Array, pa.Array]:
    """The path in ``argument`` and its status, where ``present``: in the extra that ``aside`` names, or else inline."""
    calls = records.calls
    starts = records.call_data.copy()
    lengths = np.maximum(calls["inline_size"].astype(np.int64), 0)
    have = aside >= 0
    starts[have] = records.extra_data[aside[have]]
    lengths[have] = np.maximum(records.extras["size"][aside[have]], 0)
    null = (present | lost) & (_pointer(calls, argument) == 0)
    unreadable = present & ~null & (unread | _negative(records, aside))
    text, odd = string_array(records.data, starts, lengths, present & ~null & ~unreadable)
    truncated = have & (lengths >= wire.DATA_MAX - 1)
    return text, _status(
        [(null, "null"), (unreadable, "unreadable"), (lost, "lost"), (truncated, "truncated"), (odd, "not-utf8")],
        len(calls),
    )


def _aside(records: wire.Records, argument: NDArray[np.int8]) -> Integers:
    """Per call the index of the extra that holds ``argument``, -1 where there is none."""
    found = np.full(len(records.calls), -1, np.int64)
    which = np.flatnonzero((records.extras["kind"] == wire.KIND_DATA) & (records.extra_owner >= 0))
    owners = records.extra_owner[which]
    right = records.extras["arg"][which] == argument[owners]
    found[owners[right]] = which[right]
    return found


def _negative(records: wire.Records, aside: Integers) -> NDArray[np.bool_]:
    have = aside >= 0
    negative = np.zeros(len(aside), bool)
    negative[have] = records.extras["size"][aside[have]] < 0
    return negative


def _timespecs(records: wire.Records, facts: _Facts) -> tuple[pa.Table, Integers]:
    rows = np.flatnonzero((facts.first >= 0) & (facts.paths == 0))
    calls = records.calls[rows]
    arguments = facts.first[rows]
    whole = calls["inline_size"] == 16
    at = np.where(whole, records.call_data[rows], 0) // 8
    words = records.data.view("<i8")
    null = _pointer(calls, arguments) == 0
    table = pa.table(
        {
            "arg": pa.array(arguments.astype(np.int16)),
            "tv_sec": pa.array(words[at], mask=~whole),
            "tv_nsec": pa.array(words[at + 1], mask=~whole),
            "status": _status([(null, "null"), (~whole, "unreadable")], len(rows)),
        }
    )
    return table, rows
