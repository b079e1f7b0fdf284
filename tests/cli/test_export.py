"""Traces as files for other tools; their own readers are the judges."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as proto
from support.program import run_bpfrec
from support.trace_builder import hostile

from bpfrec.analyze.export.protobuf import integer, text, varint

SAMPLES = Path(__file__).parents[2] / "sample_traces"
BEGIN, END, INSTANT = 1, 2, 3


def exported(trace: Path, target: Path, *options: str) -> bytes:
    done = run_bpfrec("analyze", "-i", trace, "export", "-o", target, *options)
    assert done.returncode == 0, done.stderr
    return target.read_bytes()


def asked(trace: Path, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run_bpfrec("analyze", "-i", trace, "sql", query, "--format", "json").stdout)
    return rows


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_are_those_that_protobuf_reads(number: int) -> None:
    packet = proto.TracePacket()
    packet.ParseFromString(integer(8, number))
    assert packet.timestamp == number % 2**64
    assert len(varint(number)) <= 10


@given(st.text())
def test_text_is_what_protobuf_reads(value: str) -> None:
    event = proto.TrackEvent()
    event.ParseFromString(text(23, value))
    assert event.name == value.encode("utf-8", "replace").decode()


def test_perfetto_has_a_slice_for_each_call(tmp_path: Path) -> None:
    trace = SAMPLES / "sqlite.bpfrec"
    read = proto.Trace()
    read.ParseFromString(exported(trace, tmp_path / "t.pftrace"))
    names = {e.iid: e.name for p in read.packet for e in p.interned_data.event_names}
    events = [(p.timestamp, p.track_event) for p in read.packet if p.HasField("track_event")]
    begun = Counter(names[e.name_iid] for _, e in events if e.type == BEGIN)
    calls = asked(trace, "SELECT syscall, count(*) AS n FROM syscalls GROUP BY 1")
    assert begun == {row["syscall"]: row["n"] for row in calls}
    [ended] = asked(trace, "SELECT count(duration_ns) AS n, count(errno) AS failed FROM syscalls")
    assert sum(e.type == END for _, e in events) == ended["n"]
    failures = Counter(names[e.name_iid] for _, e in events if e.type == INSTANT)
    assert failures.total() == ended["failed"]

    tracks = {p.track_descriptor.uuid: p.track_descriptor for p in read.packet if p.HasField("track_descriptor")}
    assert all(tracks[e.track_uuid].parent_uuid in tracks for _, e in events)
    [first] = asked(trace, "SELECT ts_ns, duration_ns, pid, tid FROM syscalls ORDER BY ts_ns LIMIT 1")
    at, event = min((pair for pair in events if pair[1].type == BEGIN), key=lambda pair: pair[0])
    assert at == first["ts_ns"]
    thread = tracks[event.track_uuid].thread
    assert (thread.pid, thread.tid) == (first["pid"], first["tid"])
    assert event.debug_annotations[0].string_value.startswith(f"{names[event.name_iid]}(")

    clocks = {c.clock_id: c.timestamp for p in read.packet for c in p.clock_snapshot.clocks}
    [when] = asked(trace, "SELECT epoch_ns(ts) - ts_ns AS offset FROM syscalls LIMIT 1")
    assert clocks[1] - clocks[3] == when["offset"]


def test_perfetto_has_the_stacks_of_calls_and_samples(tmp_path: Path) -> None:
    trace = SAMPLES / "running.bpfrec"
    read = proto.Trace()
    read.ParseFromString(exported(trace, tmp_path / "t.pftrace"))
    functions = {s.iid: s.str.decode() for p in read.packet for s in p.interned_data.function_names}
    frames = {f.iid: functions[f.function_name_id] for p in read.packet for f in p.interned_data.frames}
    stacks = {s.iid: [frames[f] for f in s.frame_ids] for p in read.packet for s in p.interned_data.callstacks}
    samples = [p for p in read.packet if p.HasField("perf_sample")]
    query = "SELECT count(*) AS n FROM samples WHERE coalesce(stack_id, kernel_stack_id) IS NOT NULL"
    assert len(samples) == asked(trace, query)[0]["n"]
    innermost = Counter(stacks[p.perf_sample.callstack_iid][-1] for p in samples)
    wanted = asked(
        trace,
        "SELECT coalesce(symbol, '[unknown]') AS symbol, count(*) AS n FROM samples s "
        "JOIN frames f ON f.stack_id = coalesce(s.kernel_stack_id, s.stack_id) AND f.depth = 0 GROUP BY 1",
    )
    assert innermost == {row["symbol"]: row["n"] for row in wanted}


def test_calls_are_chosen_as_in_reports(tmp_path: Path) -> None:
    read = proto.Trace()
    read.ParseFromString(exported(SAMPLES / "sqlite.bpfrec", tmp_path / "t.pftrace", "--syscall", "openat", "-x"))
    begun = [p for p in read.packet if p.track_event.type == BEGIN]
    [row] = asked(SAMPLES / "sqlite.bpfrec", "SELECT count(*) AS n FROM syscalls WHERE syscall = 'openat' AND ret < 0")
    assert len(begun) == row["n"] > 0


def test_samples_and_stacks_are_chosen_as_calls_are(tmp_path: Path) -> None:
    trace = SAMPLES / "running.bpfrec"

    def read(*options: str) -> tuple[int, int]:
        target = tmp_path / "t.pftrace"
        done = run_bpfrec("analyze", "export", trace, "-o", target, "--force", *options)
        assert done.returncode == 0, done.stderr
        packets = proto.Trace.FromString(target.read_bytes()).packet
        return sum(p.HasField("perf_sample") for p in packets), sum(len(p.interned_data.callstacks) for p in packets)

    [row] = asked(
        trace,
        "SELECT count(*) AS n, count(*) FILTER (epoch_ns(ts) - epoch_ns((SELECT start FROM recording)) < 5e8) AS early "
        "FROM samples WHERE coalesce(stack_id, kernel_stack_id) IS NOT NULL",
    )
    every, stacks = read()
    assert every == row["n"] > row["early"] > 0
    assert read("--to", "0.5")[0] == row["early"]
    assert read("-p", "1") == (0, 0)
    # Samples are of no call.
    of_calls, stacks_of_calls = read("--path", "*")
    assert of_calls == 0
    assert stacks_of_calls < stacks


def test_names_of_a_hostile_trace_are_harmless(tmp_path: Path) -> None:
    trace = hostile().write(tmp_path / "hostile.bpfrec")
    written = exported(trace, tmp_path / "t.pftrace")
    read = proto.Trace()
    read.ParseFromString(written)
    shown = [e.name for p in read.packet for e in p.interned_data.event_names]
    shown += [a.string_value for p in read.packet for a in p.track_event.debug_annotations]
    shown += [p.track_descriptor.thread.thread_name for p in read.packet]
    shown += [p.track_descriptor.process.process_name for p in read.packet]
    assert any(shown)
    assert not any("\x1b" in name for name in shown)


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed; make setup-dev installs it")
@pytest.mark.parametrize(("options", "unit"), [((), "calls"), (("--by", "time"), "time")])
def test_pprof_reads_the_profile(tmp_path: Path, options: tuple[str, ...], unit: str) -> None:
    exported(SAMPLES / "sqlite.bpfrec", tmp_path / "t.pb.gz", *options)
    command = ["go", "tool", "pprof", "-top", "-nodecount=0", str(tmp_path / "t.pb.gz")]
    environment = {**os.environ, "HOME": str(tmp_path), "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert f"Type: {unit}" in done.stdout
    assert "PyEval_EvalCode" in done.stdout
    if not options:
        folded = run_bpfrec("analyze", "-i", SAMPLES / "sqlite.bpfrec", "flamegraph", "--no-comm").stdout
        total = sum(int(line.rpartition(" ")[2]) for line in folded.splitlines())
        assert f"Total samples = {total}" in done.stdout or f"of {total} total" in done.stdout


def gecko(thread: dict[str, Any], table: str) -> list[dict[str, Any]]:
    """The rows of a table of a Gecko profile by the names of its columns."""
    schema = thread[table]["schema"]
    return [{name: row[place] for name, place in schema.items()} for row in thread[table]["data"]]


def functions_of(thread: dict[str, Any], stack: int | None) -> list[str]:
    """The functions of a stack of a Gecko profile, innermost first."""
    nodes, frames = gecko(thread, "stackTable"), gecko(thread, "frameTable")
    found = []
    while stack is not None:
        # A prefix stands before what it is the prefix of.
        assert nodes[stack]["prefix"] is None or nodes[stack]["prefix"] < stack
        found.append(thread["stringTable"][frames[nodes[stack]["frame"]]["location"]])
        stack = nodes[stack]["prefix"]
    return found


def test_firefox_has_a_marker_for_each_call_with_its_stack(tmp_path: Path) -> None:
    trace = SAMPLES / "sqlite.bpfrec"
    profile = json.loads(exported(trace, tmp_path / "t.json"))
    calls = asked(
        trace,
        "SELECT event_id, pid, tid, syscall, errno, (ts_ns - min(ts_ns) OVER ()) / 1e6 AS at, "
        "duration_ns / 1e6 AS took, CASE WHEN stack_id IN (SELECT stack_id FROM frames) THEN stack_id END AS stack_id "
        "FROM syscalls ORDER BY ts_ns, event_id",
    )
    threads = {(thread["pid"], thread["tid"]): thread for thread in profile["threads"]}
    assert set(threads) == {(call["pid"], call["tid"]) for call in calls}
    markers = {m["data"]["event"]: (m, t) for t in profile["threads"] for m in gecko(t, "markers")}
    assert len(markers) == len(calls)
    first = min(m["startTime"] for m, _ in markers.values())
    categories = [category["name"] for category in profile["meta"]["categories"]]
    for call in calls:
        marker, thread = markers[call["event_id"]]
        assert thread is threads[call["pid"], call["tid"]]
        assert thread["stringTable"][marker["name"]] == call["syscall"]
        assert marker["startTime"] - first == pytest.approx(call["at"], abs=1e-5)
        if call["took"] is None:
            assert (marker["endTime"], marker["phase"]) == (None, 2)
        else:
            assert marker["endTime"] - marker["startTime"] == pytest.approx(call["took"], abs=1e-5)
        assert marker["data"].get("errno") == call["errno"]
        assert categories[marker["category"]] == ("System call" if call["errno"] is None else "Failed call")
        assert marker["data"]["call"].startswith(f"{call['syscall']}(")
        assert ("stack" in marker["data"]) == (call["stack_id"] is not None)
    of_stack = {call["stack_id"]: call["event_id"] for call in calls if call["stack_id"] is not None}
    for stack, event in list(of_stack.items())[:20]:
        marker, thread = markers[event]
        frames = asked(
            trace,
            "SELECT concat(coalesce(symbol, '[unknown]'), ' (in ', coalesce(module, '[unknown]'), ')') AS name "
            f"FROM frames WHERE stack_id = {stack} ORDER BY depth",
        )
        [[cause, *_]] = marker["data"]["stack"]["samples"]["data"]
        assert functions_of(thread, cause) == [frame["name"] for frame in frames]


def test_firefox_has_the_samples_with_kernel_frames_on_user_frames(tmp_path: Path) -> None:
    trace = SAMPLES / "running.bpfrec"
    profile = json.loads(exported(trace, tmp_path / "t.json"))
    [row] = asked(
        trace,
        "SELECT count(*) AS n, count(kernel_stack_id) AS kernel FROM samples "
        "WHERE coalesce(stack_id, kernel_stack_id) IS NOT NULL",
    )
    samples = [(sample, thread) for thread in profile["threads"] for sample in gecko(thread, "samples")]
    assert len(samples) == row["n"] > 0
    kernel = 0
    for sample, thread in samples:
        frames, nodes = gecko(thread, "frameTable"), gecko(thread, "stackTable")
        kinds = []
        at = sample["stack"]
        while at is not None:
            kinds.append(profile["meta"]["categories"][frames[nodes[at]["frame"]]["category"]]["name"])
            at = nodes[at]["prefix"]
        kernel += kinds[0] == "Kernel"
        assert kinds == sorted(kinds), "Kernel before User, from the innermost frame on"
    assert kernel == row["kernel"]
    assert profile["meta"]["version"] == 24


def test_firefox_gets_nothing_of_a_hostile_trace_but_text(tmp_path: Path) -> None:
    written = exported(hostile().write(tmp_path / "hostile.bpfrec"), tmp_path / "t.json")
    assert written.isascii()
    assert json.loads(written)["threads"]
    assert not set(json.dumps(json.loads(written), ensure_ascii=False)) & set("\x1b\u202e")


def test_refusals(tmp_path: Path) -> None:
    trace = SAMPLES / "sqlite.bpfrec"
    target = tmp_path / "t.pb.gz"
    target.write_bytes(b"mine")
    done = run_bpfrec("analyze", "-i", trace, "export", "-o", target)
    assert (done.returncode, target.read_bytes()) == (1, b"mine")
    assert done.stderr.splitlines()[0] == f"bpfrec: {target} exists"
    for wrong in (["-o", tmp_path / "t.txt"], ["-o", tmp_path / "t.pftrace", "--by", "time"]):
        assert run_bpfrec("analyze", "-i", trace, "export", *wrong).returncode == 2
    for about_calls in ("--syscall=read", "-x", "--path=*", "--by=failures"):
        done = run_bpfrec("analyze", "-i", trace, "export", "-o", tmp_path / "s.pb.gz", "--samples", about_calls)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is about system calls, and --samples is not" in done.stderr
