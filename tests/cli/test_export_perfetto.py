"""Traces for Perfetto: flows between the ends of pipes and connections, signals, and times off the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as proto
from support.program import run_bpfrec
from support.trace_builder import MS, START_NS, TraceBuilder

from bpfrec.formats import schema

BEGIN, END, INSTANT = 1, 2, 3
ME, OTHER = 4242, 4300
PIPE, SHORT, SPLICED, SERVER, CLIENT, UNBOUND, ITS_SERVER = range(3, 10)
NAMES = {
    PIPE: "pipe:[7]",
    SHORT: "pipe:[8]",
    SPLICED: "pipe:[9]",
    SERVER: "TCP 127.0.0.1:80->127.0.0.1:5000",
    CLIENT: "TCP 127.0.0.1:5000->127.0.0.1:80",
    UNBOUND: "TCP ?->127.0.0.1:443",
    ITS_SERVER: "TCP 127.0.0.1:443->127.0.0.1:6000",
}


class Exported:
    """What Perfetto's own classes read of an exported trace."""

    def __init__(self, trace: Path, target: Path, *options: str) -> None:
        done = run_bpfrec("analyze", "-i", trace, "export", "-o", target, *options)
        assert done.returncode == 0, done.stderr
        read = proto.Trace()
        read.ParseFromString(target.read_bytes())
        self.packets = list(read.packet)
        self.names = {e.iid: e.name for p in self.packets for e in p.interned_data.event_names}
        self.arguments = {e.iid: e.name for p in self.packets for e in p.interned_data.debug_annotation_names}
        self.tracks = {
            p.track_descriptor.uuid: p.track_descriptor for p in self.packets if p.HasField("track_descriptor")
        }
        self.events = [(p.timestamp, p.track_event) for p in self.packets if p.HasField("track_event")]

    def said(self, event: proto.TrackEvent) -> dict[str, str | int]:
        """The arguments of an event."""
        return {
            self.arguments[a.name_iid]: a.string_value if a.HasField("string_value") else a.int_value
            for a in event.debug_annotations
        }

    def flows(self) -> list[tuple[int, int]]:
        """Pairs of calls, by event_id: where each flow begins and ends."""
        running: dict[int, int] = {}
        begins: dict[int, tuple[int, int]] = {}
        pairs = []
        for at, event in sorted(self.events, key=lambda pair: pair[0]):
            if event.type == BEGIN:
                running[event.track_uuid] = int(self.said(event).get("event_id", -1))
            begins |= dict.fromkeys(event.flow_ids, (at, running.get(event.track_uuid, -1)))
            for flow in event.terminating_flow_ids:
                began, sender = begins.pop(flow)
                assert began <= at, "Perfetto draws a flow in the order of time"
                pairs.append((sender, running[event.track_uuid]))
        assert not begins, "flows without an end"
        return sorted(pairs)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = TraceBuilder()
    for pid in (ME, OTHER):
        builder.add(schema.PROCESSES, pid=pid, ppid=1, comm="one", cwd="/", root="/", snapshot_ns=START_NS)
        builder.add(schema.THREADS, pid=pid, tid=pid, comm="one")
        for fd, name in NAMES.items():
            target = name if name.startswith("pipe") else f"socket:[{fd}]"
            named = {} if name.startswith("pipe") else {"name": name}
            builder.add(schema.DESCRIPTORS, pid=pid, fd=fd, target=target, flags=2, ts_ns=START_NS, **named)
    other = {"pid": OTHER}
    builder.call("write", 10 * MS, PIPE, 1, 9, ret=9)  # 0
    builder.call("read", 5 * MS, PIPE, 1, 5, ret=5, took=6 * MS, **other)  # 1: waits for it
    builder.call("write", 20 * MS, PIPE, 1, 5, ret=5)  # 2
    builder.call("read", 30 * MS, PIPE, 1, 100, ret=9, **other)  # 3: the rest of 0, and 2
    builder.call("sendto", 40 * MS, SERVER, 1, 4, 0, 0, 0, ret=4)  # 4
    builder.call("recvfrom", 41 * MS, CLIENT, 1, 4, 2, 0, 0, ret=4, **other)  # 5: MSG_PEEK
    builder.call("recvfrom", 42 * MS, CLIENT, 1, 4, 0, 0, 0, ret=4, **other)  # 6
    builder.call("write", 50 * MS, SHORT, 1, 1, ret=1)  # 7
    builder.call("read", 51 * MS, SHORT, 1, 2, ret=2, **other)  # 8: somebody else has written, too
    builder.call("splice", 60 * MS, SPLICED, 0, 1, 0, 5, 0, ret=5)  # 9
    builder.call("write", 61 * MS, SPLICED, 1, 1, ret=1)  # 10
    builder.call("read", 62 * MS, SPLICED, 1, 1, ret=1, **other)  # 11
    builder.call("write", 70 * MS, UNBOUND, 1, 3, ret=3)  # 12
    builder.call("read", 71 * MS, ITS_SERVER, 1, 3, ret=3, **other)  # 13
    builder.call("openat", 80 * MS, -100, 1, 0, ret=-2, path="/etc/nothing")  # 14
    builder.add(
        schema.SIGNALS,
        ts_ns=START_NS + 90 * MS,
        pid=ME,
        tid=ME,
        comm="one",
        uid=0,
        signal=15,
        code=0,
        sender_pid=OTHER,
        sender_uid=0,
        action="default",
    )
    builder.add(schema.STACKS, stack_id=1, pid=ME, ts_ns=START_NS, depth=1, status="root")
    builder.add(schema.FRAMES, stack_id=1, depth=0, ip=1, symbol="pipe_read", module="[kernel]", source="kernel")
    waited = {"ts_ns": START_NS + 6 * MS, "state": "sleeping", "pid": OTHER, "tid": OTHER, "comm": "one", "uid": 0}
    builder.add(
        schema.SCHED,
        **waited,
        duration_ns=4 * MS,
        blocked_ns=3 * MS,
        wait_ns=MS,
        waker_pid=ME,
        waker_tid=ME,
        cpu=0,
        next_cpu=1,
        syscall="read",
        kernel_stack_id=1,
    )
    builder.add(schema.SCHED, **waited | {"ts_ns": START_NS + 99 * MS, "state": "exited"})
    return builder.write(tmp_path_factory.mktemp("perfetto") / "t.bpfrec")


