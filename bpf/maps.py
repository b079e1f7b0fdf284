"""Maps: what the BPF program and user space share."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bpfrec.bpf import bpf_calls

_U32 = struct.Struct("<I")
_PER_CPU = frozenset({5, 6, 10})
_POSSIBLE_CPUS = Path("/sys/devices/system/cpu/possible")


@dataclass(frozen=True)
class MapDefinition:
    """A map as the program declares it; ``kind``: an ``enum bpf_map_type``. Sizes are in bytes."""

    name: str
    kind: int
    key_size: int
    value_size: int
    entries: int
    flags: int


class Map:
    """A new map of the kernel, to be closed.

    Keys and values are bytes; of a map that has values per CPU, :meth:`per_cpu` gives them.

    Raises:
        OSError: the kernel refuses it.
    """

    def __init__(self, definition: MapDefinition) -> None:
        self.definition = d = definition
        # The room for all CPUs that there can be is what a perf event array, declared without a size, has.
        entries = d.entries or possible_cpus()
        self.descriptor = bpf_calls.create_map(d.kind, d.key_size, d.value_size, entries, d.flags, d.name)
        self._read_size = d.value_size
        if d.kind in _PER_CPU:
            self._read_size = -(-d.value_size // 8) * 8 * possible_cpus()

    def get(self, key: bytes | int) -> bytes | None:
        """The value at ``key``; None if there is none. A number stands for a key of 32 bits."""
        return bpf_calls.lookup(self.descriptor, _bytes(key), self._read_size)

    def per_cpu(self, key: bytes | int) -> list[bytes]:
        """The value of each possible CPU at ``key``."""
        all_values = self.get(key) or b""
        size, stride = self.definition.value_size, -(-self.definition.value_size // 8) * 8
        return [all_values[at : at + size] for at in range(0, len(all_values), stride)]

    def __setitem__(self, key: bytes | int, value: bytes | int) -> None:
        """Sets a value; numbers stand for keys and values of 32 bits.

        Raises:
            OSError: the kernel refuses it; the map may be full.
        """
        value = _bytes(value)
        if len(value) != self.definition.value_size:
            raise ValueError(f"{self.definition.name} has values of {self.definition.value_size} bytes")
        bpf_calls.update(self.descriptor, _bytes(key), value)

    def fill(self, values: Sequence[bytes]) -> None:
        """Sets the first elements of an array to ``values``, at once where the kernel can do that.

        Raises:
            OSError: the kernel refuses it.
        """
        if {len(value) for value in values} != {self.definition.value_size}:
            raise ValueError(f"{self.definition.name} has values of {self.definition.value_size} bytes")
        keys = b"".join(map(_U32.pack, range(len(values))))
        if not bpf_calls.update_many(self.descriptor, keys, b"".join(values), len(values)):
            for key, value in enumerate(values):
                self[key] = value

    def __delitem__(self, key: bytes | int) -> None:
        """Deletes a key.

        Raises:
            KeyError: there is none.
        """
        if not bpf_calls.delete(self.descriptor, _bytes(key)):
            raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        """The keys. One that is added meanwhile may be left out; if one is deleted, others may come twice."""
        key = None
        for _ in range(self.definition.entries + 1):
            key = bpf_calls.next_key(self.descriptor, key, self.definition.key_size)
            if key is None:
                return
            yield key

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of those that are still there when they are looked up."""
        for key in self:
            value = self.get(key)
            if value is not None:
                yield key, value

    def close(self) -> None:
        """Closes the descriptor; the map ends with the last program that uses it."""
        with suppress(OSError):
            os.close(self.descriptor)


def possible_cpus() -> int:
    """How many CPUs there can be: per-CPU values are for so many."""
    last = _POSSIBLE_CPUS.read_text().strip().split(",")[-1]
    return int(last.rpartition("-")[2]) + 1


def _bytes(value: bytes | int) -> bytes:
    return _U32.pack(value) if isinstance(value, int) else value
