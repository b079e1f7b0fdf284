"""A workload that does known things 23 times is recorded exactly, however it is chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.live import TIMES, KnownRecording, Recorder, Waiting, rows

import bpfrec

Programs = Callable[..., Path]


def folder_of(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "existing").write_text("seven bytes and more")
    return folder


def record_waiting(programs: Programs, tmp_path: Path, folder: Path, *options: str) -> tuple[Path, list[str]]:
    workload = Waiting([programs("known"), folder, "wait"])
    output = tmp_path / "trace.bpfrec"
    recorder = Recorder(output, *(option.replace("PID", str(workload.pid)) for option in options))
    printed = workload.go()
    if recorder.process.poll() is None and not {"-p", "-t"} & set(options):
        recorder.stop()
    else:
        recorder.wait()
    return output, printed


def alone(*options: str) -> object:
    return pytest.param(list(options), marks=pytest.mark.alone)


@pytest.mark.parametrize(
    "how",
    [["-p", "PID"], ["-t", "PID"], alone("--name", "known"), alone("-a"), alone("-u", "0"), ["--"]],
    ids=" ".join,
)
def test_every_call_is_there_with_its_arguments_and_results(
    programs: Programs, tmp_path: Path, how: list[str], request: pytest.FixtureRequest
) -> None:
    if how == ["--"]:
        known = request.getfixturevalue("known_recording")
        output, folder, printed = known.trace, known.folder, known.printed
    else:
        folder = folder_of(tmp_path)
        output, printed = record_waiting(programs, tmp_path, folder, *how)
    spans = {name: (int(begin), int(end)) for name, begin, end in map(str.split, printed)}
    groups = {
        "missing": ("path LIKE '%/files/missing'", ("openat", -2, "ENOENT", str(folder / "missing"))),
        "existing": ("path LIKE '%/files/existing'", ("openat", None, None, str(folder / "existing"))),
        "sleep": ("syscall = 'clock_nanosleep'", ("clock_nanosleep", 0, None, None)),
        "read": ("syscall = 'read' AND arg2 = 7", ("read", 7, None, None)),
    }
    for group, (condition, (syscall, ret, errno, path)) in groups.items():
        found = rows(
            output,
            f"SELECT syscall, ret, errno, path, path_status, ts_ns, duration_ns FROM syscalls "
            f"WHERE comm = 'known' AND {condition} ORDER BY ts_ns",
        )
        begin, end = spans[group]
        assert len(found) == TIMES, f"{group}: {len(found)} rows instead of {TIMES}"
        for index, row in enumerate(found):
            assert row[0] == syscall
            assert row[1] == ret or (ret is None and row[1] >= 0)
            assert row[2:5] == (errno, path, None), f"{group}, call {index}: {row}"
            assert begin <= row[5], f"{group}, call {index} began before the program says so"
            assert row[5] + row[6] <= end, f"{group}, call {index} ended after the program says so"
        assert sum(row[6] for row in found) <= end - begin, f"{group}: the calls last longer than the program measured"


def test_arguments_of_opens_and_sleeps(known_recording: KnownRecording) -> None:
    output = known_recording.trace
    at_fdcwd, cloexec = -100, 0o2000000
    assert rows(
        output, "SELECT dfd, flags, count(*) FROM sys.openat WHERE filename LIKE '%/files/%' GROUP BY ALL ORDER BY ALL"
    ) == [(at_fdcwd, 0, TIMES), (at_fdcwd, cloexec, TIMES)]
    assert rows(output, "SELECT rqtp_tv_sec, rqtp_tv_nsec, count(*) FROM sys.clock_nanosleep GROUP BY ALL") == [
        (0, 1000, TIMES)
    ]


def test_a_command_is_recorded_from_its_execve_to_its_exit(known_recording: KnownRecording) -> None:
    output, program = known_recording.trace, known_recording.program
    calls = rows(output, "SELECT syscall, path, ret, duration_ns, unfinished FROM syscalls ORDER BY ts_ns")
    assert calls[0][:3] == ("execve", str(program), 0)
    assert calls[-1] == ("exit_group", None, None, None, "thread-exited")
    assert rows(output, "SELECT * FROM losses") == []


def test_counters_agree_with_the_rows(known_recording: KnownRecording) -> None:
    with bpfrec.open(known_recording.trace) as trace:
        counters = trace.manifest.counters
        count = trace.sql("SELECT count(*) FROM syscalls").fetchall()[0][0]
        assert counters["sent_syscalls"] == counters["recorded"] == count == sum(trace.manifest.syscalls.values())
        assert counters["lost"] == 0
