"""What calls point at besides paths, as rows of ``timespecs``, ``structs``, ``sockaddrs`` and ``exec_args``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.captures import MOST_WORDS, STRUCTS, TIMESPEC_BYTES, struct_bytes
from bpfrec.formats.schema import EXEC_ARGS, SOCKADDRS, TIMESPECS, Table
from bpfrec.formats.schema import STRUCTS as STRUCT_TABLE
from bpfrec.formats.sockaddr import parse_sockaddr
from bpfrec.record.text import choice, status

Integers = NDArray[np.int64]

KINDS = ("", "path", "timespec", "sockaddr", "strings", *STRUCTS)
"""What an argument can point at; the place in here stands for it in arrays. '': nothing that is copied."""

_PATH, _TIMESPEC, _SOCKADDR, _STRINGS = (KINDS.index(kind) for kind in ("path", "timespec", "sockaddr", "strings"))
_FIRST_STRUCT = _STRINGS + 1
_WAIT_STATUS = KINDS.index("int")
_SIZES = np.array([0] * _FIRST_STRUCT + [struct_bytes(kind) for kind in STRUCTS], np.int64)


# A server sees the same few again and again.
_parsed = lru_cache(maxsize=4096)(parse_sockaddr)


@dataclass
class SideRows:
    """Rows for ``table`` without their event_id; ``calls``: to which call of the piece each belongs."""

    table: Table
    rows: pa.Table
    calls: Integers


@dataclass
class _Pieces:
    """Copied user memory: whose call, which argument, what kind, where (bytes), its bytes or -errno, and if cut."""

    call: Integers
    arg: NDArray[np.int8]
    kind: NDArray[np.int8]
    at: Integers
    captured: Integers
    cut: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.bool_]) -> _Pieces:
        return _Pieces(
            self.call[chosen],
            self.arg[chosen],
            self.kind[chosen],
            self.at[chosen],
            self.captured[chosen],
            self.cut[chosen],
        )


def pointed_rows(records: wire.Records, first: NDArray[np.int8], kinds: NDArray[np.int8]) -> list[SideRows]:
    """The rows for ``records``.

    ``first``: per call the argument whose data is inline, -1 for none; ``kinds``: per call and argument the index in
    :data:`KINDS`, int8 of shape (calls, 6).
    """
    pieces = _pieces(records, first, kinds)
    if not len(pieces.call):
        return []
    # A NULL pointer is in the arguments for all to see.
    there = pieces.where(records.calls.pointers(pieces.call, pieces.arg) != 0)
    found = [
        _timespecs(records, there),
        _structs(records, there),
        _sockaddrs(records, there),
        _exec_args(records, there),
    ]
    return [rows for rows in found if len(rows.calls)]


def _pieces(records: wire.Records, first: NDArray[np.int8], kinds: NDArray[np.int8]) -> _Pieces:
    calls = records.calls
    inline = np.flatnonzero(first >= 0)
    inline_kind = kinds[inline, first[inline]]
    inline, inline_kind = inline[inline_kind > _PATH], inline_kind[inline_kind > _PATH]
    aside = np.flatnonzero((records.extras["kind"] == wire.KIND_DATA) & (records.extras["arg"] < wire.ARGS))
    owner = records.extra_owner[aside]
    extras = records.extras[aside]
    aside_kind = kinds[owner, extras["arg"]]
    wanted = aside_kind > _PATH
    return _Pieces(
        call=np.concatenate([inline, owner[wanted]]),
        arg=np.concatenate([first[inline], extras["arg"][wanted].astype(np.int8)]),
        kind=np.concatenate([inline_kind, aside_kind[wanted]]),
        at=np.concatenate([calls.data_at[inline], records.extra_data[aside][wanted]]),
        captured=np.concatenate([calls.captured[inline], extras["captured"][wanted]]).astype(np.int64),
        cut=np.concatenate([np.zeros(len(inline), bool), (extras["flags"][wanted] & wire.CUT) != 0]),
    )


def _timespecs(records: wire.Records, pieces: _Pieces) -> SideRows:
    some = pieces.where(pieces.kind == _TIMESPEC)
    whole = some.captured == TIMESPEC_BYTES
    at = np.where(whole, some.at, 0) // 8
    words = records.data.view("<i8")
    rows = pa.table(
        {
            "arg": pa.array(some.arg.astype(np.int16)),
            "tv_sec": pa.array(words.take(at, mode="clip"), mask=~whole),
            "tv_nsec": pa.array(words.take(at + 1, mode="clip"), mask=~whole),
            "status": status([(~whole, "unreadable")], len(whole)),
        }
    )
    return SideRows(TIMESPECS, rows, some.call)


def _structs(records: wire.Records, pieces: _Pieces) -> SideRows:
    # wait4 that finds nobody gives no status: what stands there is the caller's.
    nothing = (pieces.kind == _WAIT_STATUS) & (records.calls.ret[pieces.call] == 0)
    some = pieces.where((pieces.kind >= _FIRST_STRUCT) & ~nothing)
    sizes = _SIZES[some.kind]
    whole = some.captured == sizes
    at = np.where(whole, some.at, 0) // 8
    words = records.data.view("<u8")
    columns: dict[str, pa.Array] = {
        "arg": pa.array(some.arg.astype(np.int16)),
        "kind": choice(some.kind.astype(np.int32), KINDS),
    }
    for number in range(MOST_WORDS):
        there = whole & (sizes > number * 8)
        word = words.take(at + number, mode="clip")
        word = np.where(sizes - number * 8 < 8, word & np.uint64(0xFFFFFFFF), word)
        columns[f"word{number}"] = pa.array(word, mask=~there)
    columns["status"] = status([(~whole, "unreadable")], len(whole))
    return SideRows(STRUCT_TABLE, pa.table(columns), some.call)


def _sockaddrs(records: wire.Records, pieces: _Pieces) -> SideRows:
    some = pieces.where(pieces.kind == _SOCKADDR)
    parsed = [_parsed(raw) for raw in _bytes(records, some)]
    escaped = np.fromiter((one.escaped for one in parsed), bool, len(parsed))
    rows = pa.table(
        {
            "arg": pa.array(some.arg.astype(np.int16)),
            "family": pa.array([one.family for one in parsed], pa.int16()),
            "address": pa.array([one.address for one in parsed], pa.string()),
            "port": pa.array([one.port for one in parsed], pa.int32()),
            "status": status([(some.captured < 0, "unreadable"), (escaped, "not-utf8")], len(parsed)),
            "extra": pa.array([one.extra for one in parsed], pa.int64()),
        }
    )
    return SideRows(SOCKADDRS, rows, some.call)


def _exec_args(records: wire.Records, pieces: _Pieces) -> SideRows:
    """A row for each string; one more, with its status alone, where the vector is not whole."""
    some = pieces.where(pieces.kind == _STRINGS)
    call: list[int] = []
    arg: list[int] = []
    position: list[int] = []
    values: list[str | None] = []
    statuses: list[str | None] = []
    raws = _bytes(records, some)
    for owner, index, captured, cut, raw in zip(
        some.call.tolist(), some.arg.tolist(), some.captured.tolist(), some.cut.tolist(), raws, strict=True
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


def _bytes(records: wire.Records, pieces: _Pieces) -> list[bytes]:
    data = records.data.data
    ends = pieces.at + np.maximum(pieces.captured, 0)
    return [bytes(data[start:end]) for start, end in zip(pieces.at.tolist(), ends.tolist(), strict=True)]
