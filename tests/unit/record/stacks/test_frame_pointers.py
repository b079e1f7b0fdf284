"""record/stacks/frame_pointers.py: the same stack is kept once, in order, and frames find their functions."""

from __future__ import annotations

import struct
from typing import Any, cast

from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.symbols.dwarf_lines import SourceLine
from bpfrec.formats.symbols.elf_symbols import Symbol
from bpfrec.formats.symbols.perf_map import JitSymbol
from bpfrec.record.processes.history import History
from bpfrec.record.processes.procfs import MapsLine, ProcessStatus
from bpfrec.record.stacks.frame_pointers import FramePointerStacks
from bpfrec.record.stacks.modules import Modules
from bpfrec.record.stacks.perf_map_files import JitEntry, PerfMaps

PID = 100


class FakeModules:
    """Every address of a file belongs to a function of 0x100 bytes; the one at 0 is _start."""

    def locate(self, mapping: Mapping, address: int) -> tuple[int | None, Symbol | None]:
        inside = address - mapping.start + mapping.offset
        start = inside & ~0xFF
        return inside, Symbol("_start" if start == 0 else f"function_{start:x}", start, 0x100)

    def build_id(self, _mapping: Mapping) -> str | None:
        return "abcd"

    def lines(self, places: Any) -> dict[tuple[Mapping, int], SourceLine]:
        return {(mapping, at): SourceLine("/src/x.c", at) for mapping, at in places if mapping.path == "/bin/x"}


class FakeMaps:
    def name(self, pid: int) -> str | None:
        return f"perf-{pid}.map"

    def entries(self, _pid: int, addresses: Any) -> dict[int, list[JitEntry]]:
        entry = JitEntry(0, 1, JitSymbol(0x9000, 0x800, "JS:~handler /srv/app.js:12:7"))
        return {a: [entry] for a in addresses if 0x9000 <= a < 0x9800}


def history() -> History:
    found = History()
    maps = [MapsLine(0x1000, 0x2000, 0, (8, 1), 5, "/bin/x"), MapsLine(0x9000, 0xA000, 0, (0, 0), 0, "//anon")]
    found.snapshot(ProcessStatus(PID, 1, 0, PID), {PID: "x"}, maps)
    return found


def table_of() -> FramePointerStacks:
    return FramePointerStacks(history(), cast("Modules", FakeModules()), cast("PerfMaps", FakeMaps()))


def with_stack(ts: int, *ips: int, pid: int = PID, size: int | None = None) -> list[bytes]:
    stack = ring_bytes.extra(wire.KIND_STACK, struct.pack(f"<{len(ips)}Q", *ips), captured=size)
    return [stack, ring_bytes.call(ts=ts, pid=pid)]


def test_equal_stacks_are_one_and_others_are_not() -> None:
    table = table_of()
    ids = table.add(
        ring_bytes.decode(
            *with_stack(1, 0x1110, 0x1010),
            *with_stack(2, 0x1110, 0x1010),
            ring_bytes.call(ts=3),
            *with_stack(4, 0x1110),
            *with_stack(5, 0x1110, 0x1010, pid=PID + 1),
        )
    ).tolist()
    assert ids[0] == ids[1], "the same stack is kept twice"
    assert ids[2] == -1, "a call without a stack was given one"
    assert len({ids[0], ids[3], ids[4]}) == 3, "another depth or another process is another stack"
    again = table.add(ring_bytes.decode(*with_stack(9, 0x1110))).tolist()
    assert again == [ids[3]], "a stack of an earlier piece is not known again"


def resolved(*records: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    table = table_of()
    table.add(ring_bytes.decode(*records))
    parts = list(table.resolve())
    stacks, frames, jit = ([row for part in parts for row in part[i]] for i in range(3))
    return stacks, frames, jit


def test_return_addresses_belong_to_the_call_before_them() -> None:
    # 0x1200 is the first byte of another function: the call that returns there was the last of the one before.
    stacks, frames, _ = resolved(*with_stack(1, 0x1200, 0x1200, 0x1080))
    assert [(f["symbol"], f["symbol_offset"]) for f in frames] == [
        ("function_200", 0),
        ("function_100", 0x100),
        ("_start", 0x80),
    ]
    assert [f["source"] for f in frames] == ["ip", "fp", "fp"]
    assert (stacks[0]["depth"], stacks[0]["status"]) == (3, "root")


def test_what_no_frame_pointer_led_to_is_left_out() -> None:
    stacks, frames, _ = resolved(*with_stack(1, 0x1110, 0x7265732D676E6963, 0x1010))
    assert [f["ip"] for f in frames] == [0x1110], "text in a register was shown as a frame"
    assert stacks[0]["status"] == "no-frame-pointer"


def test_failed_and_overlong_walks_say_so() -> None:
    stacks, frames, _ = resolved(*with_stack(1, size=-14))
    assert (stacks[0]["status"], frames) == ("error-14", [])
    stacks, _, _ = resolved(*with_stack(1, *[0x1110] * wire.FRAMES))
    assert stacks[0]["status"] == "too-deep"


def test_jit_code_is_named_by_the_perf_map() -> None:
    _, frames, jit = resolved(*with_stack(1, 0x9010, 0x9900))
    named = {
        name: frames[0].get(name) for name in ("symbol", "symbol_offset", "module", "file", "line", "module_address")
    }
    assert named == {
        "symbol": "JS:~handler /srv/app.js:12:7",
        "symbol_offset": 0x10,
        "module": f"perf-{PID}.map",
        "file": "/srv/app.js",
        "line": 12,
        "module_address": None,
    }
    assert [row["address"] for row in jit] == [0x9000]
    assert frames[1]["module"] == "//anon", "JIT code that the map does not name is still where it is"
