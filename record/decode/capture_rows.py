"""Captures other than paths, as rows of the tables that hold them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.kernel.captures import MOST_WORDS, STRUCTS, TIMESPEC_BYTES, captured_bytes
from bpfrec.formats.kernel.sockaddr import parse_sockaddr
from bpfrec.formats.schema import EXEC_ARGS, SOCKADDRS, TIMESPECS
from bpfrec.formats.schema import STRUCTS as STRUCT_TABLE
from bpfrec.record.decode.arrays import array_rows
from bpfrec.record.decode.captures import KINDS, Captures, SideRows, bytes_of, captures_of
from bpfrec.record.decode.contents import data_rows, string_rows
from bpfrec.record.decode.narrow import widened
from bpfrec.record.decode.text import choice, status

_SOCKADDR, _WAIT_STATUS, _MESSAGE = (KINDS.index(kind) for kind in ("sockaddr", "int", "msghdr"))
_FIRST_STRUCT = KINDS.index(next(iter(STRUCTS)))
_MESSAGE_MEMBERS = captured_bytes("msghdr")


def _members() -> NDArray[np.uint64]:
    """Returns, per kind and word, which bits belong to a member of the struct: the rest is padding."""
    masks = np.zeros((len(KINDS), MOST_WORDS), np.uint64)
    for kind, members in STRUCTS.items():
        for member in members:
            masks[KINDS.index(kind), member.word] |= np.uint64(((1 << member.bits) - 1) << member.shift)
    return masks


_MEMBERS = _members()

# A server sees the same few addresses again and again.
_parsed = lru_cache(maxsize=4096)(parse_sockaddr)


def capture_rows(records: wire.Records, first: NDArray[np.int8], kinds: NDArray[np.int8]) -> list[SideRows]:
    """Makes the rows for the captures of ``records``.

    ``first``: per call the argument whose data is inline, -1 for none; ``kinds``: per call and argument the index in
    :data:`KINDS`, int8 of shape (calls, 6).
    """
    captures = captures_of(records, first, kinds)
    if not len(captures.call):
        return []
    records, captures = widened(records, captures)
    is_address = (captures.kind == _SOCKADDR) & (captures.part == 0) | (captures.part == wire.NAME)
    found = [
        _timespecs(records, captures.of_kind("timespec")),
        _structs(records, captures),
        _sockaddrs(records, captures.where(is_address)),
        _exec_args(records, captures.of_kind("strings")),
        replace(_exec_args(records, captures.of_kind("environment")), is_environment=True),
        *array_rows(records, captures),
        *string_rows(records, captures),
        *data_rows(records, captures),
    ]
    return [rows for rows in found if len(rows.calls)]


def _timespecs(records: wire.Records, captures: Captures) -> SideRows:
    whole = captures.captured == TIMESPEC_BYTES
    at = np.where(whole, captures.at, 0) // 8
    words = records.data.view("<i8")
    rows = pa.table(
        {
            "arg": pa.array(captures.arg.astype(np.int16)),
            "tv_sec": pa.array(words.take(at, mode="clip"), mask=~whole),
            "tv_nsec": pa.array(words.take(at + 1, mode="clip"), mask=~whole),
            "status": status([(~whole, "unreadable")], len(whole)),
        }
    )
    return SideRows(TIMESPECS, rows, captures.call)


def _structs(records: wire.Records, captures: Captures) -> SideRows:
    # A wait4 that finds no child writes no status: the memory still holds what the caller had there.
    nothing = (captures.kind == _WAIT_STATUS) & (records.calls.ret[captures.call] == 0)
    # A length of 0 means that no condition of the capture held, or that the caller passed an empty buffer.
    nothing |= captures.captured == 0
    some = captures.where((captures.kind >= _FIRST_STRUCT) & (captures.part == 0) & ~nothing)
    # The iovecs of a message follow it; they become rows of arrays.
    captured = np.where(some.kind == _MESSAGE, np.minimum(some.captured, _MESSAGE_MEMBERS), some.captured)
    cut = some.cut & (some.kind != _MESSAGE)
    whole = captured >= 0
    at = np.where(whole, some.at, 0) // 8
    words = records.data.view("<u8")
    columns: dict[str, pa.Array] = {
        "arg": pa.array(some.arg.astype(np.int16)),
        "kind": choice(some.kind.astype(np.int32), KINDS),
    }
    for number in range(MOST_WORDS):
        left = captured - number * 8
        if not np.any(left > 0):
            columns[f"word{number}"] = pa.nulls(len(left), pa.uint64())
            continue
        # Bytes behind the last one, and padding between members, hold old data.
        unused = ((8 - np.clip(left, 1, 8)) * 8).astype(np.uint64)
        word = words.take(at + number, mode="clip") << unused >> unused & _MEMBERS[some.kind, number]
        columns[f"word{number}"] = pa.array(word, mask=left <= 0)
    columns["status"] = replace(some, cut=cut).status()
    return SideRows(STRUCT_TABLE, pa.table(columns), some.call)


def _sockaddrs(records: wire.Records, captures: Captures) -> SideRows:
    parsed = [_parsed(raw) for raw in bytes_of(records, captures)]
    escaped = np.fromiter((one.escaped for one in parsed), bool, len(parsed))
    rows = pa.table(
        {
            "arg": pa.array(captures.arg.astype(np.int16)),
            "family": pa.array([one.family for one in parsed], pa.int16()),
            "address": pa.array([one.address for one in parsed], pa.string()),
            "port": pa.array([one.port for one in parsed], pa.int32()),
            "status": status([(captures.captured < 0, "unreadable"), (escaped, "not-utf8")], len(parsed)),
            "extra": pa.array([one.extra for one in parsed], pa.int64()),
        }
    )
    return SideRows(SOCKADDRS, rows, captures.call)


def _exec_args(records: wire.Records, captures: Captures) -> SideRows:
    """Makes a row for each string of a vector. One that is not whole has one more row, with only a status."""
    call: list[int] = []
    arg: list[int] = []
    position: list[int] = []
    values: list[str | None] = []
    statuses: list[str | None] = []
    raws = bytes_of(records, captures)
    for owner, index, captured, cut, raw in zip(
        captures.call.tolist(),
        captures.arg.tolist(),
        captures.captured.tolist(),
        captures.cut.tolist(),
        raws,
        strict=True,
    ):
        parts = raw.split(b"\0")[:-1]
        texts = [part.decode("utf-8", "backslashreplace") for part in parts]
        states = [None if text.encode() == part else "not-utf8" for text, part in zip(texts, parts, strict=True)]
        strings: list[str | None] = [*texts]
        if cut or captured < 0:
            strings.append(None)
            states.append("truncated" if cut else "unreadable")
        call += [owner] * len(strings)
        arg += [index] * len(strings)
        position += range(len(strings))
        values += strings
        statuses += states
    rows = pa.table(
        {
            "arg": pa.array(arg, pa.int16()),
            "position": pa.array(position, pa.int32()),
            "value": pa.array(values, pa.string()),
            "status": pa.array(statuses, pa.string()),
        }
    )
    return SideRows(EXEC_ARGS, rows, np.array(call, np.int64))
