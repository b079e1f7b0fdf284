"""bpf(2): maps and programs of the kernel, by their descriptors. Loading needs neither bcc nor its compiler.

Source of the numbers and layouts: include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct
from contextlib import suppress

RAW_TRACEPOINT, PERF_EVENT = 17, 7
"""Types of programs."""

INSTRUCTION_BYTES = 8

_SYS_BPF = 321
_MAP_CREATE, _MAP_LOOKUP, _MAP_UPDATE, _MAP_DELETE, _MAP_NEXT_KEY, _PROGRAM_LOAD = range(6)
_GET_INFO, _RAW_TRACEPOINT_OPEN, _MAP_UPDATE_BATCH = 15, 17, 26

_NEW_MAP = struct.Struct("<7I16s")
_ELEMENT = struct.Struct("<IIQQQ")
# in_batch, out_batch, keys, values, count, map_fd, elem_flags, flags
_BATCH = struct.Struct("<QQQQIIQQ")
_PROGRAM = struct.Struct("<IIQQIIQII16sII")
_INFO = struct.Struct("<IIQ")
_TRACEPOINT = struct.Struct("<QI4x")
_NAME_BYTES = 15
_LOG_BYTES = 1 << 20
# struct bpf_prog_info: recursion_misses (u64), since Linux 5.12.
_PROGRAM_INFO_BYTES = 256
# ENOTSUPP of the kernel, which errno.h does not have.
_NOT_SUPPORTED = 524
_RECURSION_MISSES = 208

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)


class RefusedError(OSError):
    """The kernel refuses a program; ``log``: what its verifier says."""

    def __init__(self, number: int, log: str) -> None:
        super().__init__(number, os.strerror(number))
        self.log = log


def create_map(kind: int, key_size: int, value_size: int, entries: int, flags: int, name: str) -> int:
    """A new map; its descriptor.

    Raises:
        OSError: the kernel refuses it.
    """
    return _with_memory(
        _MAP_CREATE, _NEW_MAP.pack(kind, key_size, value_size, entries, flags, 0, 0, _object_name(name))
    )


def load_program(kind: int, instructions: bytes, license_: bytes, name: str) -> int:
    """Has the kernel check and translate a program; its descriptor. Other threads run meanwhile.

    Raises:
        RefusedError: the kernel refuses it.
    """
    try:
        return _load(kind, instructions, license_, name, None)
    except OSError as error:
        log = ctypes.create_string_buffer(_LOG_BYTES)
        # Asked again, it says why. The log may be too short for all of it; that is an error of its own.
        with suppress(OSError):
            return _load(kind, instructions, license_, name, log)
        raise RefusedError(error.errno or errno.EINVAL, log.value.decode("utf-8", "replace")) from None


def attach_raw_tracepoint(point: str, program: int) -> int:
    """Makes ``program`` run at a tracepoint, until the descriptor returned is closed.

    Raises:
        OSError: the kernel refuses it.
    """
    name = ctypes.create_string_buffer(point.encode())
    return _bpf(_RAW_TRACEPOINT_OPEN, _TRACEPOINT.pack(ctypes.addressof(name), program))


def lookup(map_: int, key: bytes, value_size: int) -> bytes | None:
    """The value at ``key``: ``value_size`` bytes; None if the map has no such key."""
    value = ctypes.create_string_buffer(value_size)
    return value.raw if _element(_MAP_LOOKUP, map_, key, value) else None


def update(map_: int, key: bytes, value: bytes) -> None:
    """Sets the value at ``key``.

    Raises:
        OSError: the kernel refuses it; the map may be full.
    """
    _element(_MAP_UPDATE, map_, key, ctypes.create_string_buffer(value, len(value)))


def update_many(map_: int, keys: bytes, values: bytes, count: int) -> bool:
    """Sets ``count`` values at once, which stand one behind the other; False if this kernel cannot: before Linux 5.6.

    Raises:
        OSError: the kernel refuses one of them.
    """
    request = ctypes.create_string_buffer(_BATCH.size)
    places = ctypes.create_string_buffer(keys, len(keys)), ctypes.create_string_buffer(values, len(values))
    _BATCH.pack_into(request, 0, 0, 0, *map(ctypes.addressof, places), count, map_, 0, 0)
    try:
        _bpf(_MAP_UPDATE_BATCH, request)
    except OSError as error:
        if error.errno in (errno.EINVAL, _NOT_SUPPORTED):
            return False
        raise
    return True


def delete(map_: int, key: bytes) -> bool:
    """Deletes ``key``; False if the map does not have it."""
    return _element(_MAP_DELETE, map_, key, None)


def next_key(map_: int, key: bytes | None, key_size: int) -> bytes | None:
    """The key behind ``key``, None: the first one; None at the end. It is the first one too if ``key`` is gone."""
    found = ctypes.create_string_buffer(key_size)
    return found.raw if _element(_MAP_NEXT_KEY, map_, key, found) else None


def recursion_misses(program: int) -> int:
    """How often the kernel skipped the program, because it or another one was running on that CPU; 0: unknown."""
    info = ctypes.create_string_buffer(_PROGRAM_INFO_BYTES)
    request = ctypes.create_string_buffer(_INFO.pack(program, _PROGRAM_INFO_BYTES, ctypes.addressof(info)), _INFO.size)
    try:
        _bpf(_GET_INFO, request)
    except OSError:
        return 0
    length = _INFO.unpack(request.raw)[1]
    return (
        int.from_bytes(info.raw[_RECURSION_MISSES : _RECURSION_MISSES + 8], "little")
        if (length >= _RECURSION_MISSES + 8)
        else 0
    )


def _load(kind: int, instructions: bytes, license_: bytes, name: str, log: ctypes.Array[ctypes.c_char] | None) -> int:
    code = ctypes.create_string_buffer(instructions, len(instructions))
    text = ctypes.create_string_buffer(license_)
    request = _PROGRAM.pack(
        kind,
        len(instructions) // INSTRUCTION_BYTES,
        ctypes.addressof(code),
        ctypes.addressof(text),
        0 if log is None else 1,
        0 if log is None else len(log),
        0 if log is None else ctypes.addressof(log),
        *(0, 0, _object_name(name), 0, 0),
    )
    return _with_memory(_PROGRAM_LOAD, request)


def _with_memory(command: int, request: bytes) -> int:
    try:
        return _bpf(command, request)
    except PermissionError:
        # Before Linux 5.11, maps and programs count as locked memory.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return _bpf(command, request)


def _element(command: int, map_: int, key: bytes | None, value: ctypes.Array[ctypes.c_char] | None) -> bool:
    """Looks up, changes or deletes an element; False if there is none with that key."""
    place = None if key is None else ctypes.create_string_buffer(key, len(key))
    request = _ELEMENT.pack(
        map_, 0, 0 if place is None else ctypes.addressof(place), 0 if value is None else ctypes.addressof(value), 0
    )
    try:
        _bpf(command, request)
    except FileNotFoundError:
        return False
    return True


def _bpf(command: int, request: bytes | ctypes.Array[ctypes.c_char]) -> int:
    result = int(_syscall(_SYS_BPF, command, request, len(request)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _object_name(name: str) -> bytes:
    return name.encode()[:_NAME_BYTES]
