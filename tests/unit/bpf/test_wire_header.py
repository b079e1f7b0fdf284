"""The C and the Python side of what crosses the border agree; gcc is the judge of the C side."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from bpfrec.bpf import (
    bpf_calls,
    compiled,
    compiling,
    fragments,
    known_stacks,
    leftovers,
    off_cpu,
    perf_event,
    perf_records,
    program,
    samples,
    sampling,
    selection,
    snapshots,
    wire,
)
from bpfrec.formats.kernel import captures
from bpfrec.record.decode import requests

PROGRAMS = Path(str(files("bpfrec.bpf").joinpath("programs")))

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the header with")


def c_values(folder: Path, includes: list[str], expressions: dict[str, str]) -> dict[str, int]:
    """What C says each expression is."""
    source = folder / "values.c"
    prints = [
        f'printf("%s\\"{n}\\": %lld\\n", {i} ? "," : "", (long long)({e}));'
        for i, (n, e) in enumerate(expressions.items())
    ]
    lines = ["#include <stdio.h>", "#include <stddef.h>", *(f"#include {i}" for i in includes)]
    source.write_text("\n".join([*lines, 'int main(void) { puts("{");', *prints, 'puts("}"); return 0; }']))
    command = ["gcc", "-DBPFREC_USERSPACE", f"-I{PROGRAMS}", "-o", folder / "values", source]
    built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if built.returncode:
        pytest.fail(f"the C side does not compile:\n{built.stderr}")
    printed = subprocess.run([folder / "values"], capture_output=True, text=True, timeout=10, check=True).stdout
    values: dict[str, int] = json.loads(printed)
    return values


def test_wire_structs_and_constants(tmp_path: Path) -> None:
    expected = {
        "WIRE_SYSCALL": wire.KIND_SYSCALL,
        "WIRE_DATA": wire.KIND_DATA,
        "WIRE_STACK": wire.KIND_STACK,
        "WIRE_PATH": wire.KIND_PATH,
        "PATH_CAPPED": wire.PATH_CAPPED,
        "PATH_LOST": wire.PATH_LOST,
        "PATH_32_BIT": wire.PATH_32_BIT,
        "PATH_KNOWN": wire.PATH_KNOWN,
        "WIRE_REGISTERS": snapshots.REGISTERS,
        "WIRE_SNAPSHOT_BYTES": fragments.FRAGMENT_BYTES,
        "sizeof(struct wire_snapshot)": snapshots.HEAD.size,
        "offsetof(struct wire_snapshot, pid)": 16,
        "offsetof(struct wire_snapshot, part)": 28,
        "offsetof(struct wire_snapshot, registers)": 32,
        "WIRE_SAMPLE_KERNEL": samples.KERNEL_BYTES,
        "WIRE_SAMPLE_STACK": fragments.FRAGMENT_BYTES,
        "WIRE_SAMPLE_PARTS": samples.MOST_PARTS,
        "SAMPLE_IN_KERNEL": samples.IN_KERNEL,
        "SAMPLE_CAPPED": samples.CAPPED,
        "SAMPLE_32_BIT": samples.BITS_32,
        "SAMPLE_NO_USER": samples.NO_USER,
        "SAMPLE_NO_REGISTERS": samples.NO_REGISTERS,
        "sizeof(struct wire_sample)": samples.HEAD.size,
        "offsetof(struct wire_sample, pid)": 16,
        "offsetof(struct wire_sample, flags)": 28,
        "offsetof(struct wire_sample, part)": 30,
        "offsetof(struct wire_sample, kernel)": 32,
        "offsetof(struct wire_sample, user)": 36,
        "offsetof(struct wire_sample, below)": 40,
        "offsetof(struct wire_sample, comm)": 48,
        "offsetof(struct wire_sample, registers)": 64,
        "offsetof(struct wire_path, snapshot)": wire.EXTRA.itemsize,
        "offsetof(struct wire_path, flags)": 6,
        "offsetof(struct wire_path, shift)": wire.EXTRA.itemsize + 8,
        "offsetof(struct wire_snapshot, depth)": 96,
        "offsetof(struct wire_snapshot, comm)": 104,
        "WIRE_PROCESS": wire.KIND_PROCESS,
        "WIRE_SIGNAL": wire.KIND_SIGNAL,
        "sizeof(struct wire_off_cpu)": off_cpu.OFF_CPU.itemsize,
        "OFF_CPU_PREEMPTED": off_cpu.PREEMPTED,
        "OFF_CPU_ENDED": off_cpu.ENDED,
        "SIGNAL_NO_INFO": wire.SIGNAL_NO_INFO,
        "WIRE_URING": wire.KIND_URING,
        "URING_POLLED": wire.URING_POLLED,
        "URING_UNREAD": wire.URING_UNREAD,
        "URING_HANDED_OVER": wire.URING_HANDED_OVER,
        "URING_UNTOLD": wire.URING_UNTOLD,
        "URING_EARLIER": wire.URING_EARLIER,
        "URING_NO_REQUEST": wire.URING_NO_REQUEST,
        "URING_REFUSED": wire.URING_REFUSED,
        "sizeof(struct wire_uring)": wire.URING.itemsize,
        "PATH_NONE": requests._NO_PATH,
        "sizeof(struct wire_signal)": wire.SIGNAL.itemsize,
        "PROCESS_BORN": wire.BORN,
        "PROCESS_ENDED": wire.ENDED,
        "sizeof(struct wire_process)": wire.PROCESS.itemsize,
        "WIRE_COMPAT": wire.COMPAT,
        "WIRE_X32": wire.X32,
        "WIRE_NO_RETURN": wire.NO_RETURN,
        "WIRE_RETRIED": wire.RETRIED,
        "WIRE_SPILLED": wire.SPILLED,
        "WIRE_INLINE": wire.INLINE_BYTES,
        "WIRE_DATA_MAX": wire.DATA_MAX,
        "WIRE_FRAMES": wire.FRAMES,
        "WIRE_ARGS": wire.ARGS,
        "offsetof(struct wire_batch, data) - offsetof(struct wire_batch, calls)": len(wire.batch_sample(b"", 0)) - 12,
        "offsetof(struct wire_batch, data) % 8": 0,
        # tests/unit/test_selection.py compares these with what one call may add.
        "WIRE_BATCH_FULL": 4096,
        "WIRE_BATCH_MAX": 24560,
        "sizeof(struct wire_data)": 4112,
        "WIRE_INLINE_CUT": wire.INLINE_CUT,
        "WIRE_AT_EXIT": wire.AT_EXIT,
        "WIRE_ASIDE": wire.ASIDE,
        "WIRE_NAME": wire.NAME,
        "WIRE_CONTROL": wire.CONTROL,
        "WIRE_CONTENTS": wire.CONTENTS,
        "sizeof(struct wire_syscall)": wire.SYSCALL.itemsize,
        "offsetof(struct call_slot, call)": wire.SLOT_CALL,
        "offsetof(struct call_slot, args)": wire.SLOT_ARGS,
        "offsetof(struct call_slot, data)": wire.SLOT_DATA,
        "offsetof(struct call_slot, more)": wire.SLOT_STRUCT,
        "offsetof(struct wire_struct, data)": wire.EXTRA.itemsize,
        "WIRE_CUT": wire.CUT,
        "offsetof(struct wire_data, data)": wire.EXTRA.itemsize,
        "offsetof(struct wire_stack, ips)": wire.EXTRA.itemsize,
        "sizeof(struct wire_stack)": wire.EXTRA.itemsize + 8 * wire.FRAMES,
    }
    for struct, dtype in (
        ("wire_syscall", wire.SYSCALL),
        ("wire_data", wire.EXTRA),
        ("wire_stack", wire.EXTRA),
        ("wire_process", wire.PROCESS),
        ("wire_signal", wire.SIGNAL),
        ("wire_uring", wire.URING),
        ("wire_off_cpu", off_cpu.OFF_CPU),
    ):
        for name in dtype.names or ():
            field, offset = dtype.fields[name][:2]
            expected[f"offsetof(struct {struct}, {name})"] = offset
            expected[f"sizeof(((struct {struct} *)0)->{name})"] = field.itemsize
    values = c_values(tmp_path, ['"wire.h"'], {name: name for name in expected})
    assert values == expected, "bpf/wire.py reads the records otherwise than programs/wire.h lays them out"


def test_perf_event_attr(tmp_path: Path) -> None:
    names = {"wakeup_watermark", "bp_type", "config1", "config2", "branch_sample_type", "sample_regs_user", "clockid"}
    names |= {"type", "size", "config", "sample_period", "sample_type", "read_format", "aux_sample_size", "sig_data"}
    expected = {f"offsetof(struct perf_event_attr, {n})": getattr(perf_event.PerfEventAttr, n).offset for n in names}
    flags = {
        "disabled": perf_event.FLAG_DISABLED,
        "exclude_idle": perf_event.FLAG_EXCLUDE_IDLE,
        "freq": perf_event.FLAG_FREQUENCY,
        "mmap": perf_event.FLAG_MMAP,
        "comm": perf_event.FLAG_COMM,
        "task": perf_event.FLAG_TASK,
        "watermark": perf_event.FLAG_WATERMARK,
        "sample_id_all": perf_event.FLAG_SAMPLE_ID_ALL,
        "mmap2": perf_event.FLAG_MMAP2,
        "comm_exec": perf_event.FLAG_COMM_EXEC,
        "use_clockid": perf_event.FLAG_USE_CLOCKID,
        "build_id": perf_event.FLAG_BUILD_ID,
    }
    words = {n: f"((union {{ struct perf_event_attr a; __u64 w[32]; }}){{ .a = {{ .{n} = 1 }} }}).w[5]" for n in flags}
    values = c_values(tmp_path, ["<linux/perf_event.h>"], {n: n for n in expected} | words)
    assert values == expected | flags, (
        "bpf/perf_event.py fills struct perf_event_attr otherwise than the kernel reads it"
    )
    assert expected["offsetof(struct perf_event_attr, size)"] == 4
    size = perf_event.ctypes.sizeof(perf_event.PerfEventAttr)
    assert size == 128, f"struct perf_event_attr of {size} bytes; PERF_ATTR_SIZE_VER7 has 128"


KINDS = ("LOST", "COMM", "EXIT", "THROTTLE", "FORK", "SAMPLE", "MMAP2")


def test_perf_event_requests(tmp_path: Path) -> None:
    expected = {
        "PERF_EVENT_IOC_ENABLE": sampling._ENABLE,
        "PERF_EVENT_IOC_DISABLE": sampling._DISABLE,
        "PERF_EVENT_IOC_SET_BPF": sampling._SET_BPF,
        **{f"PERF_RECORD_{kind}": getattr(perf_records, kind) for kind in KINDS},
        "PERF_COUNT_SW_CPU_CLOCK": perf_event.PERF_COUNT_SW_CPU_CLOCK,
    }
    includes = ["<linux/perf_event.h>", "<sys/ioctl.h>"]
    assert c_values(tmp_path, includes, {name: name for name in expected}) == expected


def test_recursion_misses_of_bpf_prog_info(tmp_path: Path) -> None:
    if "recursion_misses" not in Path("/usr/include/linux/bpf.h").read_text():
        pytest.skip("linux/bpf.h here is older than recursion_misses")
    member = "offsetof(struct bpf_prog_info, recursion_misses)"
    assert c_values(tmp_path, ["<linux/bpf.h>"], {member: member}) == {member: bpf_calls._RECURSION_MISSES}, (
        "bpf/bpf_calls.py reads another member of struct bpf_prog_info as the count of skipped runs"
    )


def test_constants_of_the_program() -> None:
    source = "".join((PROGRAMS / part).read_text() for part in compiling.SOURCES)
    said = {
        name: int(value)
        for name, value in re.findall(r"^\s*(?:#define )?([A-Z_0-9]+) (?:= )?(\d+)\b", source, re.MULTILINE)
    }
    expected = {
        "PLANS": selection.PLANS,
        "PLAN_COMPAT": selection.PLAN_COMPAT,
        "PLAN_RECORD": selection.PLAN_RECORD,
        "PLAN_STACK": selection.PLAN_STACK,
        "PLAN_REPLACES_MEMORY": selection.PLAN_REPLACES_MEMORY,
        "PLAN_EXEC": selection.PLAN_EXEC,
        "PLAN_AT_EXIT": selection.PLAN_AT_EXIT,
        "CAPTURES": selection.CAPTURES,
        "CAPTURE_STRING": selection.CAPTURE_STRING,
        "CAPTURE_BYTES": selection.CAPTURE_BYTES,
        "CAPTURE_SOCKADDR": selection.CAPTURE_SOCKADDR,
        "CAPTURE_STRINGS": selection.CAPTURE_STRINGS,
        "CAPTURE_AT_EXIT": selection.CAPTURE_AT_EXIT,
        "CAPTURE_ARRAY": selection.CAPTURE_ARRAY,
        "CAPTURE_BITS": selection.CAPTURE_BITS,
        "CAPTURE_MESSAGE": selection.CAPTURE_MESSAGE,
        "CAPTURE_CONTENTS": selection.CAPTURE_CONTENTS,
        "CAPTURE_BUFFERS": selection.CAPTURE_BUFFERS,
        "LENGTH_NONE": selection.LENGTH_NONE,
        "LENGTH_RET": selection.LENGTH_RET,
        "ARRAY_MAX": selection.DATA_MOST,
        "SOCKADDR_MAX": captures.SOCKADDR_BYTES,
        "REQUEST_PATH": leftovers._PATH_BYTES,
        "TARGET_RECORDED": program._RECORDED,
        "TARGET_UNTIL_EXEC": program._UNTIL_EXEC,
        "PLAN_SETS_UID": selection.PLAN_SETS_UID,
        "DATA_OFFSET": wire.EXTRA.itemsize,
        "SNAPSHOT_PARTS": snapshots.MOST_PARTS,
        "PATH_WORDS": known_stacks.MOST_WORDS,
        "PATH_STEPS": known_stacks.STEPS_AT_ONCE,
        "SHIFT_NONE": known_stacks.NO_SHIFT,
        "SHIFT_STACK": known_stacks.STACK_SHIFT,
        "SHIFT_IP": known_stacks.IP_SHIFT,
        "SHIFT_FILES": known_stacks.FILE_SHIFTS,
        "SHIFTS": known_stacks.SHIFTS,
        "PATH_COPIED": known_stacks._COPIED,
        "WORDS_AT_ONCE": known_stacks.WORDS_AT_ONCE,
    }
    assert {n: said.get(n) for n in expected} == expected, "programs/ and the Python side mean different numbers"


def test_known_stacks_are_mixed_and_compared_as_the_program_does() -> None:
    source = (PROGRAMS / "stacks.c").read_text()
    factors = [int(value, 16) for value in re.findall(r"0x([0-9a-f]{16})ULL", source)]
    assert factors == list(known_stacks._MIXED_WITH), "where a file is mapped would be another number"
    tails = re.search(r"enum tail \{(.*?)\};", source, re.DOTALL)
    assert tails, "stacks.c has no enum tail"
    assert [name.strip(" ,") for name in tails[1].split()][:-1] == [
        f"TAIL_{name.removeprefix('on_').upper()}" for name in program._TAILS
    ]
    steps = known_stacks.MOST_WORDS // known_stacks.WORDS_AT_ONCE
    assert known_stacks.VARIANTS + steps // known_stacks.STEPS_AT_ONCE <= 30, (
        "MAX_TAIL_CALL_CNT in include/linux/bpf.h is 33, and one call leads to the first of them"
    )


def test_constants_stand_in_the_order_of_the_program() -> None:
    source = (PROGRAMS / "targets.c").read_text()
    body = re.search(r"enum constant \{(.*?)\};", source, re.DOTALL)
    assert body, "targets.c has no enum constant"
    names = [
        "CONSTANT_SELF",
        "CONSTANT_TGID",
        "CONSTANT_UID",
        "CONSTANT_NAME",
        "CONSTANT_NAME_REST",
        "CONSTANT_HELPER",
        "CONSTANT_OTHER_HELPER",
        "CONSTANT_STACK_NS",
    ]
    assert re.findall(r"^\s*([A-Z_]+),", body[1], re.MULTILINE) == names, "another process would be recorded"
    assert f"#define CONSTANT {compiled.CONSTANT} " in source


def test_what_map_values_begin_with(tmp_path: Path) -> None:
    expected = {
        "offsetof(struct wire_batch, data)": leftovers._BATCH_HEAD.size,
        "offsetof(struct wire_batch, calls)": 12,
        "offsetof(struct call_slot, state)": 8,
        "offsetof(struct call_slot, aside)": leftovers._SLOT_HEAD.size - 2,
    }
    assert c_values(tmp_path, ['"wire.h"'], {name: name for name in expected}) == expected


def test_requests_of_bpf(tmp_path: Path) -> None:
    expected = {
        "BPF_MAP_CREATE": bpf_calls._MAP_CREATE,
        "BPF_MAP_LOOKUP_ELEM": bpf_calls._MAP_LOOKUP,
        "BPF_MAP_UPDATE_ELEM": bpf_calls._MAP_UPDATE,
        "BPF_MAP_DELETE_ELEM": bpf_calls._MAP_DELETE,
        "BPF_MAP_GET_NEXT_KEY": bpf_calls._MAP_NEXT_KEY,
        "BPF_PROG_LOAD": bpf_calls._PROGRAM_LOAD,
        "BPF_OBJ_GET_INFO_BY_FD": bpf_calls._GET_INFO,
        "BPF_RAW_TRACEPOINT_OPEN": bpf_calls._RAW_TRACEPOINT_OPEN,
        "BPF_PROG_TYPE_RAW_TRACEPOINT": bpf_calls.RAW_TRACEPOINT,
        "BPF_PROG_TYPE_PERF_EVENT": bpf_calls.PERF_EVENT,
        "BPF_PSEUDO_MAP_FD": compiled._MAP,
        "BPF_LD | BPF_DW | BPF_IMM": compiled._LOAD_64,
        "SYS_bpf": bpf_calls._SYS_BPF,
        "offsetof(union bpf_attr, map_name)": 28,
        "offsetof(union bpf_attr, map_name) + 16": bpf_calls._NEW_MAP.size,
        "offsetof(union bpf_attr, key)": 8,
        "offsetof(union bpf_attr, flags) + 8": bpf_calls._ELEMENT.size,
        "offsetof(union bpf_attr, log_buf)": 32,
        "offsetof(union bpf_attr, prog_name)": 48,
        "offsetof(union bpf_attr, expected_attach_type) + 4": bpf_calls._PROGRAM.size,
        "offsetof(union bpf_attr, info.info)": 8,
        "offsetof(union bpf_attr, raw_tracepoint.prog_fd)": 8,
    }
    assert c_values(tmp_path, ["<linux/bpf.h>", "<sys/syscall.h>"], {name: name for name in expected}) == expected


def test_counters_stand_in_the_order_of_the_program() -> None:
    body = re.search(r"enum counter \{(.*?)\};", (PROGRAMS / "counters.c").read_text(), re.DOTALL)
    assert body, "counters.c has no enum counter"
    names = re.findall(r"^\s*([A-Z_]+),", body[1], re.MULTILINE)
    assert tuple(n.lower() for n in names if n != "COUNTERS") == program.COUNTERS, (
        "a loss would be counted as another one"
    )
