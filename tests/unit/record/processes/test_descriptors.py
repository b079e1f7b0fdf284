"""record/processes/descriptors.py and record/processes/sockets.py: what processes have open, from /proc."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.finish.rows import descriptor_rows, process_rows, thread_table_rows
from bpfrec.record.processes import procfs, sharing
from bpfrec.record.processes.descriptors import DescriptorSnapshot, read_files
from bpfrec.record.processes.history import BEFORE, History
from bpfrec.record.processes.procfs import ProcessStatus
from bpfrec.record.processes.sockets import socket_names

NOBODY = 1 << 30


def taken(*pids: int) -> DescriptorSnapshot:
    snapshot = DescriptorSnapshot()
    for _ in snapshot.take(pids):
        pass
    return snapshot


def test_this_process_as_it_is(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/odd\xff name"
    file = os.open(odd, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.set_inheritable(file, False)
    inherited = os.dup(file)
    os.set_inheritable(inherited, True)
    before = time.monotonic_ns()
    try:
        found = read_files(os.getpid())
    finally:
        os.close(file)
        os.close(inherited)
    assert found is not None
    assert (found.cwd, found.root) == (str(Path.cwd()), "/")
    by_number = {descriptor.fd: descriptor for descriptor in found.descriptors}
    assert by_number[file].target == f"{tmp_path}/odd\\xff name"
    assert (by_number[file].flags or 0) & (os.O_ACCMODE | os.O_APPEND) == os.O_WRONLY | os.O_APPEND
    assert (by_number[file].flags or 0) & os.O_CLOEXEC
    assert not (by_number[inherited].flags or 0) & os.O_CLOEXEC
    times = [descriptor.time for descriptor in found.descriptors]
    assert before <= found.time <= times[0]
    assert times == sorted(times)


def test_sockets_of_this_process_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as netlink,
    ):
        datagrams.bind(("::1", 0))
        named.bind("blank at its end ")
        abstract.bind(b"\0bpfrec-%d" % os.getpid())
        netlink.bind((0, 0))
        snapshot = taken(os.getpid())
        rows = {row["fd"]: row for row in descriptor_rows(snapshot, {os.getpid()})}
        there, here = server.getsockname()[1], client.getsockname()[1]
        assert rows[server.fileno()]["name"] == f"TCP 127.0.0.1:{there}"
        assert rows[client.fileno()]["name"] == f"TCP 127.0.0.1:{here}->127.0.0.1:{there}"
        assert rows[datagrams.fileno()]["name"] == f"UDP [::1]:{datagrams.getsockname()[1]}"
        assert rows[named.fileno()]["name"] == "unix:blank at its end "
        assert rows[abstract.fileno()]["name"] == f"unix:@bpfrec-{os.getpid()}"
        assert rows[netlink.fileno()]["name"] == "NETLINK"
        assert rows[client.fileno()]["target"].startswith("socket:[")
    assert list(descriptor_rows(snapshot, {NOBODY})) == [], "processes without calls are left out"


def test_a_process_that_is_gone_has_nothing() -> None:
    assert read_files(NOBODY) is None
    assert socket_names(NOBODY) is None
    assert taken(NOBODY).by_pid == {}


def test_tables_cut_short_give_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfs, "PROC", tmp_path)
    net = tmp_path / "7" / "net"
    net.mkdir(parents=True)
    head = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    line = b"   0: 0100007F:1F90 0200000A:15B3 01 00000000:00000000 00:00000000 00000000     0        0 4711 1 x\n"
    gone = b"   1: 0100007F:1F90 0200000A:15B4 06 00000000:00000000 03:00000000 00000000     0        0 0 3 x\n"
    (net / "tcp").write_bytes(head + line + gone + line[:40])
    (net / "unix").write_bytes(b"Num RefCount Protocol Flags Type St Inode Path\nffff: 00000002 00000000 00010000 0001")
    assert socket_names(7) == {4711: "TCP 127.0.0.1:8080->10.0.0.2:5555"}


UNIX_HEAD = b"Num RefCount Protocol Flags Type St Inode Path\n"
UNIX_LINE = b"ffff888100: 00000002 00000000 00010000 0001 01 %5d %s\n"


def test_a_name_with_newlines_breaks_nothing_and_renames_no_other_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procfs, "PROC", tmp_path)
    net = tmp_path / "7" / "net"
    net.mkdir(parents=True)
    inet = b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 x\n"
    (net / "tcp").write_bytes(b"  sl  local_address\n" + inet)
    forged = b"".join(UNIX_LINE % (inode, b"/run/forged") for inode in (21, 4711))
    lines = [(20, b"@one\ntwo words\n\n" + forged.removesuffix(b"\n")), (21, b"/run/real"), (22, b"/run/other")]
    (net / "unix").write_bytes(UNIX_HEAD + b"".join(UNIX_LINE % line for line in lines))
    assert socket_names(7) == {20: "unix:@one\ntwo words\n", 22: "unix:/run/other", 4711: "TCP 127.0.0.1:8080"}


def test_a_live_socket_whose_name_holds_a_newline_has_that_name() -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(b"\0bpfrec\n-%d x" % os.getpid())
        names = socket_names(os.getpid())
        assert names is not None
        assert names[os.fstat(one.fileno()).st_ino] == f"unix:@bpfrec\n-{os.getpid()} x"


def test_a_process_has_what_was_read_while_it_lived() -> None:
    snapshot = taken(os.getpid())
    read = snapshot.by_pid[os.getpid()].time
    history = History()
    life = history.snapshot(ProcessStatus(os.getpid(), 1, 0, 1), {}, [])
    (row,) = process_rows(history, snapshot, {os.getpid()})
    assert (row["snapshot_ns"], row["cwd"], row["root"]) == (read, str(Path.cwd()), "/")
    assert life.start == BEFORE
    life.start = read + 1
    (row,) = process_rows(history, snapshot, {os.getpid()})
    assert (row["snapshot_ns"], row["cwd"]) == (None, None), "another process had this pid when it was read"


CLONE_FS, CLONE_FILES, SIGCHLD = 0x200, 0x400, 17


@pytest.mark.parametrize("has_kcmp", [True, False])
def test_a_thread_with_tables_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_kcmp: bool) -> None:
    if not has_kcmp:
        monkeypatch.setattr(sharing, "_NUMBER", 100_000)
    libc = ctypes.CDLL(None, use_errno=True)
    is_apart, may_end = threading.Event(), threading.Event()
    tids: list[int] = []

    def leave() -> None:
        assert libc.unshare(CLONE_FS | CLONE_FILES) == 0
        os.chdir(tmp_path)
        os.dup2(os.open("/etc/passwd", os.O_RDONLY), 777)
        tids.append(threading.get_native_id())
        is_apart.set()
        may_end.wait(60)

    threads = [threading.Thread(target=leave), threading.Thread(target=may_end.wait, args=(60,))]
    for thread in threads:
        thread.start()
    assert is_apart.wait(60)
    snapshot = taken(os.getpid())
    may_end.set()
    for thread in threads:
        thread.join()
    [tid] = tids
    [found] = snapshot.apart
    assert (found.pid, found.tid, found.files_tid, found.directories_tid) == (os.getpid(), tid, tid, tid)
    assert (found.cwd, found.root) == (str(tmp_path), "/")
    rows = {(row["tid"], row["fd"]): row["target"] for row in descriptor_rows(snapshot, {os.getpid()})}
    assert rows[tid, 777] == "/etc/passwd"
    assert (None, 777) not in rows
    [row] = thread_table_rows(snapshot, {os.getpid()})
    assert row == {
        "pid": os.getpid(),
        "tid": tid,
        "files_tid": tid,
        "directories_tid": tid,
        "cwd": str(tmp_path),
        "root": "/",
        "snapshot_ns": found.time,
    }


def test_processes_that_share_a_table() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    clone = syscalls()["clone"].numbers["x86_64"]
    child = libc.syscall(clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        libc.pause()
        os._exit(0)
    try:
        apart = taken(os.getpid(), os.getppid(), child).apart
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    first, second = sorted((os.getpid(), child))
    assert [(t.pid, t.tid, t.files_tid, t.directories_tid) for t in apart] == [(second, second, first, second)]


def test_processes_that_may_not_be_looked_at_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str) -> None:
        raise PermissionError

    with monkeypatch.context() as patched:
        patched.setattr(procfs.os, "listdir", refuse)
        patched.setattr(procfs.os, "scandir", refuse)
        snapshot = taken(os.getpid(), os.getpid())
    assert (snapshot.refused, snapshot.by_pid) == (2, {})
    assert taken(NOBODY).refused == 0, "it has gone"
