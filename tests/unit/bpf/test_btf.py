"""bpf/btf.py: offsets of members, from type information made here and from the running kernel's."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from bpfrec.bpf import btf
from bpfrec.bpf.task_offsets import stack_defines
from bpfrec.formats.errors import BpfrecError


def made_up() -> bytes:
    """BTF with an int, a function (whose vlen is no count), an enum64 and two structs, one with bit fields."""
    strings = b"\0"

    def name(text: str) -> int:
        nonlocal strings
        strings += text.encode() + b"\0"
        return len(strings) - len(text) - 1

    def kind(label: str, number: int, vlen: int = 0, size: int = 4, flag: int = 0) -> bytes:
        return struct.pack("<III", name(label) if label else 0, flag << 31 | number << 24 | vlen, size)

    types = kind("int", 1) + bytes(4)
    types += kind("static_function", 12, vlen=2)
    types += kind("big", 19, vlen=1) + struct.pack("<III", name("VALUE"), 1, 2)
    types += kind("plain", 4, vlen=2)
    types += struct.pack("<III", name("first"), 1, 0) + struct.pack("<III", name("second"), 1, 64)
    types += kind("fields", 4, vlen=2, flag=1)
    types += struct.pack("<III", name("bits"), 1, 3 << 24 | 5) + struct.pack("<III", name("after"), 1, 0 << 24 | 256)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


def test_offsets_are_in_bytes() -> None:
    found = btf.member_offsets({"plain": ("first", "second"), "fields": ("after",)}, made_up())
    assert found == {("plain", "first"): 0, ("plain", "second"): 8, ("fields", "after"): 32}


def test_a_missing_member_is_named() -> None:
    with pytest.raises(BpfrecError, match=r"plain\.third"):
        btf.member_offsets({"plain": ("first", "third")}, made_up())


def rings() -> bytes:
    """BTF with a struct that has two structs without names in it, and a typedef of a pointer to a function."""
    strings = b"\0ring\0named\0flags\0head\0traced\0shared\0"

    def kind(label: str, number: int, vlen: int = 0, size: int = 4) -> bytes:
        return struct.pack("<III", strings.find(f"\0{label}\0".encode()) + 1 if label else 0, number << 24 | vlen, size)

    def member(label: str, type_: int, offset: int) -> bytes:
        return struct.pack("<III", strings.find(f"\0{label}\0".encode()) + 1 if label else 0, type_, offset * 8)

    types = kind("", 1) + bytes(4) + kind("", 2, size=1)
    types += kind("ring", 4, vlen=3, size=24) + member("", 5, 0) + member("", 6, 8) + member("named", 2, 16)
    types += kind("", 7) + kind("", 4, vlen=1, size=8) + member("flags", 1, 4)
    types += kind("", 4, vlen=1, size=8) + member("head", 1, 0)
    types += kind("traced", 8, size=8) + kind("", 2, size=9) + kind("", 13, vlen=3, size=0) + bytes(24)
    types += kind("shared", 8, size=2)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


def test_members_of_inner_structs_without_names_are_found() -> None:
    blob = rings()
    assert btf.nested_offsets("ring", ("flags", "head", "named"), blob) == {"flags": 4, "head": 8, "named": 16}
    for name, member in (("ring", "tail"), ("rings", "flags")):
        with pytest.raises(BpfrecError, match="does not say where"):
            btf.nested_offsets(name, (member,), blob)


def test_how_many_arguments_a_tracepoint_has() -> None:
    """Those whose prototype stands elsewhere, for other types share it, are not counted."""
    assert btf.arguments_of("traced", rings()) == 2
    assert btf.arguments_of("shared", rings()) is None
    assert btf.arguments_of("nobody", rings()) is None
    assert btf.arguments_of("traced", b"no BTF at all, but long enough") is None


@pytest.mark.skipif(not btf.has_name("io_ring_ctx"), reason="this kernel has no io_uring, or no type information")
def test_the_kernel_says_where_a_ring_has_its_members() -> None:
    found = btf.nested_offsets("io_ring_ctx", ("sq_array", "sq_sqes", "cached_sq_head"))
    run = btf.offset_of_run(("sq_array", "sq_sqes"))
    assert run is not None
    assert found["sq_sqes"] - found["sq_array"] == 8
    assert found["sq_array"] >= run, "in the struct without a name, it begins earlier"


def test_members_of_a_struct_without_a_name_are_found_by_their_neighbours() -> None:
    assert btf.offset_of_run(("first", "second"), made_up()) == 0
    assert btf.offset_of_run(("second",), made_up()) == 8
    assert btf.offset_of_run(("second", "first"), made_up()) is None
    assert btf.offset_of_run(("first", "nobody"), made_up()) is None
    assert btf.offset_of_run(("first",), b"no BTF at all, but long enough") is None


@pytest.mark.skipif(not btf.VMLINUX.exists(), reason="this kernel has no type information")
def test_the_start_of_the_stack_is_where_the_kernel_has_it() -> None:
    assert any(define.startswith("MM_START_STACK=") for define in stack_defines())


def test_without_type_information_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(btf, "VMLINUX", tmp_path / "vmlinux")
    with pytest.raises(BpfrecError, match="CONFIG_DEBUG_INFO_BTF"):
        btf.member_offsets({"task_struct": ("tgid",)})


@pytest.mark.skipif(not btf.VMLINUX.exists(), reason="this kernel has no type information")
@pytest.mark.skipif(shutil.which("bpftool") is None, reason="no bpftool to compare with")
def test_same_as_bpftool() -> None:
    dump = subprocess.run(
        ["bpftool", "btf", "dump", "file", btf.VMLINUX], capture_output=True, text=True, timeout=60, check=True
    )
    expected: dict[tuple[str, str], int] = {}
    inside = ""
    for line in dump.stdout.splitlines():
        if line.startswith("["):
            inside = line.split("'")[1] if " STRUCT " in line else ""
        elif inside in ("task_struct", "signal_struct"):
            expected[inside, line.split("'")[1]] = int(line.split("bits_offset=")[1].split()[0]) // 8
    wanted = {"task_struct": ("tgid", "signal"), "signal_struct": ("live",)}
    assert btf.member_offsets(wanted) == {(s, m): expected[s, m] for s, members in wanted.items() for m in members}
