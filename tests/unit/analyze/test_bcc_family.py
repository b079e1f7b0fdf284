# ruff: noqa: UP031 - the formats are those of the tools
"""The reports that print what bcc's tools of the same name print: values, and the text to the column.

The expected lines are made with the printf formats of the tools (bcc 0.26, and later where the page says so).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.program import run_bpfrec
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.formats import schema


def text(trace: Path, name: str, *options: str) -> list[str]:
    done = run_bpfrec("report", name, trace, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    b = TraceBuilder()
    b.add(schema.PROCESSES, pid=4242, ppid=7, comm="server", uid=1000, cwd="/srv", root="/", snapshot_ns=START_NS - MS)
    b.add(
        schema.PROCESSES,
        pid=99,
        ppid=4242,
        start_ns=START_NS + MS,
        end_ns=START_NS + 502 * MS,
        comm="cat",
        uid=0,
        exit_code=3,
    )
    short = {"start_ns": START_NS + MS, "end_ns": START_NS + 3 * MS}
    b.add(schema.PROCESSES, pid=98, ppid=4242, comm="dog", uid=0, signal=9, **short)
    b.add(schema.THREADS, tid=4242, pid=4242, comm="server")
    done = b.call("execve", MS, 0x5000, 0x5100, 0, took=MS, path="/bin/cat", pid=99, comm="sh", uid=0)
    for place, word in enumerate(["cat", 'a "b"', "c\nd"]):
        b.add(schema.EXEC_ARGS, event_id=done, arg=1, position=place, value=word)
    b.call("execve", 3 * MS, 0x5000, 0x5100, 0, ret=-2, path="/bin/none", comm="sh")
    b.call("kill", 5 * MS, 99, 15, ret=0)
    b.call("kill", 6 * MS, -99, 9, ret=-3)
    b.call("tgkill", 7 * MS, 99, 99, 10, ret=0)
    b.call("newfstatat", 8 * MS, -100, 0x1, 0x2, 0, ret=-2, path="/etc/none")
    b.call("stat", 9 * MS, 0x1, 0x2, ret=0, path="/etc/hosts")
    b.call("sync", 10 * MS)
    b.call("fsync", 11 * MS, 3, took=2 * MS)
    b.call("mount", 12 * MS, 1, 2, 3, 1 | 32, 0, path="none", path2="/mnt/x", ret=-1)
    b.add(schema.STRINGS, event_id=len(b.rows["syscalls"]) - 1, arg=2, value="tmpfs")
    b.call("umount2", 13 * MS, 1, 2, path="/mnt/x")
    b.call("shmget", 14 * MS, 0x10, 4096, 0o1666, ret=5)
    b.call("shmat", 15 * MS, 5, 0, 0, ret=0x7F0000000000)
    b.call("shmdt", 16 * MS, 0x7F0000000000)
    b.call("shmctl", 17 * MS, 5, 0, 0)
    b.call("openat", 20 * MS, -100, 0x1, 0o101, 0o644, ret=3, path="/tmp/short")
    b.call("write", 21 * MS, 3, 0x1, 5000, ret=4096, took=12 * MS)
    b.call("read", 40 * MS, 3, 0x1, 100, ret=100)
    b.call("unlink", 120 * MS, 0x1, path="/tmp/short")
    b.call("openat", 130 * MS, -100, 0x1, 0, 0, ret=-13, path="/etc/shadow")

    def address(event: int, arg: int, family: int, where: str, port: int) -> None:
        b.add(schema.SOCKADDRS, event_id=event, arg=arg, family=family, address=where, port=port)

    b.call("socket", 200 * MS, 2, 1, 6, ret=4)
    option = b.call("setsockopt", 201 * MS, 4, 1, 2, 0x1, 4)
    b.add(schema.STRUCTS, event_id=option, arg=3, kind="sockopt", word0=1)
    address(b.call("bind", 202 * MS, 4, 0x1, 16), 1, 2, "127.0.0.1", 8080)
    b.call("listen", 203 * MS, 4, 128)
    address(b.call("accept4", 204 * MS, 4, 0x1, 0x2, 0, ret=5), 1, 2, "10.0.0.9", 4000)
    b.call("socket", 205 * MS, 2, 1, 6, ret=6)
    address(b.call("connect", 206 * MS, 6, 0x1, 16, ret=-115), 1, 2, "10.1.2.3", 443)
    address(b.call("getsockname", 207 * MS, 6, 0x1, 0x2), 1, 2, "10.0.0.1", 5555)
    b.call("socket", 208 * MS, 2, 1, 6, ret=7)
    address(b.call("connect", 209 * MS, 7, 0x1, 16, ret=-101), 1, 2, "10.9.9.9", 1)
    return b.write(tmp_path_factory.mktemp("family") / "t.bpfrec")


def test_execsnoop(trace: Path) -> None:
    form = "%-16s %-7s %-7s %3s %s"
    head = form % ("PCOMM", "PID", "PPID", "RET", "ARGS")
    worked = form % ("cat", 99, 4242, 0, 'cat a "b" c\\nd')
    assert text(trace, "execsnoop") == [head, worked]
    assert text(trace, "execsnoop", "-x") == [head, worked, form % ("sh", 4242, 7, -2, "/bin/none")]
    quoted = form % ("cat", 99, 4242, 0, '"cat" "a \\"b\\"" "c\\nd"')
    assert text(trace, "execsnoop", "-q", "-T", "-U", "-t")[1] == "%-9s%-8.3f%-6d" % ("10:00:00", 0.002, 0) + quoted
    assert text(trace, "execsnoop", "--max-args", "1")[1].endswith(" cat ...")
    assert text(trace, "execsnoop", "-n", "^c.t$") == text(trace, "execsnoop", "-P", "4242") == [head, worked]
    assert text(trace, "execsnoop", "-n", "dog") == text(trace, "execsnoop", "-l", "^dog") == [head]


@pytest.mark.parametrize("name", ["opensnoop", "execsnoop", "mountsnoop", "bindsnoop", "tcpconnect", "tcpaccept"])
@pytest.mark.parametrize("option", ["--cgroupmap", "--mntnsmap"])
def test_maps_of_a_live_system_are_refused_by_name(trace: Path, name: str, option: str) -> None:
    done = run_bpfrec("report", name, trace, option, "/sys/fs/bpf/map")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{option}: BPF maps of a live system are not in a trace" in done.stderr


def test_exitsnoop(trace: Path) -> None:
    form = "%-16s %-7s %-7s %-7s %-7s %-10s"
    row = "%-16s %-7d %-7d %-7d %-7.2f "
    head = form % ("PCOMM", "PID", "PPID", "TID", "AGE(s)", "EXIT_CODE")
    lines = [line.rstrip() for line in text(trace, "exitsnoop")]
    killed, left = row % ("dog", 98, 4242, 98, 0.002), row % ("cat", 99, 4242, 99, 0.501)
    assert lines == [head.rstrip(), f"{killed}signal 9 (KILL)", f"{left}code 3"]
    assert text(trace, "exitsnoop", "-t")[2].startswith("%-13s" % "10:00:00.502")
    assert len(text(trace, "exitsnoop", "-x", "-p", "99")) == 2
    labelled = text(trace, "exitsnoop", "--label", "")
    assert [line[:6] for line in labelled] == ["LABEL ", "exit  ", "exit  "]
    assert [line[6:].rstrip() for line in labelled] == lines
    timed = text(trace, "exitsnoop", "--utc", "--label", "a\x1bb")
    assert timed[0].startswith("%-13s%-6s" % ("TIME-UTC", "LABEL"))
    assert timed[2].startswith("%-13s%-6s" % ("10:00:00.502", "a\\x1bb"))


def test_killsnoop(trace: Path) -> None:
    form = "%-9s %-8s %-16s %-4s %-8s %s"
    head = form % ("TIME", "PID", "COMM", "SIG", "TPID", "RESULT")
    worked, failed = (form % ("10:00:00", 4242, "server", s, t, r) for s, t, r in ((15, 99, 0), (9, -99, -3)))
    assert text(trace, "killsnoop") == [head, worked, failed]
    assert text(trace, "killsnoop", "-s", "KILL") == text(trace, "killsnoop", "-x") == [head, failed]
    assert text(trace, "killsnoop", "-T", "99") == [head, worked]
    assert len(text(trace, "killsnoop", "-a")) == 4


def test_statsnoop_and_syncsnoop(trace: Path) -> None:
    form = "%-7s %-16s %4s %3s %s"
    lines = [form % ("PID", "COMM", "FD", "ERR", "PATH")]
    lines += [form % (4242, "server", -1, 2, "/etc/none"), form % (4242, "server", 0, 0, "/etc/hosts")]
    assert text(trace, "statsnoop") == lines
    assert text(trace, "statsnoop", "-t")[2] == "%-14.9f" % 0.001 + lines[2]
    form = "%-18s %s"
    at = (START_NS + 10 * MS) // 1000 / 1e6
    assert text(trace, "syncsnoop") == [form % ("TIME(s)", "CALL"), "%-18.9f sync()" % at]
    assert [line.split()[-1] for line in text(trace, "syncsnoop", "-a")[1:]] == ["sync()", "fsync()"]


def test_mountsnoop_and_shmsnoop(trace: Path) -> None:
    form = "{:16} {:<7} {:<7} {:<11} {}"
    mount = 'mount("none", "/mnt/x", "tmpfs", MS_RDONLY|MS_REMOUNT, "") = -EPERM'
    assert text(trace, "mountsnoop") == [
        form.format("COMM", "PID", "TID", "MNT_NS", "CALL"),
        form.format("server", 4242, 4242, "?", mount),
        form.format("server", 4242, 4242, "?", 'umount("/mnt/x", MNT_DETACH) = 0'),
    ]
    row = "%-6d %-16s %6s %16x "
    assert text(trace, "shmsnoop") == [
        "%-6s %-16s %6s %16s ARGs" % ("PID", "COMM", "SYS", "RET"),
        row % (4242, "server", "SHMGET", 5) + "key: 0x10, size: 4096, shmflg: 0x3b6 (IPC_CREAT|0666)",
        row % (4242, "server", "SHMAT", 0x7F0000000000) + "shmid: 0x5, shmaddr: 0x0, shmflg: 0x0",
        row % (4242, "server", "SHMDT", 0) + "shmaddr: 0x7f0000000000",
        row % (4242, "server", "SHMCTL", 0) + "shmid: 0x5, cmd: 0, buf: 0x0",
    ]


def test_files(trace: Path) -> None:
    assert text(trace, "filelife") == [
        "%-8s %-7s %-16s %-7s %s" % ("TIME", "PID", "COMM", "AGE(s)", "FILE"),
        "%-8s %-7d %-16s %-7.2f %s" % ("10:00:00", 4242, "server", 0.1, "short"),
    ]
    assert text(trace, "filelife", "-F")[1].endswith("/tmp/short")
    slow = "%-8.3f %-14.14s %-6s %1s %-7s %7.2f %s" % (0.033, "server", 4242, "W", 5000, 12, "short")
    head = "%-8s %-14s %-6s %1s %-7s %7s %s" % ("TIME(s)", "COMM", "TID", "D", "BYTES", "LAT(ms)", "FILENAME")
    assert text(trace, "fileslower") == ["Tracing sync read/writes slower than 10 ms", head, slow]
    assert len(text(trace, "fileslower", "1us")) == 4
    form = "%-7s %-16s %-6s %-6s %-7s %-7s %1s %s"
    head = form % ("TID", "COMM", "READS", "WRITES", "R_Kb", "W_Kb", "T", "FILE")
    row = form % (4242, "server", 1, 1, 0, 4, "R", "short")
    assert text(trace, "filetop") == ["10:00:02 loadavg: ?", "", head, row]
    assert text(trace, "filetop", "-i", "1", "--duration", "2").count(head) == 2
    with bpfrec.open(trace) as opened:
        assert [row["object"] for row in opened.report("denied", syscall="openat").dicts()] == ["/etc/shadow"]


def test_sockets(trace: Path) -> None:
    form = "%8s %-12.12s %-4s %-15s %-5s %5s %2s"
    row = "%8d %-12.12s %-4.4s %-15.15s %5d %-5s %2s"
    head = form % ("PID", "COMM", "PROT", "ADDR", "PORT", "OPTS", "IF")
    assert text(trace, "bindsnoop") == [head, row % (4242, "server", "TCP", "127.0.0.1", 8080, "...R.", "?")]
    counted = "%-32s %20s     %-10d" % ("127.0.0.1", 8080, 1)
    assert text(trace, "bindsnoop", "--count") == ["%-32s %20s     %-10s" % ("LADDR", "LPORT", "BINDS"), counted]
    form = "%-7s %-12s %-6s %-8s %-5s %-39s"
    head = form % ("PID", "COMM", "PROTO", "BACKLOG", "PORT", "ADDR")
    assert text(trace, "solisten") == [head, form % (4242, "server", "TCPv4", 128, 8080, "127.0.0.1")]
    form = "%-7s %-12s %-2s %-16s %-5s %-16s %-5s"
    head = form % ("PID", "COMM", "IP", "RADDR", "RPORT", "LADDR", "LPORT")
    accepted = form % (4242, "server", 4, "10.0.0.9", 4000, "127.0.0.1", 8080)
    assert text(trace, "tcpaccept") == text(trace, "tcpaccept", "-4", "-P", "8080") == [head, accepted]
    assert text(trace, "tcpaccept", "-P", "1") == text(trace, "tcpaccept", "-6") == [head]
    form = "%-7s %-12s %-2s %-16s %-6s %-16s %-6s"
    head = form % ("PID", "COMM", "IP", "SADDR", "LPORT", "DADDR", "DPORT")
    connected = form % (4242, "server", 4, "10.0.0.1", 5555, "10.1.2.3", 443)
    assert text(trace, "tcpconnect", "-L") == [head, connected]
    counted = "%-25s %-25s %-20s %-10s" % ("10.0.0.1", "10.1.2.3", 443, 1)
    assert text(trace, "tcpconnect", "-c")[1] == counted


def test_what_was_open_at_a_time(trace: Path) -> None:
    def opened(at: str) -> dict[str, str | None]:
        with bpfrec.open(trace) as asked:
            rows = asked.report("lsof", at=at, pid=4242).dicts()
        return {row["descriptor"]: row["name"] for row in rows}

    assert opened("10ms") == {"cwd": "/srv", "rtd": "/"}
    assert opened("50ms") == {"cwd": "/srv", "rtd": "/", "3": "/tmp/short"}
    assert opened("500ms")["4"] == "TCP 127.0.0.1:8080"
    lines = text(trace, "netstat", "--at", "500ms")
    assert any("127.0.0.1:8080" in line and "LISTEN" in line for line in lines)
    assert any("10.1.2.3:443" in line and "CONNECTED" in line for line in lines)


def test_stackcount(tmp_path: Path) -> None:
    b = TraceBuilder()
    for event, stack in enumerate((1, 1, 2)):
        b.call("openat", event * MS, -100, 0x1, 0, 0, ret=3, path="/x", stack_id=stack)
    for stack, names in ((1, ["open64", "main"]), (2, ["open64", "other"])):
        b.add(schema.STACKS, stack_id=stack, status="root")
        for depth, name in enumerate(names):
            b.add(
                schema.FRAMES,
                stack_id=stack,
                depth=depth,
                ip=0x1000 + depth,
                symbol=name,
                symbol_offset=16,
                module="/m",
            )
    trace = b.write(tmp_path / "t.bpfrec")
    blocks = [
        "  open64",
        "  other",
        "    server [4242]",
        "    1",
        "",
        "  open64",
        "  main",
        "    server [4242]",
        "    2",
        "",
    ]
    head = 'Tracing 1 functions for "openat"... Hit Ctrl-C to end.'
    assert text(trace, "stackcount", "openat") == [head, "", *blocks]
    assert text(trace, "stackcount", "-f", "t:syscalls:sys_enter_open*") == [
        "server;other;open64 1",
        "server;main;open64 2",
    ]
    assert text(trace, "stackcount", "-f", "-s", "-r", "^sys_enter_openat$")[0] == "server;other+0x10;open64+0x10 1"
    assert "    --" in text(trace, "stackcount", "-d", "-p", "4242", "openat")
    assert "    server [4242]" not in text(trace, "stackcount", "-p", "4242", "openat")
    done = run_bpfrec("report", "stackcount", trace, "no_such_*")
    assert (done.returncode, done.stdout) == (1, "")
