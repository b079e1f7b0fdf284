"""perf_event_open(2) and the memory of its ring buffers, through ctypes and mmap.

Layouts: include/uapi/linux/perf_event.h.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from contextlib import suppress
from pathlib import Path

from bpfrec.formats.errors import BpfrecError

_NR_PERF_EVENT_OPEN = 298  # x86-64
_PERF_FLAG_FD_CLOEXEC = 8

PERF_TYPE_SOFTWARE = 1
PERF_COUNT_SW_CPU_CLOCK = 0
PERF_COUNT_SW_DUMMY = 9
PERF_COUNT_SW_BPF_OUTPUT = 10

PERF_SAMPLE_TID = 1 << 1
PERF_SAMPLE_TIME = 1 << 2
PERF_SAMPLE_RAW = 1 << 10

# Bits of the flag word of perf_event_attr, in the order of its bit fields.
FLAG_DISABLED = 1 << 0
FLAG_EXCLUDE_IDLE = 1 << 7
FLAG_MMAP = 1 << 8
FLAG_COMM = 1 << 9
FLAG_FREQUENCY = 1 << 10
FLAG_TASK = 1 << 13
FLAG_WATERMARK = 1 << 14
FLAG_SAMPLE_ID_ALL = 1 << 18
FLAG_MMAP2 = 1 << 23
FLAG_COMM_EXEC = 1 << 24
FLAG_USE_CLOCKID = 1 << 25
FLAG_BUILD_ID = 1 << 34

_DATA_HEAD = 1024
_DATA_TAIL = 1032

_libc = ctypes.CDLL(None, use_errno=True)


class PerfEventAttr(ctypes.Structure):
    """``struct perf_event_attr``, 128 bytes (PERF_ATTR_SIZE_VER7)."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("config", ctypes.c_uint64),
        ("sample_period", ctypes.c_uint64),
        ("sample_type", ctypes.c_uint64),
        ("read_format", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
        ("wakeup_watermark", ctypes.c_uint32),
        ("bp_type", ctypes.c_uint32),
        ("config1", ctypes.c_uint64),
        ("config2", ctypes.c_uint64),
        ("branch_sample_type", ctypes.c_uint64),
        ("sample_regs_user", ctypes.c_uint64),
        ("sample_stack_user", ctypes.c_uint32),
        ("clockid", ctypes.c_int32),
        ("sample_regs_intr", ctypes.c_uint64),
        ("aux_watermark", ctypes.c_uint32),
        ("sample_max_stack", ctypes.c_uint16),
        ("reserved_2", ctypes.c_uint16),
        ("aux_sample_size", ctypes.c_uint32),
        ("reserved_3", ctypes.c_uint32),
        ("sig_data", ctypes.c_uint64),
    )


def open_on_cpu(attr: PerfEventAttr, cpu: int) -> int:
    """Opens the event ``attr`` for all processes on ``cpu``. Returns its file descriptor.

    Raises:
        OSError: the kernel refused.
    """
    attr.size = ctypes.sizeof(PerfEventAttr)
    descriptor: int = _libc.syscall(_NR_PERF_EVENT_OPEN, ctypes.byref(attr), -1, cpu, -1, _PERF_FLAG_FD_CLOEXEC)
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor


class LockedMemoryError(PermissionError):
    """The kernel lets this user lock no more memory for rings."""


class Ring:
    """The ring buffer of one perf event: ``2**n`` pages of data behind a control page.

    It can be registered with epoll. Head and tail are aligned words of 8 bytes, each read or written in one go, and
    x86-64 keeps loads and stores in order, so no barrier is needed.

    Raises:
        LockedMemoryError: the user may lock no more memory.
        BpfrecError: there is no memory.
    """

    def __init__(self, descriptor: int, cpu: int, size: int) -> None:
        self.cpu = cpu
        self.size = size
        self._descriptor = descriptor
        try:
            self._memory = mmap.mmap(
                descriptor, mmap.PAGESIZE + size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE
            )
        except OSError as error:
            os.close(descriptor)
            if error.errno == errno.EPERM:
                raise LockedMemoryError(error.errno, os.strerror(error.errno)) from None
            reason = "no memory to spare" if error.errno == errno.ENOMEM else error.strerror
            raise BpfrecError(
                f"cannot map a ring buffer of {size_text(size)} for CPU {cpu}: {reason}",
                "Ask for a smaller one: --buffer 1M",
            ) from None
        self._head = ctypes.c_uint64.from_buffer(self._memory, _DATA_HEAD)
        self._tail = ctypes.c_uint64.from_buffer(self._memory, _DATA_TAIL)
        self._data = memoryview(self._memory)[mmap.PAGESIZE :]

    def fileno(self) -> int:
        """The event's file descriptor."""
        return self._descriptor

    def pending(self) -> tuple[int, list[memoryview]]:
        """The head, and what is between tail and head: whole records, in one or two slices of the ring."""
        head, tail = self._head.value, self._tail.value
        if head == tail:
            return head, []
        start, end = tail % self.size, head % self.size
        if start < end:
            return head, [self._data[start:end]]
        return head, [self._data[start:], self._data[:end]] if end else [self._data[start:]]

    def release(self, head: int) -> None:
        """Hands everything before ``head`` back to the kernel."""
        self._tail.value = head

    def close(self) -> None:
        """Unmaps the ring and closes the event."""
        del self._head, self._tail
        self._data.release()
        # The traceback of a failure may hold slices of it. The memory is then freed with the process.
        with suppress(BufferError):
            self._memory.close()
        os.close(self._descriptor)


def size_text(size: int) -> str:
    """The size of a ring, a power of two of at least 1 KiB, as people write it."""
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def online_cpus() -> list[int]:
    """The numbers of the CPUs that are online."""
    cpus: list[int] = []
    for part in Path("/sys/devices/system/cpu/online").read_text().strip().split(","):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus
