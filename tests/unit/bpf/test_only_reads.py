"""The BPF programs only read, and the recorder starts nothing but the recorded command."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = sorted((ROOT / "bpf" / "programs").glob("*.[ch]"))
READERS = {
    *("bpf_probe_read_kernel", "bpf_probe_read_kernel_str", "bpf_probe_read_user", "bpf_probe_read_user_str"),
    *("bpf_copy_from_user", "bpf_get_current_pid_tgid", "bpf_get_current_uid_gid", "bpf_get_current_comm"),
    *("bpf_get_current_task", "bpf_get_current_task_btf", "bpf_get_current_cgroup_id", "bpf_task_pt_regs"),
    *("bpf_get_stack", "bpf_get_smp_processor_id", "bpf_ktime_get_ns", "bpf_perf_event_output", "bpf_pseudo_fd"),
}
"""Helpers of the kernel that change nothing but maps, rings and the stack of the program: bpf-helpers(7)."""

STARTERS = re.compile(r"(system|popen|fork|forkpty|exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?)")
MAY_START = {
    # The recorded command, and children that are this program.
    "record/session/child.py": {"os.fork", "os.execve"},
    "bpf/child_process.py": {"os.fork"},
}


@pytest.mark.parametrize("program", PROGRAMS, ids=[path.name for path in PROGRAMS])
def test_programs_call_helpers_that_read(program: Path) -> None:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", program.read_text("utf-8"), flags=re.DOTALL)
    assert set(re.findall(r"\b(bpf_\w+)\s*\(", code)) <= READERS


def test_all_programs_were_looked_at() -> None:
    assert len(PROGRAMS) > 5
    used = set(re.findall(r"\b(bpf_\w+)\s*\(", "".join(path.read_text("utf-8") for path in PROGRAMS)))
    assert {"bpf_probe_read_kernel", "bpf_perf_event_output"} <= used


def started(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if any(name.name in ("subprocess", "pty") for name in names):
                yield "subprocess"
            case ast.ImportFrom(module="subprocess" | "pty"):
                yield "subprocess"
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if STARTERS.fullmatch(name):
                yield f"os.{name}"


def test_nothing_is_started_but_the_recorded_command() -> None:
    found: dict[str, set[str]] = {}
    for folder in ("record", "bpf", "formats"):
        for path in (ROOT / folder).rglob("*.py"):
            names = set(started(ast.parse(path.read_bytes())))
            if names:
                found[str(path.relative_to(ROOT))] = names
    assert found == MAY_START
