"""CPU samples live: as many as there is CPU time, of those who were asked for, with the stacks that they have."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.beside_bpftrace import LiveScript
from support.live import Recorder, Waiting, record_command, rows

Programs = Callable[..., Path]

FLAGS = ("-O2", "-fomit-frame-pointer", "-fno-optimize-sibling-calls")
HZ = 499
SAMPLED = ("--profile", str(HZ))
NOBODY = 65534
BUSY = {"loops", "branches", "kernel"}

STACKS = "(SELECT stack_id, string_agg(coalesce(symbol, '?'), ';' ORDER BY depth DESC) AS stack FROM frames GROUP BY 1)"
# Who calls a thread's first function differs by the version of libc, and so does what reads the clock at the end.
POSSIBLE = (
    "(_*clone3?;)?start_thread"
    "(;(loops(;little|;much)?|branches(;branch;through)*(;branch)?)"
    "(;(cpu_time;)?(.*clock_gettime.*|named.*|.*prctl.*))?)?"
)


@pytest.fixture
def spinning(programs: Programs) -> Path:
    return programs("spinning", *FLAGS)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "trace.bpfrec"


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can enter; pytest's own are root's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def cpu_time(lines: list[str]) -> dict[str, float]:
    """Seconds that each thread of the workload used."""
    return {name: int(used) / 1e9 for name, used in (line.split() for line in lines)}


def about(seconds: float, hz: int = HZ) -> object:
    """So many samples come of so much CPU time."""
    return pytest.approx(seconds * hz, rel=0.1, abs=8)


def counts(output: Path, column: str = "comm") -> dict[object, object]:
    return dict(rows(output, f"SELECT {column}, count(*) FROM samples GROUP BY 1"))  # type: ignore[arg-type]


def test_threads_have_as_many_samples_as_cpu_time_and_whole_stacks(spinning: Path, output: Path) -> None:
    done = record_command(output, spinning, "800", options=SAMPLED)
    assert done.returncode == 0, done.stderr
    assert " samples of 1 process" in done.stderr
    used, found = cpu_time(done.stdout.splitlines()), counts(output)
    assert {name: found[name] for name in BUSY} == {name: about(used[name]) for name in BUSY}
    assert "sleeps" not in found
    assert rows(output, "SELECT * FROM losses") == []
    assert rows(output, "SELECT json_extract(configuration, '$.profile_hz') FROM recording") == [(str(HZ),)]

    of_busy = f"s.comm IN {tuple(BUSY)}"
    whole = "stack_status IS NULL AND status = 'root'"
    unfinished = f"SELECT s.comm, stack_status, status FROM samples s LEFT JOIN stacks USING (stack_id) WHERE {of_busy}"
    cut = rows(output, f"{unfinished} AND ({whole}) IS DISTINCT FROM TRUE")
    # Each thread may be found while the kernel brings in the page of its stack that it has touched first.
    assert len(cut) <= len(BUSY), cut
    assert {row[1:] for row in cut} <= {(None, "stack-truncated")}
    impossible = (
        f"SELECT stack FROM samples s JOIN {STACKS} USING (stack_id) "
        f"WHERE s.comm IN ('loops', 'branches') AND NOT regexp_full_match(stack, '{POSSIBLE}')"
    )
    assert rows(output, impossible) == [], "a frame that is wrong"
    [(much, both)] = rows(
        output,
        "SELECT count(*) FILTER (symbol = 'much')::DOUBLE, count(*) FILTER (symbol IN ('little', 'much'))::DOUBLE "
        "FROM samples JOIN frames USING (stack_id) WHERE depth = 0",
    )
    assert isinstance(much, float)
    assert isinstance(both, float)
    # It is three quarters of the time; five standard deviations.
    assert much / both == pytest.approx(0.75, abs=5 * (0.75 * 0.25 / both) ** 0.5)


def test_what_runs_in_a_call_has_the_stack_of_the_call_and_one_of_the_kernel(spinning: Path, output: Path) -> None:
    options = [*SAMPLED, "--stack-on", "read"]
    assert record_command(output, spinning, "300", options=options).returncode == 0
    in_read = (
        f"(SELECT s.*, k.stack FROM samples s JOIN {STACKS} k ON k.stack_id = kernel_stack_id "
        "WHERE comm = 'kernel' AND k.stack LIKE '%sys_read%')"
    )
    [(enough, entry)] = rows(output, f"SELECT count(*) > 20, list(DISTINCT split_part(stack, ';', 1)) FROM {in_read}")
    assert (enough, entry) == (True, ["entry_SYSCALL_64_after_hwframe"])
    frames = "(SELECT list((ip, symbol) ORDER BY depth) FROM frames WHERE frames.stack_id = s.stack_id)"
    of_calls = "(FROM syscalls WHERE comm = 'kernel' AND syscall = 'read' AND stack_id IS NOT NULL)"
    called, sampled = (rows(output, f"SELECT DISTINCT {frames} FROM {calls} s") for calls in (of_calls, in_read))
    assert len(called) == 1
    assert sampled == called
    odd = (
        "SELECT f.symbol, f.module, f.source, t.status FROM samples s JOIN stacks t ON t.stack_id = kernel_stack_id "
        "JOIN frames f ON f.stack_id = kernel_stack_id WHERE f.source != 'kernel' OR f.module NOT LIKE '[%]' "
        "OR f.symbol IS NULL OR t.status != 'root' OR t.pid IS NOT NULL"
    )
    assert rows(output, odd) == []


@pytest.mark.parametrize(
    ("how", "mode", "expected"),
    [
        ("-p {pid}", "wait", BUSY),
        ("-p {pid} --follow", "wait", BUSY),
        ("-t {pid}", "wait", set()),
        ("-t {pid}", "alone", {"chosen"}),
        pytest.param("--name loops", "wait", {"loops"}, marks=pytest.mark.alone),
        ("--name chosen", "wait", BUSY),
        pytest.param(f"-u {NOBODY}", "wait", BUSY, marks=pytest.mark.alone),
        pytest.param("-a", "wait", BUSY, marks=pytest.mark.alone),
    ],
)
def test_samples_are_of_those_who_were_asked_for(
    spinning: Path, output: Path, public_folder: Path, how: str, mode: str, expected: set[str]
) -> None:
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    chosen = Waiting([*as_nobody, shutil.copy(spinning, public_folder / "chosen"), "300", mode])
    other = Waiting([shutil.copy(spinning, public_folder / "other"), "100", mode])
    # Which calls are recorded says nothing of samples.
    recorder = Recorder(output, *how.format(pid=chosen.pid).split(), *SAMPLED, "-e", "getppid")
    used, _ = cpu_time(chosen.go()), other.go()
    if recorder.process.poll() is None and "pid" not in how:
        recorder.stop()
    else:
        recorder.wait()

    def sampled(where: str) -> dict[object, object]:
        names = f"('chosen', 'other', {str(sorted(BUSY))[1:-1]})"
        query = (
            f"SELECT comm, count(*) FROM samples WHERE {where} AND comm IN {names} GROUP BY comm HAVING count(*) > 4"
        )
        return dict(rows(output, query))  # type: ignore[arg-type]

    found = sampled(f"pid = {chosen.pid}")
    used["chosen"] = used.pop("alone", 0.0)
    assert found == {name: about(used[name]) for name in expected}
    assert sampled(f"pid = {other.pid}").keys() == (expected if how in ("--name loops", "-a") else set())
    if how != "-a":
        assert rows(output, f"SELECT count(*) FROM samples WHERE pid NOT IN ({chosen.pid}, {other.pid})") == [(0,)]
    assert rows(output, f"SELECT count(*) FROM samples WHERE pid = {chosen.pid} AND uid != {NOBODY}") == [(0,)]
    assert rows(output, f"SELECT count(*) FROM samples WHERE pid = {recorder.process.pid} OR tid = 0") == [(0,)]


def test_processes_that_live_for_moments_have_theirs(spinning: Path, output: Path) -> None:
    times = 60
    # About 10 ms each.
    script = f"for i in $(seq {times}); do echo | {spinning} 40 alone; done"
    done = record_command(output, "sh", "-c", script, options=SAMPLED)
    used = sum(cpu_time([line])["alone"] for line in done.stdout.splitlines() if line.startswith("alone"))
    [(found, processes)] = rows(
        output,
        "SELECT count(*), count(DISTINCT pid) FROM samples JOIN processes p USING (pid) WHERE p.comm LIKE 'spinning%'",
    )
    # The CPU time of a process counts from its fork, and what it takes to end is not in it.
    assert found == pytest.approx(used * HZ, rel=0.2, abs=8)
    assert isinstance(processes, int)
    assert processes > times / 2
    [(own, whole, named)] = rows(
        output,
        "SELECT count(*), count(*) FILTER (status = 'root'), count(*) FILTER (stack LIKE '%;main;much') "
        f"FROM samples LEFT JOIN stacks USING (stack_id) LEFT JOIN {STACKS} USING (stack_id) "
        "WHERE comm LIKE 'spinning%' AND kernel_stack_id IS NULL",
    )
    assert own == whole, "a stack that is not whole"
    assert isinstance(named, int)
    assert named > 0.5 * used * HZ
    assert rows(output, "SELECT count(*) FROM samples s ANTI JOIN processes p ON p.pid = s.pid") == [(0,)]
    assert rows(output, "SELECT count(*) FROM samples s ANTI JOIN threads t ON t.tid = s.tid") == [(0,)]


@pytest.mark.parametrize("stacks", ["fp", "off"])
def test_without_copies_of_stacks(spinning: Path, programs: Programs, output: Path, stacks: str) -> None:
    program = programs("spinning") if stacks == "fp" else spinning
    done = record_command(output, program, "300", options=[*SAMPLED, "--stacks", stacks])
    used, found = cpu_time(done.stdout.splitlines()), counts(output)
    assert {name: found[name] for name in BUSY} == {name: about(used[name]) for name in BUSY}
    if stacks == "off":
        assert rows(output, "SELECT count(*) FROM stacks") == [(0,)]
        columns = ("stack_id", "kernel_stack_id", "stack_status")
        assert rows(output, f"SELECT {', '.join(f'count({c})' for c in columns)} FROM samples") == [(0, 0, 0)]
        return
    through = (
        f"SELECT count(*) FROM samples JOIN {STACKS} USING (stack_id) WHERE stack LIKE '%branches;branch;through%'"
    )
    [(chained,)] = rows(output, through)
    assert chained == about(used["branches"])
    kernel = (
        f"SELECT count(*) FROM samples JOIN {STACKS} k ON k.stack_id = kernel_stack_id WHERE stack LIKE '%sys_read%'"
    )
    [(reading,)] = rows(output, kernel)
    assert reading == about(used["kernel"])


@pytest.mark.alone
def test_the_exercise_of_the_course_beside_bpftrace(
    spinning: Path, output: Path, public_folder: Path, bpftrace: str
) -> None:
    """``profile:ms:10 /uid != 0/ { @[cpu, comm] = count() }``, which counts 10 ms each."""
    program = shutil.copy(spinning, public_folder / "exercise")
    pinned = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "taskset", "-c", "0"]
    workload = Waiting([*pinned, program, "1500", "wait"])
    judge = LiveScript(bpftrace, "profile:ms:10 /uid != 0/ { @[cpu, comm] = count(); }")
    judge.wait()
    recorder = Recorder(output, "-a", "-e", "getppid", "--stack-on", "none", "--profile", "100")
    workload.go()
    recorder.stop()
    theirs = {tuple(key.split(",")): 10 * count for key, count in judge.stop().maps["@"].items()}
    query = "SELECT cpu, comm, count(*) * 10 AS ms FROM samples WHERE uid <> 0 GROUP BY ALL"
    ours = {(str(cpu), comm): ms for cpu, comm, ms in rows(output, query)}
    assert rows(output, "SELECT count(*) > 50 FROM samples JOIN stacks USING (stack_id) WHERE uid <> 0") == [(True,)]
    for name in BUSY:
        # Two clocks of 10 ms that do not tick together.
        assert ours["0", name] == pytest.approx(theirs["0", name], rel=0.2, abs=80)


def test_frequencies_that_are_refused(output: Path) -> None:
    for frequency, said in (("0", "0 is not in the range 1<=x<=1000"), ("1001", "1001 is not in the range")):
        done = record_command(output, "true", options=["--profile", frequency])
        assert done.returncode != 0
        assert said in done.stderr
