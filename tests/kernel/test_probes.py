"""Functions of the C library, tracepoints and children's returns: argdist's counts beside bpftrace's uprobes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.beside_bpftrace import LiveScript
from support.live import Recorder, Waiting, trace_of

FUNCTIONS = (
    *("open", "creat", "stat", "lstat", "fstat", "access", "rename", "unlink", "rmdir", "mkdir", "mknod", "chmod"),
    *("utime", "lutimes", "futimens", "umount", "pipe", "dup2", "accept", "recv", "send", "poll", "select", "pselect"),
    *("epoll_wait", "epoll_create", "inotify_init", "nanosleep", "getrlimit", "setrlimit", "fork", "vfork", "clone"),
    *("waitpid", "semop", "seteuid", "mkfifo", "statvfs", "gethostname"),
)
TRACED = ("open", "openat", "newfstatat", "accept", "accept4", "clone", "clone3", "vfork", "fork", "unlink", "unlinkat")
RETURNING = ("clone", "vfork")
"""Their children return from them under the name that the workload has."""


def library_of(program: Path) -> str:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    found = re.search(r"libc\.so\.6 => (\S+)", listed)
    assert found
    return found[1]


def counting_script(library: str) -> str:
    """Counts calls in processes named "library"."""
    ours = '/comm == "library"/'
    uprobes = [f'uprobe:{library}:{name} {ours} {{ @["{name}"] = count(); }}' for name in FUNCTIONS]
    entries = [f'tracepoint:syscalls:sys_enter_{name} {ours} {{ @["enter {name}"] = count(); }}' for name in TRACED]
    of_child = 'comm == "library" && {} == 0/ {{ @["{}"] = count(); }}'
    exits = [
        f"tracepoint:syscalls:sys_exit_{name} /{of_child.format('args->ret', f'child {name}')}" for name in RETURNING
    ]
    fork = f"uretprobe:{library}:fork /{of_child.format('(int32)retval', 'child of fork')}"
    return "\n".join([*uprobes, *entries, *exits, fork])


@pytest.fixture(scope="module")
def counted(programs: Callable[..., Path], bpftrace: str, tmp_path_factory: pytest.TempPathFactory):
    """What bpftrace counted, and the trace of the same run."""
    output = tmp_path_factory.mktemp("library") / "trace.bpfrec"
    workload = Waiting([programs("library")])
    library = library_of(programs("library"))
    judge = LiveScript(bpftrace, counting_script(library), library=library)
    judge.wait()
    recorder = Recorder(output, "-p", str(workload.pid), "--follow")
    workload.go()
    recorder.wait()
    theirs = judge.stop().maps["@"]
    with trace_of(output) as trace:
        yield theirs, trace


def count(trace, spec: str) -> int:
    return sum(row["count"] for row in trace.report("argdist", counts=[spec], name="library").dicts())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_of_the_library_is_counted_as_its_uprobe_does(counted, function: str) -> None:
    theirs, trace = counted
    assert theirs[function] > 1
    assert count(trace, f"p:c:{function}()") == theirs[function]


@pytest.mark.parametrize("call", TRACED)
def test_a_tracepoint_is_one_system_call(counted, call: str) -> None:
    theirs, trace = counted
    assert count(trace, f"t:syscalls:sys_enter_{call}()") == theirs.get(f"enter {call}", 0)


@pytest.mark.parametrize("call", RETURNING)
def test_a_child_returns_too(counted, call: str) -> None:
    theirs, trace = counted
    ours = count(trace, f"t:syscalls:sys_exit_{call}():long:args->ret:args->ret == 0")
    assert ours == theirs[f"child {call}"] > 1


def test_a_child_returns_from_the_library_too(counted) -> None:
    theirs, trace = counted
    assert count(trace, "r:c:fork():int:$retval:(int)$retval == 0") == theirs["child of fork"] == 3
