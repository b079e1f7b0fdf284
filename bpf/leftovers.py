"""What the BPF program holds and has not sent: calls in progress, batches that are not full, threads off their CPUs."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

from bpfrec.bpf import off_cpu, wire
from bpfrec.bpf.maps import Map

_IN_CALL = 1
_U64, _LENGTH = struct.Struct("<Q"), struct.Struct("<h")
_PATH_BYTES = 256
"""``REQUEST_PATH`` in ``programs/uring.c``: the room for each path of a request."""
# What struct wire_batch and struct call_slot of wire.h begin with: used, burst, state, calls; tid, crowd, state, aside.
_BATCH_HEAD, _SLOT_HEAD = struct.Struct("<IIII"), struct.Struct("<IIIH")


def calls_in_progress(maps: Mapping[str, Map]) -> bytes:
    """The calls that threads are in now, as perf samples, with the flag ``wire.NO_RETURN``.

    Behind them come the requests to io_uring that are not completed.
    """
    slots = maps["slots"]
    taken = [slot for index in maps["owners"] if (slot := slots.get(index)) is not None]
    crowded = [slot for _, slot in maps["crowded"].items()]
    samples = []
    for slot in [*taken, *crowded]:
        _tid, _crowd, state, aside = _SLOT_HEAD.unpack_from(slot)
        if state & _IN_CALL:
            samples.append(_as_sample(slot, _kept_aside(maps["spilled"], slot) if aside else []))
    return b"".join(samples) + _requests_in_progress(maps)


def _requests_in_progress(maps: Mapping[str, Map]) -> bytes:
    """The requests to io_uring that are not completed, as perf samples."""
    if "requests" not in maps:
        return b""
    samples = []
    for request, head in maps["requests"].items():
        paths = maps["request_paths"].get(request) or b""
        known = np.frombuffer(head, wire.URING, 1)[0]
        first, second = max(int(known["path"]), 0), max(int(known["path2"]), 0)
        data = paths[:first] + paths[_PATH_BYTES : _PATH_BYTES + second]
        made = head[:2] + _LENGTH.pack(len(data)) + head[4 : wire.URING.itemsize]
        samples.append(wire.batch_sample(wire.record(made, data), 0))
    return b"".join(samples)


def unsent_batches(maps: Mapping[str, Map]) -> list[tuple[int, bytes, int]]:
    """The batches that are not full: CPU, perf sample, number of calls."""
    found = []
    for cpu, batch in enumerate(maps["batches"].per_cpu(0)):
        used, _burst, _state, calls = _BATCH_HEAD.unpack_from(batch)
        if used:
            records = batch[_BATCH_HEAD.size : _BATCH_HEAD.size + used]
            found.append((cpu, wire.batch_sample(records, calls), calls))
    return found


def still_off_cpu(maps: Mapping[str, Map]) -> list[tuple[int, bytes]]:
    """The times off the CPU that last, as CPU and perf sample."""
    rooms = [room for _, room in maps["off_cpu"].items()]
    return [(int(np.frombuffer(room, off_cpu.OFF_CPU, 1)["cpu"][0]), off_cpu.sample(room)) for room in rooms]


def _kept_aside(spilled: Map, slot: bytes) -> list[bytes]:
    tid = int(np.frombuffer(slot, wire.SYSCALL, 1, wire.SLOT_CALL)["tid"][0])
    keys = (_U64.pack(tid * wire.ASIDE + number) for number in range(wire.ASIDE))
    return [kept for key in keys if (kept := spilled.get(key)) is not None]


def _as_sample(slot: bytes, aside: list[bytes]) -> bytes:
    """A perf sample of a ``struct call_slot`` and the captures kept aside for it, as if the call had ended."""
    call = np.frombuffer(slot, wire.SYSCALL, 1, wire.SLOT_CALL)
    end = wire.SLOT_ARGS + int(call["nargs"][0]) * 8
    head = call.tobytes()[:5] + bytes([int(call["flags"][0]) | wire.NO_RETURN]) + call.tobytes()[6:]
    own = wire.record(head + slot[wire.SLOT_ARGS : end], slot[wire.SLOT_DATA :])
    more = slot[wire.SLOT_STRUCT :]
    extras = [*aside, more] if int.from_bytes(more[:2], "little") else aside
    made = [wire.record(extra[: wire.EXTRA.itemsize], extra[wire.EXTRA.itemsize :]) for extra in extras]
    return wire.batch_sample(b"".join([*made, own]), 1)
