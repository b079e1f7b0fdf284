"""record/processes/procfs.py: what anybody may put into /proc or /tmp cannot stop a recording that root makes."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.untrusted_files import open_regular
from bpfrec.record.processes import procfs
from bpfrec.record.processes.descriptors import read_files
from bpfrec.record.stacks import modules
from bpfrec.record.stacks import perf_map_files as perf_maps
from bpfrec.record.stacks.modules import Modules
from bpfrec.record.stacks.perf_map_files import PerfMaps

NOBODY = 1 << 30


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up /proc with process 7, whose root is a folder of ours."""
    for module in (procfs, modules, perf_maps):
        monkeypatch.setattr(module, "PROC", tmp_path)
    (tmp_path / "7" / "root" / "tmp").mkdir(parents=True)
    (tmp_path / "7" / "status").write_bytes(
        b"Name:\ta\rTgid:\t666\nTgid:\t7\nPPid:\t1\nUid:\t5\t6\t7\t8\nNSpid:\t7\t3\n"
    )
    return tmp_path / "7"


def test_status(proc: Path) -> None:
    assert procfs.status(7) == procfs.ProcessStatus(pid=7, parent=1, uid=5, namespace_pid=3)
    (proc / "status").write_text("Name:\tgone\n")
    assert procfs.status(7) is None, "a status that is cut off is none"


def test_a_path_with_a_carriage_return_is_one_path(proc: Path) -> None:
    line = b"1000-2000 r-xp 00003000 08:01 4711                       /tmp/a\rb c \n"
    (proc / "maps").write_bytes(line + b"2000-3000 rw-p 00000000 00:00 0 \n3000-4000 r-xp 00000000 00:00 0 \n")
    assert procfs.executable_maps(7) == [
        procfs.MapsLine(0x1000, 0x2000, 0x3000, (8, 1), 4711, "/tmp/a\rb c "),
        procfs.MapsLine(0x3000, 0x4000, 0, (0, 0), 0, "//anon"),
    ]


def test_this_process_is_read_as_it_is() -> None:
    pid = os.getpid()
    status = procfs.status(pid)
    assert status is not None
    assert (status.pid, status.parent, status.uid) == (pid, os.getppid(), os.getuid())
    assert procfs.exe(pid) == str(Path(sys.executable).resolve())
    assert pid in procfs.thread_names(pid)
    assert any("libc" in line.path for line in procfs.executable_maps(pid))


def test_a_process_that_is_gone_is_nothing() -> None:
    assert procfs.status(NOBODY) is procfs.exe(NOBODY) is procfs.cmdline(NOBODY) is None
    assert procfs.thread_names(NOBODY) == {}
    assert procfs.executable_maps(NOBODY) == []


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "missing", "dangling"])
def test_only_files_are_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/null")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nothing")
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert open_regular(path) is None, f"a {kind} was opened"
    assert len(list(Path("/proc/self/fd").iterdir())) == before, "a file descriptor is left open each time it is tried"


def test_a_perf_map_is_found_in_the_process_own_tmp(proc: Path) -> None:
    maps = PerfMaps()
    maps.look([7, NOBODY])
    assert maps.name(7) is None
    os.mkfifo(proc / "root" / "tmp" / "perf-3.map")
    maps.look_last([7])
    assert maps.entries(7, [0x1000]) == {}, "a FIFO under that name is no perf map"
    (proc / "root" / "tmp" / "perf-3.map").unlink()
    (proc / "root" / "tmp" / "perf-3.map").write_text("1000 10 jitted\n")
    maps.look_last([7])
    assert maps.name(7) == "perf-3.map", "the runtime writes the pid of its own namespace"
    (proc / "root" / "tmp" / "perf-3.map").unlink()
    assert maps.entries(7, [0x1000])[0x1000][0].symbol.name == "jitted", "the map is read when the process has gone"
    maps.close()


@pytest.fixture
def held() -> Iterator[Modules]:
    found = Modules()
    yield found
    found.close()


def mapping(path: Path | str, inode: int | None, build_id: str | None = None) -> Mapping:
    return Mapping(0, 7, 0x1000, 0x2000, 0, str(path), build_id, None, inode)


def test_another_file_at_the_path_is_not_taken_for_the_mapped_one(proc: Path, held: Modules) -> None:
    libc = next(line for line in _real_maps() if "libc" in line.path)
    there = proc / "root" / "lib.so"
    there.write_bytes(Path(libc.path).read_bytes())
    wrong_inode, right_inode = mapping("/lib.so", 1), mapping("/lib.so", there.stat().st_ino)
    held.hold(wrong_inode)
    held.hold(right_inode)
    assert held.build_id(wrong_inode) is None, "a file that took the place of the mapped one gave its symbols"
    assert held.build_id(right_inode) is not None
    wrong_id = mapping("/lib.so", None, "00" * 20)
    held.hold(wrong_id)
    assert held.locate(wrong_id, 0x1000) == (None, None)


def test_the_file_of_a_process_that_has_ended_is_looked_for_where_its_parent_is(proc: Path, held: Modules) -> None:
    libc = next(line for line in _real_maps() if "libc" in line.path)
    there = proc.parent / "9" / "root" / "lib.so"
    there.parent.mkdir(parents=True)
    there.write_bytes(Path(libc.path).read_bytes())
    ended = mapping("/lib.so", there.stat().st_ino)._replace(pid=NOBODY)
    held.hold(ended)
    assert held.build_id(ended) is None
    held.hold(ended, ancestors=[NOBODY, 9])
    assert held.build_id(ended) is not None


