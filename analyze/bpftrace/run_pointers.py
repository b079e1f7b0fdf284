"""What pointers lead to while a script runs; a compiled script calls it ``P``."""

from __future__ import annotations

from typing import Any

from bpfrec.analyze.bpftrace import texts
from bpfrec.analyze.bpftrace.kinds import Array, Int
from bpfrec.analyze.bpftrace.memory import Memory, NotRecorded, rebuild, recorded_bytes, to_bytes, to_text
from bpfrec.analyze.bpftrace.settings import Settings
from bpfrec.analyze.bpftrace.structs import Structs


class Pointers:
    """Reads strings, numbers and structs that were recorded.

    ``incomplete`` counts strings that are not whole in the trace, by why.
    """

    def __init__(self, structs: Structs, settings: Settings) -> None:
        self.structs = structs
        self.settings = settings
        self.incomplete: dict[str, int] = {}

    def cut(self, text: str, most: int) -> str:
        """At most so many bytes of a string; today's bpftrace says that it was cut."""
        data = to_bytes(text)
        if len(data) <= most:
            return text
        trailer = self.settings.trailer
        return to_text(data[:most]) + (trailer if most >= self.settings.string_bytes else "")

    def text(self, text: str | None, status: str, address: int) -> str:
        """A string of the trace that is not plain: with a reason why."""
        if status == "not-utf8" and text is not None:
            return to_text(recorded_bytes(text, status))
        if status in ("null", "unreadable") or not address:
            return ""
        self.incomplete[status] = self.incomplete.get(status, 0) + 1
        return text or ""

    def strings(self, values: list[str | None] | None) -> list[str]:
        """A vector of strings as far as it was copied."""
        return [value for value in values or [] if value is not None]

    def string(self, pointer: tuple[int, Any], most: int) -> str:
        """str() of a pointer."""
        address, found = pointer
        if not address:
            return ""
        if isinstance(found, str):
            return found if len(found) <= 15 <= most else self.cut(found, most)
        if isinstance(found, Memory):
            data, whole = found.text(address)
            if len(data) > most:
                return self.cut(to_text(data), most)
            if not whole and found.status != "unreadable":
                status = found.status or "truncated"
                self.incomplete[status] = self.incomplete.get(status, 0) + 1
            return to_text(data)
        raise NotRecorded(f"a string at 0x{address:x}")

    @staticmethod
    def memory(kind: str, value: Any, address: int) -> Memory | None:
        """The memory at ``address``, of what the trace has of it."""
        return rebuild(kind, value, address)

    @staticmethod
    def _at(pointer: tuple[int, Any], offset: int) -> tuple[int, Memory | None]:
        address, found = pointer
        if isinstance(found, str):
            found = Memory(address, to_bytes(found) + b"\0")
        if address == 0:
            return offset, Memory(0, b"", "unreadable")
        return address + offset, found

    def load(self, pointer: tuple[int, Any], offset: int, size: int, signed: bool) -> int:
        """A number in memory."""
        address, memory = self._at(pointer, offset)
        if memory is None:
            raise NotRecorded(f"{size} bytes at 0x{address:x}")
        return int.from_bytes(memory.read(address, size), "little", signed=signed)

    def moved(self, pointer: tuple[int, Any], offset: int) -> tuple[int, Any]:
        """A pointer some bytes further."""
        address, memory = self._at(pointer, offset)
        return address & (2**64 - 1), memory

    def char_array(self, pointer: tuple[int, Any], offset: int, size: int) -> str:
        """The string in an array of char."""
        address, memory = self._at(pointer, offset)
        if memory is None:
            raise NotRecorded(f"{size} bytes at 0x{address:x}")
        data, whole = memory.text(address)
        if not whole and len(data) < size:
            data = memory.read(address, size)
        return to_text(data[:size])

    def load_array(self, pointer: tuple[int, Any], offset: int, kind: Array) -> tuple[Any, ...]:
        """An array in memory."""
        size = self.structs.size(kind.item) or 1
        if isinstance(kind.item, Int):
            return tuple(self.load(pointer, offset + i * size, size, kind.item.signed) for i in range(kind.length))
        return tuple(self.moved(pointer, offset + i * size) for i in range(kind.length))

    def buffer(self, pointer: tuple[int, Any], length: int | None, most: int) -> bytes:
        """buf() of a pointer."""
        address, memory = self._at(pointer, 0)
        count = min(length or 0, most)
        if count <= 0:
            return b""
        if memory is None:
            raise NotRecorded(f"{count} bytes at 0x{address:x}")
        start = address - memory.base
        data = memory.data[start : start + count]
        if len(data) < count and memory.status != "unreadable":
            status = memory.status or "truncated"
            self.incomplete[status] = self.incomplete.get(status, 0) + 1
        return data

    def ntop_memory(self, family: int, pointer: tuple[int, Any]) -> str:
        """ntop() of a struct in memory: in6_addr has 16 bytes, in_addr 4."""
        address, memory = self._at(pointer, 0)
        if memory is None:
            raise NotRecorded(f"an address at 0x{address:x}")
        return texts.ntop_bytes(family, memory.read(address, 4 if family == 2 else 16))
