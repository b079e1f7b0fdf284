"""Makes bytes as the kernel leaves them in a ring of snapshots: struct wire_snapshot and a fragment of stack."""

from __future__ import annotations

import struct

from bpfrec.bpf.snapshots import HEAD

REGISTERS = (0x1010, 0x7000, 6, 3, 12, 13, 14, 15)


def sample(
    number: int,
    stack: bytes,
    *,
    part: int = 0,
    missing: int = 0,
    pid: int = 100,
    tid: int = 101,
    ts: int = 1000,
    registers: tuple[int, ...] = REGISTERS,
    depth: int = 0x800,
    comm: bytes = b"it",
) -> bytes:
    """One part of the snapshot ``number``; ``missing``: a bit for each page that could not be read.

    ``depth``: bytes from the stack pointer to the beginning of the stack.
    """
    body = HEAD.pack(number, ts, pid, tid, len(stack), part, missing, *registers, depth, comm) + stack
    body += bytes(-(len(body) + 4) % 8)
    return struct.pack("<IHHI", 9, 0, 12 + len(body), len(body)) + body


def words(*values: int) -> bytes:
    """A stack of words."""
    return struct.pack(f"<{len(values)}Q", *values)