def _real_maps() -> list[procfs.MapsLine]:
    raw = Path("/proc/self/maps").read_bytes()
    return [procfs._maps_line(line) for line in raw.split(b"\n") if b"r-xp" in line]


def test_the_vdso_is_read_from_memory(held: Modules) -> None:
    line = next((line for line in procfs.executable_maps(os.getpid()) if line.path == "[vdso]"), None)
    if line is None:
        pytest.skip("no vdso is mapped here")
    vdso = Mapping(0, 1, line.start, line.end, 0, "[vdso]", None, None, None)
    held.hold(vdso)
    names = {s.name for a in range(line.start, line.end, 16) if (s := held.locate(vdso, a)[1]) is not None}
    assert any("clock_gettime" in name for name in names), f"the vdso names {names}"


def test_a_real_function_is_located(held: Modules) -> None:
    libc = ctypes.CDLL(None)
    address = ctypes.cast(libc.getpid, ctypes.c_void_p).value or 0
    line = next(line for line in procfs.executable_maps(os.getpid()) if line.start <= address < line.end)
    here = Mapping(0, os.getpid(), line.start, line.end, line.offset, line.path, None, line.device, line.inode)
    held.hold(here)
    _, symbol = held.locate(here, address + 1)
    assert symbol is not None
    assert symbol.name.lstrip("_") == "getpid"


def test_the_command_line_is_quoted() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", "echo; read x # it's"], stdin=pipe, stdout=pipe) as process:
        # The kernel fills in the arguments after it has closed what execve closes: wait until the program speaks.
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        assert procfs.cmdline(process.pid) == "sh -c 'echo; read x # it'\"'\"'s'"


def test_very_long_arguments_are_cut(proc: Path) -> None:
    (proc / "cmdline").write_bytes(b"program\0" + b"x" * 2_000_000)
    found = procfs.cmdline(7)
    assert found is not None
    assert (found[:9], found[-5:], len(found)) == ("program x", "x ...", procfs.MOST_ARGUMENTS + len(" ..."))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("230 0x0 0x0 0x7ffd 0x10 0x20 0xffffffffffffff9c 0x7ffe 0x7fff\n", (230, (0, 0, 0x7FFD, 16, 32, 2**64 - 100))),
        ("-1 0x7ffe 0x7fff\n", None),
        ("0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n", None),  # a kernel thread
        ("426 0x4 0x0 0x1 0x1 0x0 0x8 0x0 0x0\n", None),  # a worker of io_uring
        ("running\n", None),
        ("", None),
    ],
)
def test_the_call_that_a_thread_sleeps_in(proc: Path, text: str, expected: tuple[int, tuple[int, ...]] | None) -> None:
    (proc / "task" / "9").mkdir(parents=True)
    (proc / "task" / "9" / "syscall").write_text(text)
    (proc / "task" / "9" / "stat").write_text("9 (x) T) S 1 9 9 0 -1\n")
    assert procfs.call_of(7, 9) == expected
    assert procfs.call_of(7, 10) is None, "a thread that has ended"
    (proc / "task" / "9" / "stat").write_text("9 (x) S) T 1 9 9 0 -1\n")
    assert procfs.call_of(7, 9) is None, "a stopped thread has left its call"


def test_a_stopped_process_is_in_no_call() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            wait_for(lambda: procfs.call_of(process.pid, process.pid) is not None)
            process.send_signal(signal.SIGSTOP)
            wait_for(lambda: "(stopped)" in Path(f"/proc/{process.pid}/status").read_text())
            assert procfs.call_of(process.pid, process.pid) is None
        finally:
            process.kill()


def test_a_process_whose_main_thread_has_ended_is_read_by_another() -> None:
    script = "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(600,)).start();"
    script += "ctypes.CDLL(None).pthread_exit(None)"
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        pid = process.pid
        try:
            wait_for(lambda: procfs.ended_threads(pid) == {pid})
            assert procfs.executable_maps(pid) == []
            thread = procfs.living_thread(pid)
            assert thread in set(procfs.threads(pid)) - {pid}
            assert procfs.executable_maps(thread)
            assert procfs.exe(thread) == os.path.realpath(sys.executable)
            files = read_files(pid)
            assert files is not None
            assert (files.cwd, files.root) == (str(Path.cwd()), "/")
            assert {descriptor.fd for descriptor in files.descriptors} >= {0, 1, 2}
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_threads_of_the_kernel_are_in_no_call() -> None:
    kernel = [pid for pid in procfs.pids() if procfs.cmdline(pid) is None and procfs.exe(pid) is None]
    assert [call for pid in kernel if (call := procfs.call_of(pid, pid)) is not None] == []


def test_the_width_of_a_program_is_in_its_auxiliary_vector(proc: Path) -> None:
    assert not procfs.is_32_bit(7), "not readable"
    (proc / "auxv").write_bytes(struct.pack("<QQQQ", 33, 0x7FFC12345000, 16, 0xBFEBFBFF))
    assert not procfs.is_32_bit(7)
    (proc / "auxv").write_bytes(struct.pack("<IIII", 32, 0xF7F5A570, 33, 0xF7F5A000))
    assert procfs.is_32_bit(7)
