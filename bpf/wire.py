"""The numpy side of ``programs/wire.h``: finds and reads the records of calls in what the rings held.

A test compiles the header and compares all sizes and offsets with the dtypes here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf.perf_records import HEADER, SAMPLE, perf_records

KIND_SYSCALL, KIND_DATA, KIND_STACK, KIND_PROCESS, KIND_PATH, KIND_SIGNAL, KIND_URING = 1, 2, 3, 4, 5, 6, 7

BORN, ENDED, URING_CLOSE = 1, 2, 3
"""In ``what`` of a ``struct wire_process``."""

COMPAT, X32, NO_RETURN, RETRIED, SPILLED, NO_ENTRY, EARLIER, INLINE_CUT = 1, 2, 4, 8, 16, 32, 64, 128

NOT_CAPTURED = -61
"""In ``captured`` of a call: its memory was not read. It is -ENODATA, an error that reading does not give."""

ARGS = 6
DATA_MAX = 4104
FRAMES = 127
INLINE_BYTES = 256

SYSCALL = np.dtype(
    [
        ("size", "<u2"),
        ("captured", "<i2"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("nargs", "u1"),
        ("reserved", "u1"),
        ("ts", "<u8"),
        ("duration", "<u8"),
        ("ret", "<i8"),
        ("pid", "<u4"),
        ("tid", "<u4"),
        ("uid", "<u4"),
        ("nr", "<i4"),
    ]
)
"""``struct wire_syscall``, 48 bytes; ``nargs`` arguments of 8 bytes and the inline data follow it."""

EXTRA = np.dtype([("size", "<u2"), ("captured", "<i2"), ("kind", "u1"), ("arg", "u1"), ("flags", "<u2")])
"""``struct wire_data`` and ``struct wire_stack`` up to their data, 8 bytes."""

PROCESS = np.dtype(
    [
        ("size", "<u2"),
        ("captured", "<i2"),
        ("kind", "u1"),
        ("what", "u1"),
        ("reserved", "<u2"),
        ("ts", "<u8"),
        ("pid", "<u4"),
        ("status", "<u4"),
        ("ns_pid", "<u4"),
        ("pid_ns", "<u4"),
        ("uid", "<u4"),
        ("tid", "<u4"),
    ]
)
"""``struct wire_process``, 40 bytes."""

SIGNAL = np.dtype(
    [
        ("size", "<u2"),
        ("captured", "<i2"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("reserved", "<u2"),
        ("ts", "<u8"),
        ("pid", "<u4"),
        ("tid", "<u4"),
        ("uid", "<u4"),
        ("signal", "<i4"),
        ("handler", "<u8"),
        ("comm", "V16"),
        ("info", "V48"),
    ]
)
"""``struct wire_signal``, 104 bytes."""

SIGNAL_NO_INFO = 1
"""In ``flags`` of a ``struct wire_signal``: the kernel has no siginfo for it."""

URING = np.dtype(
    [
        ("size", "<u2"),
        ("captured", "<i2"),
        *((name, "u1") for name in ("kind", "flags", "opcode", "entry_flags")),
        *((name, "<u8") for name in ("ts", "end", "user_data", "off", "addr", "call")),
        *((name, "<u4") for name in ("pid", "tid", "uid")),
        ("fd", "<i4"),
        *((name, "<u4") for name in ("len", "op_flags")),
        ("ret", "<i4"),
        ("cqe_flags", "<u4"),
        ("file_index", "<i4"),
        ("ioprio", "<u2"),
        ("reserved", "<u2"),
        *((name, "<i2") for name in ("path", "path2")),
        ("comm", "V16"),
        ("rest", "V4"),
    ]
)
"""``struct wire_uring``, 120 bytes; ``captured`` bytes of paths follow it."""

URING_POLLED, URING_UNREAD, URING_HANDED_OVER, URING_UNTOLD, URING_EARLIER, URING_NO_REQUEST, URING_REFUSED = (
    1 << bit for bit in range(7)
)
"""In ``flags`` of a ``struct wire_uring``."""

SLOT_CALL, SLOT_ARGS, SLOT_DATA, SLOT_STRUCT = 16, 64, 112, 368
"""Where ``struct call_slot`` has its call, its arguments, its inline data, and a ``struct wire_struct``."""

PATH_CAPPED, PATH_LOST, PATH_32_BIT, PATH_KNOWN = 1, 2, 4, 8
"""In ``flags`` of a ``struct wire_path``. Its data is the snapshot's number, 0: none, and :func:`.mixed_shifts`."""

CUT, AT_EXIT = 1, 2
"""In ``flags`` of a ``struct wire_data``: only the beginning was copied; it was copied at exit."""

ASIDE = 8
"""How many captures can be kept aside for one call."""