def test_bytes_flow_from_those_who_send_to_those_who_get_them(trace: Path, tmp_path: Path) -> None:
    assert Exported(trace, tmp_path / "t.pftrace").flows() == [(0, 1), (0, 3), (2, 3), (4, 6), (12, 13)]


def test_a_flow_has_both_of_its_ends(trace: Path, tmp_path: Path) -> None:
    assert Exported(trace, tmp_path / "t.pftrace", "-p", str(ME)).flows() == []


def test_signals_and_failures_are_instants_of_their_threads(trace: Path, tmp_path: Path) -> None:
    read = Exported(trace, tmp_path / "t.pftrace")
    instants = [(at, event) for at, event in read.events if event.type == INSTANT]
    assert [(read.names[e.name_iid], list(e.categories)) for _, e in instants] == [
        ("ENOENT", ["failure"]),
        ("SIGTERM", ["signal"]),
    ]
    at, signal = instants[1]
    assert at == START_NS + 90 * MS
    assert read.tracks[signal.track_uuid].thread.tid == ME
    assert str(read.said(signal)["signal"]).startswith("--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER")
    [failed] = [e for _, e in read.events if e.type == BEGIN and read.said(e).get("errno") == "ENOENT"]
    assert read.said(failed)["path"] == "/etc/nothing"


def test_times_off_the_cpu_have_a_track_below_their_thread(trace: Path, tmp_path: Path) -> None:
    read = Exported(trace, tmp_path / "t.pftrace")
    [(at, off)] = [(at, e) for at, e in read.events if list(e.categories) == ["off-cpu"]]
    track = read.tracks[off.track_uuid]
    assert track.name == "off the CPU"
    assert read.tracks[track.parent_uuid].thread.tid == OTHER
    assert (at, read.names[off.name_iid]) == (START_NS + 6 * MS, "sleeping")
    assert read.said(off) == {
        "syscall": "read",
        "waker_pid": ME,
        "waker_tid": ME,
        "blocked_ns": 3 * MS,
        "wait_ns": MS,
    }
    assert off.callstack_iid
    [end] = [at for at, e in read.events if e.type == END and e.track_uuid == off.track_uuid]
    assert end == START_NS + 10 * MS
    chosen = Exported(trace, tmp_path / "chosen.pftrace", "--syscall", "read")
    assert not [e for _, e in chosen.events if list(e.categories) in (["off-cpu"], ["signal"])]
