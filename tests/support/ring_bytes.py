"""What the kernel would leave in a ring: samples of recorder.c's structs, LOST records, records of other kinds.

Layouts: include/uapi/linux/perf_event.h, bpf/programs/wire.h.
"""

from __future__ import annotations

import struct

import numpy as np

from bpfrec.bpf import wire


def perf_record(kind: int, body: bytes, misc: int = 0) -> bytes:
    """A perf record of any kind; ``body`` is a multiple of 8 bytes long."""
    return struct.pack("<IHH", kind, misc, 8 + len(body)) + body


def sample(*records: bytes) -> bytes:
    """A PERF_RECORD_SAMPLE with PERF_SAMPLE_RAW: a batch of ``records``, as bpf_perf_event_output() writes it."""
    return wire.batch_sample(b"".join(records))


def _record(row: np.ndarray, data: bytes) -> bytes:
    """One record of a batch: padded to 8 bytes, its first word the bytes that follow it."""
    body = row.tobytes() + data
    body += bytes(-len(body) % 8)
    return struct.pack("<I", len(body) - 4) + body[4:]


def lost(count: int) -> bytes:
    """A PERF_RECORD_LOST."""
    return perf_record(2, struct.pack("<QQ", 7, count))


def call(
    nr: int = 0,
    *,
    args: tuple[int, ...] = (),
    ret: int = 0,
    inline: bytes = b"",
    inline_size: int | None = None,
    flags: int = 0,
    ts: int = 1000,
    duration: int = 10,
    pid: int = 100,
    tid: int = 101,
    uid: int = 0,
    extras: int = 0,
) -> bytes:
    """One struct wire_syscall."""
    row = np.zeros(1, wire.SYSCALL)
    row["magic"], row["kind"], row["flags"] = wire.MAGIC, wire.KIND_SYSCALL, flags
    row["ts"], row["duration"], row["ret"], row["nr"] = ts, duration, ret, nr
    row["args"][0, : len(args)] = args
    row["pid"], row["tid"], row["uid"], row["extras"] = pid, tid, uid, extras
    row["inline_size"] = len(inline) if inline_size is None else inline_size
    return _record(row, inline)


def extra(kind: int, data: bytes, *, arg: int = 0, ts: int = 1000, tid: int = 101, size: int | None = None) -> bytes:
    """One struct wire_data or wire_stack."""
    row = np.zeros(1, wire.EXTRA)
    row["magic"], row["kind"], row["arg"] = wire.MAGIC, kind, arg
    row["ts"], row["tid"], row["size"] = ts, tid, len(data) if size is None else size
    return _record(row, data)


def decode(*records: bytes) -> wire.Records:
    """The records of one whole piece that holds one batch."""
    return wire.decode(np.frombuffer(sample(*records), np.uint8))