NAME, CONTROL, CONTENTS = 8, 16, 32
"""In ``arg`` of a ``struct wire_data``, above the bits of the argument: which part of a message or vector it is."""
ARG_BITS = 7

# Length of the batch, and how many calls are in it: the head of struct wire_batch.
_SAMPLE_HEAD = struct.Struct("<II")
_WORD = 8
_MOST_IN_SAMPLE = 4096

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]


@dataclass
class Calls:
    """System calls by column, each an array of one element per call: the members of ``struct wire_syscall``.

    ``cpu``: in whose ring it was, -1: in none. ``data_at``: where the inline data starts, in bytes from the start of
    the decoded data.
    """

    ts: Integers
    duration: Integers
    ret: Integers
    pid: NDArray[np.int32]
    tid: NDArray[np.int32]
    uid: NDArray[np.int32]
    nr: NDArray[np.int32]
    flags: NDArray[np.uint8]
    nargs: NDArray[np.uint8]
    captured: NDArray[np.int16]
    cpu: NDArray[np.int16]
    data_at: Integers
    _words: Words
    _args_at: Integers

    def __len__(self) -> int:
        return len(self.ts)

    def where(self, chosen: NDArray[np.bool_]) -> Calls:
        """Returns those that are ``chosen``: one bool for each."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        shared = columns.pop("_words")
        return Calls(**{name: column[chosen] for name, column in columns.items()}, _words=shared)

    def argument(self, index: int) -> NDArray[np.uint64]:
        """Argument ``index`` (0-5) of every call; meaningless for a call with fewer arguments."""
        return self._words.take(self._args_at + index, mode="clip")

    def pointer(self, index: NDArray[np.int8]) -> NDArray[np.uint64]:
        """Argument ``index[i]`` of call ``i``; -1 is taken for 0."""
        return self._words.take(self._args_at + np.maximum(index, 0), mode="clip")

    def pointers(self, calls: Integers, index: NDArray[np.int8]) -> NDArray[np.uint64]:
        """Argument ``index[i]`` of call ``calls[i]``."""
        return self._words.take(self._args_at[calls] + index, mode="clip")


class Part(NamedTuple):
    """A part of the stream of the ring of ``cpu`` (-1: of none); ``end``: where it ends, in bytes, a multiple of 8."""

    cpu: int
    end: int


@dataclass
class Records:
    """The records found in ``data``, parts of rings' streams; positions are bytes from its start.

    ``extras`` (dtype :data:`EXTRA`), ``extra_data`` (where the data of each starts) and ``extra_owner`` (the index in
    ``calls`` of the call that it belongs to) run in parallel. ``processes`` (dtype :data:`PROCESS`): births and ends of
    processes. ``signals`` (dtype :data:`SIGNAL`): signals that threads were given. ``requests`` (dtype :data:`URING`):
    requests to io_uring, each with where its paths start in ``request_data``. ``consumed``: bytes that are dealt with;
    the rest, of the last part, is a perf record that is cut off, to be given again.
    """

    data: Bytes
    calls: Calls
    extras: NDArray[np.void]
    extra_data: Integers
    extra_owner: Integers
    processes: NDArray[np.void]
    signals: NDArray[np.void]
    requests: NDArray[np.void]
    request_data: Integers
    consumed: int

    def where(self, chosen: NDArray[np.bool_]) -> Records:
        """Returns the calls that are ``chosen``, one bool for each, and what belongs to them; all else stays."""
        owned = chosen[self.extra_owner]
        return replace(
            self,
            calls=self.calls.where(chosen),
            extras=self.extras[owned],
            extra_data=self.extra_data[owned],
            extra_owner=(np.cumsum(chosen) - 1)[self.extra_owner[owned]],
        )


def decode(data: Bytes, parts: Sequence[Part] | None = None) -> Records:
    """The records in ``data``, of which each part starts at a perf record. None: it is all one, of no ring.

    Its length is a multiple of 8. Records are found by their sizes and never by their content, so user memory cannot
    pass for a record.
    """
    words = data.view("<u8")
    parts = [Part(-1, len(data))] if parts is None else parts
    first, behind, consumed = _batches(data, parts)
    starts = _record_starts(words, first, behind)
    heads = words.take(starts, mode="clip")
    sound = _are_whole(heads)
    if not sound.all():
        starts, heads = starts[sound], heads[sound]
    kinds = _byte(heads, 4)
    is_call = kinds == KIND_SYSCALL
    is_process, is_signal, is_request = kinds == KIND_PROCESS, kinds == KIND_SIGNAL, kinds == KIND_URING
    is_extra = ~(is_call | is_process | is_signal | is_request)
    call_positions, extra_positions = np.flatnonzero(is_call), np.flatnonzero(is_extra)
    owner = np.searchsorted(call_positions, extra_positions)
    owned = owner < len(call_positions)
    extra_at = starts[extra_positions[owned]]
    return Records(
        data=data,
        calls=_calls(words, starts if len(call_positions) == len(starts) else starts[call_positions], parts),
        extras=words[extra_at].view(EXTRA),
        extra_data=(extra_at + 1) * _WORD,
        extra_owner=owner[owned],
        processes=_whole_records(words, starts[is_process], PROCESS),
        signals=_whole_records(words, starts[is_signal], SIGNAL),
        requests=_whole_records(words, starts[is_request], URING),
        request_data=starts[is_request] * _WORD + URING.itemsize,
        consumed=consumed * _WORD,
    )


def few_records(
    ts: Integers,
    pid: NDArray[np.int32],
    tid: NDArray[np.int32],
    extras: NDArray[np.void],
    words: Words,
    starts: Integers,
    owners: Integers,
) -> Records:
    """Records of calls of which only ``ts``, ``pid`` and ``tid`` are known.

    ``extras`` are those of the calls ``owners``; what they hold begins at ``starts`` in ``words``.
    """
    size = len(ts)
    zeros = np.zeros(size, np.int64)
    small = np.zeros(size, np.uint8)
    calls = Calls(
        ts=ts,
        duration=zeros,
        ret=zeros,
        pid=pid,
        tid=tid,
        uid=zeros.astype(np.int32),
        nr=zeros.astype(np.int32),
        flags=small,
        nargs=small,
        captured=zeros.astype(np.int16),
        cpu=np.full(size, -1, np.int16),
        data_at=zeros,
        _words=words,
        _args_at=zeros,
    )
    return Records(
        data=words.view(np.uint8),
        calls=calls,
        extras=extras,
        extra_data=starts * _WORD,
        extra_owner=owners,
        processes=np.empty(0, PROCESS),
        signals=np.empty(0, SIGNAL),
        requests=np.empty(0, URING),
        request_data=np.empty(0, np.int64),
        consumed=len(words) * _WORD,
    )


def samples_of(records: Records, chosen: NDArray[np.bool_]) -> list[bytes]:
    """Perf samples of the calls that are ``chosen``, with what belongs to them."""
    words = records.data.view("<u8")

    def raw(at: int) -> bytes:
        size = int(words[at]) & 0xFFFF
        return words[at : at + size // _WORD].tobytes()

    owned: dict[int, list[int]] = {}
    for extra in np.flatnonzero(chosen[records.extra_owner]).tolist():
        owned.setdefault(int(records.extra_owner[extra]), []).append(int(records.extra_data[extra]) // _WORD - 1)
    samples: list[bytes] = []
    waiting: list[bytes] = []
    for call in np.flatnonzero(chosen).tolist():
        own = int(records.calls._args_at[call]) - SYSCALL.itemsize // _WORD
        one = b"".join(raw(at) for at in (*owned.get(call, ()), own))
        # The size of a perf record has 16 bits.
        if waiting and sum(map(len, waiting)) + len(one) > _MOST_IN_SAMPLE:
            samples.append(batch_sample(b"".join(waiting), len(waiting)))
            waiting = []
        waiting.append(one)
    return [*samples, batch_sample(b"".join(waiting), len(waiting))] if waiting else samples


def samples_by_cpu(records: Records, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, list[bytes]]]:
    """The same by the CPU in whose ring the calls were."""
    cpus = records.calls.cpu
    for cpu in np.unique(cpus[chosen]).tolist():
        yield cpu, samples_of(records, chosen & (cpus == cpu))


def record(head: bytes, data: bytes) -> bytes:
    """One record of a batch: ``head`` with its size filled in, and as much of ``data`` as its ``captured`` says."""
    captured = max(int.from_bytes(head[2:4], "little", signed=True), 0)
    body = head + data[:captured]
    body += bytes(-len(body) % _WORD)
    return struct.pack("<H", len(body)) + body[2:]


def call_sample(arguments: Sequence[int], **members: int) -> bytes:
    """The perf sample of one call without captures; ``members``: those of :data:`SYSCALL` that are not 0."""
    head = np.zeros(1, SYSCALL)
    for name, value in (members | {"kind": KIND_SYSCALL, "nargs": len(arguments), "captured": NOT_CAPTURED}).items():
        head[name] = value
    words = struct.pack(f"<{len(arguments)}Q", *arguments)
    return batch_sample(record(head.tobytes() + words, b""), 1)


def batch_sample(records: bytes, calls: int) -> bytes:
    """The perf sample that a ``struct wire_batch`` with ``records`` as its data leaves in a ring when it is sent."""
    body = _SAMPLE_HEAD.pack(4 + len(records), calls) + records
    return HEADER.pack(SAMPLE, 0, HEADER.size + len(body)) + body


def batch_of(sample: bytes) -> bytes:
    """The records in a sample made by :func:`batch_sample`."""
    return sample[HEADER.size + _SAMPLE_HEAD.size :]


def _batches(data: Bytes, parts: Sequence[Part]) -> tuple[Integers, Integers, int]:
    """Where the records of each batch begin and where they end, and the end of the last whole perf record; in words."""
    first: list[int] = []
    behind: list[int] = []
    begin = last = 0
    for part in parts:
        last = begin // _WORD
        for kind, _misc, start, end in perf_records(data.data[begin : part.end]):
            last = (begin + end) // _WORD
            if kind == SAMPLE:
                first.append((begin + start + _SAMPLE_HEAD.size) // _WORD)
                behind.append(last)
        begin = part.end
    return np.array(first, np.int64), np.array(behind, np.int64), last


def _record_starts(words: Words, first: Integers, behind: Integers) -> Integers:
    """Where every record begins, in words and in order: takes one step through all batches at a time.

    A batch ends before the first record whose size is impossible, which only damage can leave.
    """
    steps: list[Integers] = []
    batches = np.arange(len(first))
    numbers: list[Integers] = []
    at = first
    while len(at):
        sizes = ((words.take(at, mode="clip") & np.uint64(0xFFFF)) >> np.uint64(3)).astype(np.int64)
        ends = at + sizes
        sound = (ends <= behind) & (sizes > 0)
        if not sound.all():
            at, ends, behind, batches = at[sound], ends[sound], behind[sound], batches[sound]
        steps.append(at)
        numbers.append(batches)
        at = ends
    if not steps:
        return np.empty(0, np.int64)
    counts = np.zeros(len(first) + 1, np.int64)
    for number in numbers:
        counts[number + 1] += 1
    base = np.cumsum(counts)
    starts = np.empty(base[-1], np.int64)
    for step, (at, number) in enumerate(zip(steps, numbers, strict=True)):
        starts[base[number] + step] = at
    return starts


def _are_whole(heads: Words) -> NDArray[np.bool_]:
    """Whether the sizes of records, in their first words, have room for what such records always have.

    Only a damaged spool has others.
    """
    sizes, kinds = heads.view("<u2")[::4], _byte(heads, 4)
    captured = np.maximum(heads.view("<i2")[1::4], 0).astype(np.int32)
    calls = sizes >= SYSCALL.itemsize + _WORD * _byte(heads, 6).astype(np.int32) + captured
    whole: NDArray[np.bool_] = (kinds != KIND_SYSCALL) | calls
    whole &= (kinds != KIND_PROCESS) | (sizes >= PROCESS.itemsize)
    whole &= (kinds != KIND_SIGNAL) | (sizes >= SIGNAL.itemsize)
    whole &= (kinds != KIND_URING) | (sizes >= URING.itemsize + captured)
    return whole


def _calls(words: Words, starts: Integers, parts: Sequence[Part]) -> Calls:
    # A clipping take is the fastest; all of these are there.
    heads, ts, duration, ret, ids, others = (words.take(starts + word, mode="clip") for word in range(6))
    nargs = _byte(heads, 6)
    args_at = starts + SYSCALL.itemsize // _WORD
    return Calls(
        ts=ts.view(np.int64),
        duration=duration.view(np.int64),
        ret=ret.view(np.int64),
        pid=_half(ids, 0),
        tid=_half(ids, 1),
        uid=_half(others, 0),
        nr=_half(others, 1),
        flags=_byte(heads, 5),
        nargs=nargs,
        captured=heads.view("<i2").reshape(-1, 4)[:, 1],
        cpu=_cpus(starts, parts),
        data_at=(args_at + nargs) * _WORD,
        _words=words,
        _args_at=args_at,
    )


def _cpus(starts: Integers, parts: Sequence[Part]) -> NDArray[np.int16]:
    cpus, ends = (np.array(column, np.int64) for column in zip(*parts, strict=True))
    calls = np.diff(np.searchsorted(starts, ends // _WORD), prepend=0)
    return np.repeat(cpus.astype(np.int16), calls)


def _whole_records(words: Words, starts: Integers, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """The records of ``dtype`` that begin at ``starts``, in words."""
    rows = starts[:, None] + np.arange(dtype.itemsize // _WORD)
    return words.take(rows, mode="clip").view(dtype).reshape(-1)


def _byte(words: Words, index: int) -> NDArray[np.uint8]:
    return words.view(np.uint8).reshape(-1, _WORD)[:, index]


def _half(words: Words, index: int) -> NDArray[np.int32]:
    return words.view("<i4").reshape(-1, 2)[:, index]
