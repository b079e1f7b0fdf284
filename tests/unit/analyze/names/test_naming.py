"""Names in the world: what is open in which process at a time, from the snapshot and the calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.trace_builder import START_NS, TraceBuilder

from bpfrec.analyze.facade import Trace
from bpfrec.analyze.names.coverage import MAKING
from bpfrec.analyze.names.reasons import REASONS
from bpfrec.formats import schema

CWD = -100
CLOEXEC = 0o2000000
CLONE_FILES, CLONE_FS, CLONE_THREAD = 0x400, 0x200, 0x10000


class World(TraceBuilder):
    """A trace of one process or more; calls follow each other, 10,000 ns apart, unless a time is given."""

    def __init__(self, snapshot: bool = True, cwd: str = "/home", root: str = "/") -> None:
        super().__init__()
        self.now = 0
        self.configuration: dict[str, Any] = {"pids": [4242]}
        at = START_NS if snapshot else None
        self.add(
            schema.PROCESSES,
            pid=4242,
            ppid=1,
            cwd=cwd if snapshot else None,
            root=root if snapshot else None,
            snapshot_ns=at,
        )
        self.add(schema.THREADS, tid=4242, pid=4242, comm="server")

    def manifest(self):
        manifest = super().manifest()
        manifest.configuration = self.configuration
        return manifest

    def do(self, name: str, *args: int, **columns: Any) -> int:
        self.now = columns.pop("at", self.now + 10_000)
        return self.call(name, self.now, *args, **columns)

    def has(self, fd: int, target: str | None, flags: int = 0, at: int = 0, **columns: Any) -> None:
        row = {"pid": 4242, "fd": fd, "target": target, "flags": flags, "ts_ns": START_NS + at}
        self.add(schema.DESCRIPTORS, **(row | columns))

    def open(self, fd: int, path: str, flags: int = 0, dfd: int = CWD, **columns: Any) -> int:
        return self.do("openat", dfd, 0x1000, flags, ret=fd, path=path, **columns)

    def read(self, fd: int, **columns: Any) -> int:
        return self.do("read", fd, 0x2000, 10, ret=columns.pop("ret", 1), **columns)

    def fork(self, child: int, name: str = "fork", *args: int, parent: int = 4242, **columns: Any) -> int:
        call = self.do(name, *args, ret=child, pid=parent, **columns)
        self.add(schema.PROCESSES, pid=child, ppid=parent, start_ns=START_NS + self.now + 500)
        self.add(schema.THREADS, tid=child, pid=child, comm="child")
        return call

    def execute(self, pid: int = 4242) -> None:
        self.do("execve", 0x1000, 0, 0, ret=0, pid=pid, path="/bin/x")


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Any]:
    """A function that says what calls of a world are about: a name, or the reason in brackets."""

    def ask(world: World, *calls: int) -> Any:
        query = "SELECT event_id, coalesce(resolved_path, '(' || resolved_reason || ')') FROM syscalls"
        with Trace(world.write(tmp_path / "world.bpfrec")) as trace:
            known = dict(trace.query(query).rows)
        found = [known[call] for call in calls]
        return found[0] if len(found) == 1 else found

    return ask


def test_what_the_snapshot_has_and_what_is_opened_after_it(names) -> None:
    world = World()
    world.has(0, "/dev/pts/3")
    world.has(5, "socket:[17]", name="TCP 10.0.0.1:80->10.0.0.2:5555")
    calls = [world.read(0), world.read(5), world.read(3, ret=-9, errno="EBADF")]
    calls += [world.open(3, "/etc/hosts"), world.read(3), world.do("close", 3)]
    calls += [world.read(3, ret=-9, errno="EBADF"), world.open(3, "data/x"), world.read(3), world.read(-1, ret=-9)]
    assert names(world, *calls) == [
        *("/dev/pts/3", "TCP 10.0.0.1:80->10.0.0.2:5555", "(not-open)"),
        *("/etc/hosts", "/etc/hosts", "/etc/hosts"),
        *("(not-open)", "/home/data/x", "/home/data/x", "(not-open)"),
    ]


def test_names_by_directories_on_directories(names) -> None:
    world = World()
    world.open(3, "/srv")
    world.open(4, "a", dfd=3)
    world.open(5, "./b//c/", dfd=4)
    calls = [world.read(5), world.open(-2, "x", dfd=5, errno="ENOENT"), world.do("mkdirat", 5, 0x1, 0o755, path="y/")]
    calls.append(world.do("newfstatat", 5, 0x1, 0x2, 0x1000, path=""))
    calls.append(world.do("utimensat", 5, 0, 0, 0, path_status="null"))
    world.do("fchdir", 5)
    world.do("close", 5)
    calls += [world.open(-2, "z", errno="ENOENT"), world.do("chdir", 0x1, path="w"), world.do("unlink", 1, path="v")]
    base = "/srv/a/b/c"
    assert names(world, *calls) == [
        base,
        *(f"{base}/{n}" for n in "xy"),
        base,
        base,
        *(f"{base}/{n}" for n in ("z", "w", "w/v")),
    ]


@pytest.mark.grid
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("../x", "/x"),
        ("../../x", "/x"),
        (".././x/../y", "/x/../y"),
        ("x/../y", "/home/x/../y"),
        ("..", "/"),
        (".", "/home"),
        ("...", "/home/..."),
        ("..x/", "/home/..x"),
        ("/..//x/.", "/x"),
        ("/", "/"),
        ("/a/../b", "/a/../b"),
    ],
)
def test_dots_go_up_only_where_no_link_can_stand(names, path: str, name: str) -> None:
    world = World()
    failed = world.open(-2, path, errno="ENOENT")
    world.open(3, path)
    assert names(world, failed, world.read(3)) == [name, name]


def test_getcwd_says_where_links_led(names) -> None:
    world = World()
    world.do("chdir", 0x1, path="link")
    calls = [world.open(-2, "../x")]
    told = world.do("getcwd", 0x1, 4096, ret=10)
    world.add(schema.STRINGS, event_id=told, arg=0, value="/real/dir")
    calls += [world.open(-2, "../x"), world.open(-2, "y")]
    told = world.do("getcwd", 0x1, 4096, ret=10)
    world.add(schema.STRINGS, event_id=told, arg=0, value="(unreachable)/dir")
    calls += [world.open(-2, "y")]
    assert names(world, *calls) == ["/home/link/../x", "/real/x", "/real/dir/y", "/real/dir/y"]


def test_received_descriptors_are_known_to_be_something(names) -> None:
    world = World()
    world.has(3, "/before")
    world.do("close", 3)
    received = world.do("recvmsg", 9, 0x1, 0x40000000, ret=1)
    row = {"event_id": received, "arg": 1, "kind": "scm_rights", "position": 0, "word0": 3}
    world.add(schema.ARRAYS, phase="exit", **row)
    calls = [world.read(3), world.open(-2, "x", dfd=3)]
    world.execute()
    calls.append(world.read(3, ret=-9, errno="EBADF"))
    assert names(world, *calls) == ["(not-followed)", "(not-followed)", "(not-open)"]


def test_what_was_reached_over_a_link_perhaps_is_not_gone_up_from(names) -> None:
    world = World()
    world.open(3, "sub", flags=0o400000)
    world.open(4, "sub")
    calls = [world.open(-2, "../x", dfd=3), world.open(-2, "../x", dfd=4)]
    assert names(world, *calls) == ["/home/x", "/home/sub/../x"]


def test_copies_and_what_replaces_them(names) -> None:
    world = World()
    world.open(3, "/a")
    world.open(4, "/b")
    world.do("dup2", 3, 4, ret=4)
    calls = [world.read(4)]
    world.do("dup2", 4, 4, ret=4)
    world.do("close", 3)
    calls += [world.read(4)]
    world.do("fcntl", 4, 0, 10, ret=10)
    world.do("dup3", 10, 11, CLOEXEC, ret=11)
    world.do("fcntl", 11, 1030, 20, ret=20)
    calls += [world.read(fd) for fd in (10, 11, 20)]
    world.execute()
    calls += [
        world.read(4),
        world.read(10),
        world.read(11, ret=-9, errno="EBADF"),
        world.read(20, ret=-9, errno="EBADF"),
    ]
    assert names(world, *calls) == ["/a"] * 7 + ["(not-open)"] * 2


def test_close_on_exec_set_and_taken_away_later(names) -> None:
    world = World()
    world.has(7, "/seven", flags=CLOEXEC)
    for fd, flags in ((3, CLOEXEC), (4, 0), (5, CLOEXEC), (6, 0)):
        world.open(fd, f"/{fd}", flags=flags)
    world.do("fcntl", 3, 2, 0)
    world.do("fcntl", 4, 2, 1)
    world.do("ioctl", 5, 0x5450, 0)
    world.do("ioctl", 6, 0x5451, 0)
    world.execute()
    calls = [
        world.read(fd, ret=1 if fd in (3, 5) else -9, errno=None if fd in (3, 5) else "EBADF") for fd in range(3, 8)
    ]
    assert names(world, *calls) == ["/3", "(not-open)", "/5", "(not-open)", "(not-open)"]


def test_ranges_are_closed_and_marked(names) -> None:
    world = World()
    for fd in range(3, 10):
        world.open(fd, f"/{fd}")
    world.do("close_range", 8, 0xFFFFFFFF, 0)
    world.do("close_range", 5, 6, 4)
    world.open(6, "/again")
    calls = [world.read(fd, ret=-9 if fd > 7 else 1, errno="EBADF" if fd > 7 else None) for fd in range(3, 10)]
    world.fork(99)
    world.execute(pid=99)
    calls += [world.read(5), world.read(5, pid=99, ret=-9, errno="EBADF"), world.read(6, pid=99), world.read(7, pid=99)]
    assert names(world, *calls) == [
        *("/3", "/4", "/5", "/again", "/7", "(not-open)", "(not-open)"),
        *("/5", "(not-open)", "/again", "/7"),
    ]


def test_a_child_has_a_copy(names) -> None:
    world = World()
    world.has(1, "/dev/pts/0")
    world.open(3, "/shared", flags=CLOEXEC)
    world.fork(99)
    world.do("close", 3)
    world.open(3, "/parents")
    world.do("chdir", 0x1, path="/elsewhere")
    calls = [world.read(3, pid=99), world.read(3), world.open(-2, "x", pid=99), world.read(1, pid=99)]
    world.fork(100, parent=99)
    world.do("close", 3, pid=99)
    world.execute(pid=99)
    calls += [world.read(3, pid=100), world.read(3, pid=99, ret=-9, errno="EBADF"), world.read(1, pid=100)]
    world.execute(pid=100)
    calls += [world.read(3, pid=100, ret=-9, errno="EBADF"), world.read(1, pid=100)]
    assert names(world, *calls) == [
        *("/shared", "/parents", "/home/x", "/dev/pts/0"),
        *("/shared", "(not-open)", "/dev/pts/0", "(not-open)", "/dev/pts/0"),
    ]


def test_a_table_is_shared_until_an_exec(names) -> None:
    world = World()
    world.fork(99, "clone", CLONE_FILES | CLONE_FS)
    world.open(3, "/by parent")
    world.open(4, "/by child", pid=99)
    world.do("chdir", 0x1, path="/there", pid=99)
    calls = [world.read(3, pid=99), world.read(4), world.open(-2, "x")]
    world.execute(pid=99)
    world.open(5, "/alone", pid=99)
    calls += [world.read(3, pid=99), world.read(5, ret=-9, errno="EBADF"), world.open(-2, "y", pid=99)]
    assert names(world, *calls) == ["/by parent", "/by child", "/there/x", "/by parent", "(not-open)", "/there/y"]


def test_what_a_child_shares_has_to_be_known(names) -> None:
    world = World()
    world.open(3, "/a")
    world.fork(98, "clone3", 0x1000, 88)
    known = world.fork(99, "clone3", 0x1000, 88)
    world.add(schema.STRUCTS, event_id=known, arg=0, kind="clone_args", word0=0x4100)
    world.fork(100, "vfork")
    calls = [world.read(3, pid=pid) for pid in (98, 99, 100)]
    own = world.open(4, "/own", pid=98)
    assert names(world, *calls, own, world.read(4, pid=98)) == ["(sharing-unknown)", "/a", "/a", "/own", "/own"]


def test_threads_share_a_table(names) -> None:
    world = World()
    world.add(schema.THREADS, tid=4243, pid=4242, comm="worker")
    world.open(3, "/a", tid=4243)
    call = world.read(3)
    world.do("unshare", CLONE_FS, tid=4243)
    world.do("chdir", 0x1, path="/elsewhere", tid=4243)
    apart = [world.open(-2, "x"), world.open(-2, "x", tid=4243), world.read(3)]
    assert names(world, call, *apart) == ["/a", "/home/x", "/elsewhere/x", "/a"]


def with_threads(*tids: int) -> World:
    world = World()
    for tid in tids:
        world.add(schema.THREADS, tid=tid, pid=4242, comm="worker")
    return world


def apart(world: World, tid: int, files: int, directories: int, pid: int = 4242, cwd: str | None = None) -> None:
    row = {"files_tid": files, "directories_tid": directories, "cwd": cwd, "root": "/", "snapshot_ns": START_NS}
    world.add(schema.THREAD_TABLES, pid=pid, tid=tid, **row)


def test_threads_that_were_apart_when_recording_began(names) -> None:
    world = with_threads(1, 2, 3)
    world.has(5, "/processes")
    world.has(5, "/threads", tid=1)
    apart(world, 1, 1, 4242)
    apart(world, 2, 1, 2, cwd="/etc")
    calls = [world.read(5), *(world.read(5, tid=tid) for tid in (1, 2, 3))]
    calls += [world.open(-2, "x"), *(world.open(-2, "x", tid=tid) for tid in (1, 2))]
    world.open(5, "/opened", tid=2)
    world.do("close", 5)
    calls += [world.read(5, tid=1), world.read(5, ret=-9, errno="EBADF"), world.read(6, tid=1, ret=-9, errno="EBADF")]
    assert names(world, *calls) == [
        *("/processes", "/threads", "/threads", "/processes", "/home/x", "/home/x", "/etc/x"),
        *("/opened", "(not-open)", "(not-open)"),
    ]


def test_a_thread_leaves_with_a_copy_and_passes_it_on(names) -> None:
    world = with_threads(1, 2)
    world.open(3, "/a")
    world.do("close_range", 7, 9, 2, tid=1)
    world.open(4, "/threads", tid=1)
    world.open(4, "/processes")
    world.do("clone", CLONE_THREAD | CLONE_FILES | CLONE_FS, ret=2, tid=1)
    calls = [world.read(fd, tid=tid) for fd in (3, 4) for tid in (4242, 1, 2)]
    world.do("clone", 17, ret=99, tid=2)
    world.add(schema.PROCESSES, pid=99, ppid=4242, start_ns=START_NS + world.now + 500)
    calls.append(world.read(4, pid=99, tid=99))
    world.do("execve", 0x1000, 0, 0, ret=0, tid=2, path="/bin/x")
    calls.append(world.read(4))
    assert names(world, *calls) == [
        *("/a", "/a", "/a", "/processes", "/threads", "/threads", "/threads", "/threads"),
    ]


def test_a_thread_made_without_sharing_has_a_copy(names) -> None:
    world = with_threads(1)
    world.open(3, "/a")
    world.do("clone", CLONE_THREAD | CLONE_FS, ret=1)
    world.open(3, "/b", tid=1)
    calls = [world.read(3), world.read(3, tid=1)]
    world.do("chdir", 0x1, path="/there", tid=1)
    assert names(world, *calls, world.open(-2, "x")) == ["/a", "/b", "/there/x"]


def test_threads_that_are_made_apart_in_a_pid_namespace_make_all_doubtful(names) -> None:
    world = with_threads(1)
    world.open(3, "/a")
    world.do("clone", CLONE_THREAD | CLONE_FS, ret=7)
    assert names(world, world.read(3), world.open(-2, "x")) == ["(sharing-unknown)", "/home/x"]


def test_processes_that_shared_when_recording_began(names) -> None:
    world = World()
    world.has(3, "/a")
    world.has(3, "/a", pid=99)
    world.add(schema.PROCESSES, pid=99, ppid=4242, cwd="/home", root="/", snapshot_ns=START_NS)
    world.add(schema.THREADS, tid=99, pid=99, comm="sharer")
    apart(world, 99, 4242, 4242, pid=99)
    world.open(4, "/parents")
    world.do("close", 3, pid=99)
    world.do("chdir", 0x1, path="/there", pid=99)
    calls = [world.read(4, pid=99), world.read(3, ret=-9, errno="EBADF"), world.open(-2, "x")]
    world.execute(pid=99)
    world.open(4, "/own", pid=99)
    calls += [world.read(4), world.read(4, pid=99)]
    assert names(world, *calls) == ["/parents", "(not-open)", "/there/x", "/parents", "/own"]


def test_what_is_shared_with_a_process_that_is_not_recorded_is_doubtful(names) -> None:
    world = World()
    world.has(3, "/a")
    apart(world, 4242, 77, 4242)
    assert names(world, world.read(3), world.open(-2, "x")) == ["(sharing-unknown)", "/home/x"]


def test_a_number_given_out_before_its_close_returned(names) -> None:
    world = World()
    world.open(3, "/old")
    world.do("close", 3, took=50_000)
    world.open(3, "/new", at=world.now + 1_000)
    assert names(world, world.read(3)) == "/new"


def test_a_call_that_is_under_way_keeps_its_name(names) -> None:
    world = World()
    world.open(3, "/old")
    waiting = world.read(3, took=100_000)
    world.do("close", 3)
    world.open(3, "/new")
    never = world.read(3, ret=None, unfinished="recording-stopped")
    assert names(world, waiting, never) == ["/old", "/new"]


def test_before_the_snapshot_is_what_was_not_changed_until_then(names) -> None:
    world = World()
    world.rows["processes"][0]["snapshot_ns"] = START_NS + 100_000
    world.has(3, "/kept", at=100_000)
    world.has(5, "/reopened", at=100_000)
    calls = [world.read(3), world.read(4), world.open(-2, "x"), world.read(5)]
    world.do("close", 4)
    world.do("close", 5)
    world.open(5, "/reopened")
    calls += [world.read(6, ret=-9, errno="EBADF")]
    assert names(world, *calls) == ["/kept", "(opened-before)", "/home/x", "(opened-before)", "(not-open)"]


def test_without_a_snapshot_only_what_was_opened_is_known(names) -> None:
    world = World(snapshot=False)
    calls = [world.read(3), world.open(-2, "x"), world.open(-2, "/x"), world.open(3, "/y"), world.read(3)]
    assert names(world, *calls) == ["(opened-before)", "(opened-before)", "/x", "/y", "/y"]


def test_what_no_call_made_is_not_called_closed(names) -> None:
    world = World()
    world.has(3, "/a")
    world.do("close", 3)
    calls = [world.read(3), world.read(3, ret=-11, errno="EAGAIN"), world.read(3, ret=-9, errno="EBADF")]
    assert names(world, *calls) == ["(not-followed)", "(not-followed)", "(not-open)"]


def test_lost_calls_make_doubtful_what_lies_around_them(names) -> None:
    world = World()
    world.open(3, "/a")
    calls = [world.read(3)]
    lost = {"kind": "ring-full", "severity": "data_loss", "count": 1}
    first, last = world.now + 10_000, world.now + 20_000
    world.add(schema.LOSSES, pid=4242, ts_ns=START_NS + first, until_ns=START_NS + last, **lost)
    world.add(schema.LOSSES, pid=99, ts_ns=START_NS + 1, until_ns=START_NS + 10**9, **lost)
    world.now = last
    calls += [world.read(3), world.open(-2, "x"), world.open(-2, "/x"), world.open(3, "/b"), world.read(3)]
    calls += [world.read(9, ret=-9, errno="EBADF")]
    assert names(world, *calls) == ["/a", "(calls-lost)", "(calls-lost)", "/x", "/b", "/b", "(calls-lost)"]


def test_losses_of_nobody_knows_whom_count_for_all(names) -> None:
    world = World()
    world.has(3, "/a")
    world.add(schema.LOSSES, kind="spool-cut", severity="data_loss", count=1)
    world.add(schema.LOSSES, kind="path-lost", severity="notice", count=1)
    assert names(world, world.read(3)) == "(calls-lost)"
    del world.rows["losses"][0]
    assert names(world, 0) == "/a", "a notice is no lost call"


@pytest.mark.grid
@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({}, ["/a", "/home/x", "/b", "(not-open)"]),
        ({"pids": [], "tids": [4242]}, ["(not-recorded)"] * 2 + ["/b", "(not-recorded)"]),
        ({"tids": [1], "pids": [4242]}, ["/a", "/home/x", "/b", "(not-open)"]),
        ({"failed_only": True}, ["(not-recorded)"] * 2 + ["/b", "(not-recorded)"]),
        ({"uid": 1000}, ["(not-recorded)"] * 2 + ["/b", "(not-recorded)"]),
        ({"events": ["read", "openat"]}, ["(not-recorded)"] * 2 + ["/b", "(not-recorded)"]),
        ({"events": ["read", "chdir", "fchdir", "setns"]}, ["(not-recorded)", "/home/x", "/b", "(not-recorded)"]),
        (
            {"events": ["close", "close_range", "dup2", "dup3", "execve", "execveat"]},
            ["/a", "(not-recorded)", "/b", "(not-recorded)"],
        ),
    ],
)
def test_what_was_not_to_be_recorded_is_not_known(names, configuration, expected) -> None:
    world = World()
    world.configuration |= configuration
    world.has(3, "/a")
    calls = [world.read(3), world.open(-2, "x", errno="ENOENT"), world.open(-2, "/b", errno="ENOENT")]
    assert names(world, *calls, world.read(9, ret=-9, errno="EBADF")) == expected


def test_paths_that_are_none(names) -> None:
    world = World()
    world.has(3, "pipe:[7]")
    calls = [
        world.open(-14, None, path_status="unreadable", errno="EFAULT"),
        world.open(-36, "/" + "x" * 4095, path_status="truncated", errno="ENAMETOOLONG"),
        world.open(-2, "", errno="ENOENT"),
        world.open(-20, "x", dfd=3, errno="ENOTDIR"),
        world.do("symlink", 1, 2, path="target", path2="link"),
        world.do("mount", 1, 2, 3, 0, 0, path="tmpfs", path2="mnt"),
        world.do("mount", 1, 2, 3, 0, 0, path="/dev/sda1", path2="mnt"),
    ]
    unreadable = "(path-unreadable)"
    assert names(world, *calls) == [
        *(unreadable, unreadable, "(path-empty)", "(base-unknown)", "(not-a-path)", "(not-a-path)", "/dev/sda1"),
    ]


def test_a_reason_is_that_of_what_a_name_hangs_on(names) -> None:
    world = World(snapshot=False)
    world.open(3, "x")
    world.do("dup", 3, ret=4)
    world.open(5, "y", dfd=4)
    calls = [world.read(3), world.read(4), world.read(5), world.open(-2, "z", dfd=5)]
    assert names(world, *calls) == ["(opened-before)"] * 4


def test_second_paths_and_descriptors(tmp_path: Path) -> None:
    world = World()
    world.open(3, "/dir")
    world.do("renameat", CWD, 1, 3, 2, path="a", path2="b")
    world.do("symlink", 1, 2, path="target", path2="link")
    world.do("sendfile", 3, 9, 0, 0, ret=-9, errno="EBADF")
    world.do("mmap", 0, 4096, 1, 0x22, 3, 0)
    world.do("mmap", 0, 4096, 1, 0x2, 3, 0)
    world.do("getpid")
    with Trace(world.write(tmp_path / "t.bpfrec")) as trace:
        query = (
            "SELECT resolved_path, resolved_path2, resolved_reason FROM syscalls WHERE event_id > 0 ORDER BY event_id"
        )
        assert trace.query(query).rows == [
            ("/home/a", "/dir/b", None),
            (None, "/home/link", "not-a-path"),
            ("/dir", None, "not-open"),
            (None, None, None),
            ("/dir", None, None),
            (None, None, None),
        ]
        assert trace.query("SELECT resolved_path2 FROM sys.renameat").rows == [("/dir/b",)]
        comment = "SELECT comment FROM duckdb_columns() WHERE column_name = 'resolved_reason' AND table_name = 'mmap'"
        assert all(reason in trace.query(comment).rows[0][0] for reason in REASONS)


def test_pipes_and_what_is_no_file(names) -> None:
    world = World()
    pipe = world.do("pipe2", 0x1000, CLOEXEC)
    world.add(schema.STRUCTS, event_id=pipe, arg=0, kind="fds", word0=3 | 4 << 32)
    world.fork(99)
    calls = [world.read(3), world.do("write", 4, 0x1, 1, ret=1, pid=99)]
    world.execute(pid=99)
    calls.append(world.read(3, pid=99, ret=-9, errno="EBADF"))
    world.do("epoll_create1", 0, ret=5)
    world.do("memfd_create", 0x1, 0, ret=6)
    memory = world.do("memfd_create", 0x1, 0, ret=7)
    world.add(schema.STRINGS, event_id=memory, arg=0, value="buffer")
    world.do("signalfd4", 5, 0, 8, 0, ret=5)
    world.do("landlock_create_ruleset", 0, 0, 1, ret=4)
    calls += [world.do("epoll_ctl", 5, 1, 3, 0), world.read(6), world.read(7), world.read(4)]
    assert names(world, *calls) == [
        *(f"pipe:#{pipe}", f"pipe:#{pipe}", "(not-open)"),
        *("anon_inode:[eventpoll]", "(name-unknown)", "memfd:buffer", f"pipe:#{pipe}"),
    ]


def address(world: World, call: int, family: int, text: str, port: int | None = None) -> int:
    world.add(schema.SOCKADDRS, event_id=call, arg=1, family=family, address=text, port=port)
    return call


def test_sockets_as_they_get_addresses(names) -> None:
    world = World()
    world.do("socket", 2, 0o2000001, 0, ret=3)
    calls = [world.do("listen", 3, 5)]
    address(world, world.do("bind", 3, 0x1, 16), 2, "0.0.0.0", 80)
    calls.append(world.do("listen", 3, 5))
    calls.append(address(world, world.do("accept4", 3, 0x1, 0x2, CLOEXEC, ret=4), 2, "10.0.0.2", 5555))
    calls.append(world.read(4))
    world.do("accept", 3, 0, 0, ret=5)
    world.do("dup", 5, ret=6)
    address(world, world.do("getsockname", 5, 0x1, 0x2), 2, "10.0.0.1", 80)
    calls += [world.read(5), world.read(6)]
    world.do("socket", 10, 2, 0, ret=7)
    address(world, world.do("connect", 7, 0x1, 28), 10, "::1", 53)
    calls += [world.read(7)]
    world.do("socket", 2, 1, 0, ret=8)
    address(world, world.do("connect", 8, 0x1, 16, ret=-115, errno="EINPROGRESS"), 2, "1.2.3.4", 443)
    calls += [world.read(8)]
    world.do("socket", 2, 1, 0, ret=9)
    address(world, world.do("connect", 9, 0x1, 16, ret=-111, errno="ECONNREFUSED"), 2, "1.2.3.4", 443)
    calls += [world.read(9)]
    assert names(world, *calls) == [
        *("TCP", "TCP 0.0.0.0:80", "TCP 0.0.0.0:80", "TCP ?:80->10.0.0.2:5555"),
        *("TCP 10.0.0.1:80->?", "TCP 10.0.0.1:80->?"),
        *("UDP ?->[::1]:53", "TCP ?->1.2.3.4:443", "TCP"),
    ]


def test_sockets_without_the_calls_that_address_them(names) -> None:
    world = World()
    world.configuration["events"] = sorted(MAKING - {"connect"})
    world.do("socket", 2, 1, 0, ret=3)
    assert names(world, world.read(3)) == "(not-recorded)"


def test_sockets_of_other_families(names) -> None:
    world = World()
    world.has(9, "socket:[3]", name="unix:/run/listening")
    world.has(10, "socket:[4]")
    world.do("accept", 9, 0, 0, ret=3)
    world.do("socket", 1, 1, 0, ret=4)
    calls = [world.read(3), world.read(4)]
    address(world, world.do("connect", 4, 0x1, 20), 1, "@abstract")
    calls += [world.read(4)]
    pair = world.do("socketpair", 1, 1, 0, 0x1000)
    world.add(schema.STRUCTS, event_id=pair, arg=3, kind="fds", word0=5 | 6 << 32)
    world.do("socket", 16, 3, 0, ret=7)
    world.do("socket", 40, 1, 0, ret=8)
    calls += [world.read(fd) for fd in (5, 6, 7, 8, 10)]
    assert names(world, *calls) == [
        *("unix:/run/listening", "unix:", "unix:->@abstract"),
        *("unix:", "unix:", "NETLINK", "AF_VSOCK", "socket:[4]"),
    ]


def test_another_root(names) -> None:
    world = World()
    calls = [world.open(3, "/jail/in"), world.do("chroot", 0x1, path="/jail")]
    calls += [world.open(-2, "/etc/x"), world.open(-2, "../y"), world.do("chdir", 0x1, path="/"), world.open(-2, "z")]
    world.fork(99)
    calls += [world.open(-2, "/w", pid=99), world.read(3, pid=99)]
    assert names(world, *calls) == [
        *("/jail/in", "/jail", "/jail/etc/x", "/home/../y", "/jail", "/jail/z", "/jail/w", "/jail/in"),
    ]
    jailed = World(cwd="/jail/home", root="/jail")
    assert names(jailed, jailed.open(-2, "/x"), jailed.open(-2, "y")) == ["/jail/x", "/jail/home/y"]


def test_a_pid_used_twice(names) -> None:
    world = World()
    world.open(3, "/a")
    world.fork(99)
    world.open(4, "/first", pid=99)
    calls = [world.read(4, pid=99)]
    world.do("close", 3)
    world.fork(99)
    calls += [world.read(4, pid=99, ret=-9, errno="EBADF"), world.read(3, pid=99, ret=-9, errno="EBADF")]
    assert names(world, *calls) == ["/first", "(not-open)", "(not-open)"]


def test_calls_of_processes_that_the_trace_does_not_know(names) -> None:
    world = World()
    calls = [world.open(3, "/a", pid=7), world.open(3, "x", pid=7), world.read(4, pid=7)]
    assert names(world, *calls) == ["/a", "(opened-before)", "(opened-before)"]


def test_long_chains_take_as_long_as_they_are(names) -> None:
    world = World()
    calls = []
    for _ in range(600):
        world.do("chdir", 0x1, path="down")
        world.do("chdir", 0x1, path="..")
        calls.append(world.open(-2, "x"))
    found = names(world, *calls)
    assert found[:500] == ["/home/" + "down/../" * number + "x" for number in range(1, 501)]
    assert found[-1] == "(base-unknown)", "names without end"
    world = World()
    for fd in range(3, 3_000):
        world.do("dup", fd - 1 if fd > 3 else 0, ret=fd)
    world.has(0, "/zero")
    assert names(world, world.read(2_999)) == "/zero"


# failures, failed-opens and opensnoop have the resolved path as a column.
@pytest.mark.parametrize("name", ["summary", "latency", "processes", "syscount"])
def test_reports_that_need_no_names_do_not_wait_for_them(lab1_trace: Path, name: str) -> None:
    with Trace(lab1_trace) as trace:
        trace.report(name)
        assert not trace.engine._filled


def test_the_trace_report_does_not_wait_for_names(lab1_trace: Path) -> None:
    with Trace(lab1_trace) as trace:
        trace.report("trace", probes=["sys_openat"])
        assert not trace.engine._filled


def test_a_descriptor_without_a_name_is_no_other(names: Any) -> None:
    world = World()
    world.has(7, None)
    world.has(8, "/zero")
    assert names(world, world.read(7), world.read(8)) == ["(name-unknown)", "/zero"]


IN_ROOT, BENEATH, NO_SYMLINKS = 0x10, 0x08, 0x04


@pytest.mark.grid
@pytest.mark.parametrize(
    ("resolve", "path", "opened", "asked"),
    [
        (0, "/etc/x", "/etc/x", "/etc/x"),
        (0, "../x", "/srv/x", "/srv/x"),
        (IN_ROOT, "/etc/x", "/srv/jail/etc/x", "/srv/jail/etc/x"),
        (IN_ROOT, "//.././../x", "/srv/jail/x", "/srv/jail/x"),
        (IN_ROOT, "a/b", "/srv/jail/a/b", "/srv/jail/a/b"),
        (IN_ROOT, "../../x", "/srv/jail/x", "(base-unknown)"),
        (IN_ROOT, "a/../../../x", "(base-unknown)", "(base-unknown)"),
        (BENEATH, "a/../x", "/srv/jail/a/../x", "/srv/jail/a/../x"),
        (BENEATH, "/etc/x", "(base-unknown)", "(base-unknown)"),
        (BENEATH, "../x", "(base-unknown)", "(base-unknown)"),
        (None, "/etc/x", "(base-unknown)", "(base-unknown)"),
        (None, "a/x", "/srv/jail/a/x", "/srv/jail/a/x"),
    ],
)
def test_openat2_says_where_paths_may_lead(names, resolve: int | None, path: str, opened: str, asked: str) -> None:
    world = World()
    world.has(3, "/srv/jail")
    calls = [
        world.do("openat2", 3, 0x1000, 0x2000, 24, ret=4, path=path),
        world.do("openat2", 3, 0x1000, 0x2000, 24, ret=-2, errno="ENOENT", path=path),
    ]
    for call in calls:
        words = {"status": "unreadable"} if resolve is None else {"word0": 0, "word1": 0, "word2": resolve}
        world.add(schema.STRUCTS, event_id=call, arg=2, kind="open_how", **words)
    assert names(world, world.read(4), *calls) == [opened, asked, asked]


def test_openat2_without_links_can_be_gone_up_from(names) -> None:
    world = World()
    made = world.do("openat2", CWD, 0x1000, 0x2000, 24, ret=3, path="a/b")
    world.add(schema.STRUCTS, event_id=made, arg=2, kind="open_how", word0=0, word1=0, word2=NO_SYMLINKS)
    assert names(world, world.open(-2, "../x", dfd=3)) == "/home/a/x"


def test_only_ebadf_says_that_a_descriptor_was_not_open(names) -> None:
    world = World()
    world.has(3, "/a")
    world.do("close", 3)
    calls = [world.do("lseek", 3, 0, 99, ret=-22, errno="EINVAL"), world.read(3, ret=-9, errno="EBADF")]
    assert names(world, *calls) == ["(not-followed)", "(not-open)"]


@pytest.mark.parametrize(("new_root", "relative"), [("/new", "(base-unknown)"), (".", "/x")])
def test_pivot_root_makes_another_root(names, new_root: str, relative: str) -> None:
    world = World()
    calls = [world.open(3, "/new/a"), world.do("pivot_root", 0x1, 0x2, path=new_root, path2="old")]
    calls += [world.open(-2, "/etc/x"), world.open(-2, "x"), world.read(3)]
    world.do("chdir", 0x1, path="/")
    calls.append(world.open(-2, "y"))
    asked = "/home" if new_root == "." else "/new"
    assert names(world, *calls) == ["/new/a", asked, "/etc/x", relative, "/new/a", "/y"]


def test_what_io_uring_closes_is_closed(names) -> None:
    world = World()
    world.configuration["follows_uring"] = True
    world.do("io_uring_setup", 8, 0x1, ret=9)
    world.open(3, "/a")
    world.open(4, "/kept")
    world.do("io_uring_enter", 9, 1, 0, 0, ret=1)
    world.add(schema.URING_CLOSES, ts_ns=START_NS + world.now + 200, pid=4242, tid=4242, fd=3)
    calls = [world.read(3, ret=-9, errno="EBADF"), world.read(3), world.do("lseek", 3, 0, 99, ret=-22, errno="EINVAL")]
    calls += [world.read(4)]
    world.open(3, "/b")
    assert names(world, *calls, world.read(3)) == ["(not-open)", "(not-followed)", "(not-followed)", "/kept", "/b"]


def test_what_io_uring_opens_has_its_name(names) -> None:
    world = World()
    world.configuration["follows_uring"] = True
    world.do("io_uring_setup", 8, 0x1, ret=9)
    common = {"duration_ns": 50, "pid": 4242, "tid": 4242, "comm": "x", "uid": 0, "len": 0, "op_flags": 0, "offset": 0}

    def ask(op: str, ret: int, **members: object) -> None:
        world.add(schema.URING, ts_ns=START_NS + world.now + 100, op=op, ret=ret, **(common | members))
        world.do("getpid", ret=1)

    ask("openat", 3, fd=-100, path="a")
    ask("openat", 4, fd=-100, path="/b", op_flags=0o2000000)
    ask("openat2", 5, fd=3, path="in/it")
    ask("openat2", 6, fd=-100, path="/may/be/elsewhere")
    ask("socket", 7, fd=2, offset=1)
    ask("accept", 8, fd=7)
    ask("openat", 0, fd=-100, path="/slot", file_index=1)
    calls = [world.read(fd) for fd in range(3, 9)]
    expected = ["/home/a", "/b", "/home/a/in/it", "(base-unknown)", "TCP", "TCP ?->?"]
    assert names(world, *calls, world.read(0)) == [*expected, "(not-followed)"]


@pytest.mark.parametrize("is_old", [True, False])
def test_where_io_uring_is_not_followed_it_makes_descriptors_doubtful(names, is_old: bool) -> None:
    world = World()
    world.has(0, "/dev/pts/3")
    calls = [world.read(0)]
    if is_old:
        world.has(9, "anon_inode:[io_uring]")
    else:
        world.do("io_uring_setup", 8, 0x1, ret=9)
    calls += [world.read(0), world.open(3, "/a"), world.read(3), world.open(-2, "x")]
    world.fork(99)
    calls += [world.read(0, pid=99)]
    before = "(not-followed)" if is_old else "/dev/pts/3"
    assert names(world, *calls) == [before, "(not-followed)", "/a", "(not-followed)", "/home/x", "(not-followed)"]


def test_arguments_of_32_bit_programs_can_stand_elsewhere(names) -> None:
    world = World()
    world.has(5, "/five")
    world.has(6, "/six")
    calls = [
        world.do("fanotify_mark", 3, 1, 2, 5, 0x1000, path="x"),
        world.do("fanotify_mark", 3, 1, 2, 5, 6, 0x1000, path="x", abi="i386"),
        world.do("mmap", 0, 4096, 1, 2, 5, 0),
        world.do("mmap2", 0, 4096, 1, 2, 5, 0, abi="i386"),
        world.do("mmap2", 0, 4096, 3, 0x22, 0xFFFFFFFF, 0, abi="i386"),
        world.do("mmap", 0x1000, abi="i386"),
    ]
    assert names(world, *calls[:4]) == ["/five/x", "/six/x", "/five", "/five"]
    # Memory without a file is about nothing, and so there is no reason either.
    assert names(world, calls[4]) is None
