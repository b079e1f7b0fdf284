"""Makes bytes as the kernel leaves them in a ring of samples: struct wire_sample and what follows it."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from bpfrec.bpf.samples import HEAD
from bpfrec.bpf.snapshots import REGISTERS as COUNT

REGISTERS = (0x1010, 0x7080, 6, 3, 12, 13, 14, 15)
NOTHING = (0,) * COUNT


def sample(
    number: int,
    *,
    part: int = 0,
    ts: int = 1000,
    pid: int = 100,
    tid: int = 101,
    uid: int = 0,
    flags: int = 0,
    kernel: Sequence[int] | int = (),
    user: bytes | int = b"",
    below: int = 0,
    comm: bytes = b"worker",
    registers: tuple[int, ...] = REGISTERS,
) -> bytes:
    """One part of the sample ``number``; ``kernel``, ``user``: what there is, or -errno."""
    ips = b"" if isinstance(kernel, int) else struct.pack(f"<{len(kernel)}Q", *kernel)
    stack = b"" if isinstance(user, int) else user
    head = HEAD.pack(
        *(number, ts, pid, tid, uid, flags, part),
        *(kernel if isinstance(kernel, int) else len(ips), user if isinstance(user, int) else len(stack)),
        *(below, 0, comm, *registers),
    )
    body = head + ips + stack
    body += bytes(-(len(body) + 4) % 8)
    return struct.pack("<IHHI", 9, 0, 12 + len(body), len(body)) + body
