"""What the kernel would leave in a ring: samples of the structs of wire.h, LOST records, records of other kinds.

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
    return wire.batch_sample(b"".join(records), sum(record[4] == wire.KIND_SYSCALL for record in records))


def _record(head: bytes, data: bytes) -> bytes:
    body = head + data
    body += bytes(-len(body) % 8)
    return struct.pack("<H", len(body)) + body[2:]


def lost(count: int) -> bytes:
    """A PERF_RECORD_LOST."""
    return perf_record(2, struct.pack("<QQ", 7, count))


def call(
    nr: int = 0,
    *,
    args: tuple[int, ...] = (),
    ret: int = 0,
    inline: bytes = b"",
    captured: int | None = None,
    flags: int = 0,
    ts: int = 1000,
    duration: int = 10,
    pid: int = 100,
    tid: int = 101,
    uid: int = 0,
) -> bytes:
    """One struct wire_syscall with all that follows it."""
    row = np.zeros(1, wire.SYSCALL)
    row["kind"], row["flags"], row["nargs"] = wire.KIND_SYSCALL, flags, len(args)
    row["ts"], row["duration"], row["ret"], row["nr"] = ts, duration, ret, nr
    row["pid"], row["tid"], row["uid"] = pid, tid, uid
    row["captured"] = len(inline) if captured is None else captured
    return _record(row.tobytes() + np.array(args, np.uint64).tobytes(), inline)


def extra(kind: int, data: bytes, *, arg: int = 0, captured: int | None = None) -> bytes:
    """One struct wire_data or wire_stack."""
    row = np.zeros(1, wire.EXTRA)
    row["kind"], row["arg"] = kind, arg
    row["captured"] = len(data) if captured is None else captured
    return _record(row.tobytes(), data)


def process(what: int, *, pid: int = 100, ts: int = 1000, **columns: int) -> bytes:
    """One struct wire_process; ``columns``: its other members."""
    row = np.zeros(1, wire.PROCESS)
    row["kind"], row["what"], row["pid"], row["ts"] = wire.KIND_PROCESS, what, pid, ts
    for name, value in columns.items():
        row[name] = value
    return _record(row.tobytes(), b"")


def signal(number: int, code: int, fields: bytes = b"", **columns: int) -> bytes:
    """One struct wire_signal; ``fields``: of its siginfo behind the code. ``columns``: its other members."""
    row = np.zeros(1, wire.SIGNAL)
    row["kind"], row["signal"], row["pid"], row["tid"], row["ts"] = wire.KIND_SIGNAL, number, 100, 101, 1000
    info = struct.pack("<iiii", number, 0, code, 0) + fields
    row["comm"] = np.void(b"worker".ljust(16, b"\0"))
    row["info"] = np.void(info.ljust(48, b"\0"))
    for name, value in columns.items():
        row[name] = value
    return _record(row.tobytes(), b"")


def request(paths: bytes = b"", **columns: int) -> bytes:
    """One struct wire_uring with ``paths`` behind it; ``columns``: its other members."""
    row = np.zeros(1, wire.URING)
    row["kind"], row["pid"], row["tid"], row["captured"] = wire.KIND_URING, 100, 101, len(paths)
    row["path"], row["path2"] = -61, -61
    row["comm"] = np.void(b"worker".ljust(16, b"\0"))
    for name, value in columns.items():
        row[name] = value
    return _record(row.tobytes(), paths)


def decode(*records: bytes, cpu: int = -1) -> wire.Records:
    """The records of one whole piece of the ring of ``cpu`` that holds one batch."""
    data = np.frombuffer(sample(*records), np.uint8)
    return wire.decode(data, [wire.Part(cpu, len(data))])
