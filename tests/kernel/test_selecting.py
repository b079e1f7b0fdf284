"""What is recorded: filters in the kernel, children, ends and stops."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.live import (
    PATIENCE,
    TIMES,
    KnownRecording,
    Recorder,
    Waiting,
    has_ended_main_thread,
    line_of,
    record_command,
    rows,
    started,
    wait_for_call,
    wait_until,
)

Programs = Callable[..., Path]
NOBODY = 65534
CLOCK_NANOSLEEP = 230


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "trace.bpfrec"


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can enter; pytest's own are root's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "existing").write_text("seven bytes and more")
    return tmp_path


def record(
    *arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bpfrec", "record", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=cwd,
        env=env,
    )


def syscalls_in(output: Path) -> set[str]:
    return {str(name) for (name,) in rows(output, "SELECT DISTINCT syscall FROM syscalls")}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("read,clock_nanosleep", lambda calls: calls & {"read", "clock_nanosleep"}),
        ("trace=%memory", lambda calls: calls & {"brk", "mmap", "munmap", "mprotect"}),
        ("!%file", lambda calls: calls - {"access", "execve", "openat", "newfstatat"}),
        ("!read,openat", lambda calls: calls - {"read", "openat"}),
    ],
    ids=["names", "class", "not-class", "not-names"],
)
def test_events_filter(
    known_recording: KnownRecording, output: Path, spec: str, wanted: Callable[[set[str]], set[str]]
) -> None:
    command = (known_recording.program, known_recording.folder)
    assert record_command(output, *command, options=["-e", spec]).returncode == 0
    assert syscalls_in(output) == wanted(syscalls_in(known_recording.trace))


def test_failed_only(programs: Programs, output: Path, folder: Path) -> None:
    assert record_command(output, programs("known"), folder, options=["-x"]).returncode == 0
    assert rows(output, "SELECT count(*) FROM syscalls WHERE path LIKE '%/missing'") == [(TIMES,)]
    assert rows(output, "SELECT count(*) FROM syscalls WHERE errno IS NULL OR unfinished IS NOT NULL") == [(0,)]


@pytest.mark.alone
def test_uid_filter(programs: Programs, output: Path, public_folder: Path) -> None:
    program = shutil.copy(programs("known"), public_folder)
    (public_folder / "existing").write_text("seven bytes and more")
    recorder = Recorder(output, "-u", str(NOBODY), "-e", "openat")
    for user in (0, NOBODY):
        subprocess.run([program, public_folder], check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")
    recorder.stop()
    assert rows(output, "SELECT DISTINCT uid FROM syscalls") == [(NOBODY,)]
    assert rows(output, "SELECT count(*) FROM syscalls WHERE path LIKE '%/missing'") == [(TIMES,)]


RENAMES = """
import ctypes, os
prctl = ctypes.CDLL(None).prctl
def rename(name):
    prctl(15, name, 0, 0, 0)
    os.access("/" + name.decode(), 0)
for _ in range(TIMES):
    for name in (b"wantedname", b"other"):
        rename(name)
    with open("/proc/self/comm", "w") as comm:
        comm.write("wantedname")
    os.access("/written", 0)
os.execv("LINK", ["link"])
"""


def test_the_call_by_which_a_thread_gets_the_name_is_not_recorded(output: Path, public_folder: Path) -> None:
    link = shutil.copy("/bin/true", public_folder / "wantedname")
    # Of a name that nobody has the recorder warns.
    (public_folder / "asleep").mkdir()
    sleeper = shutil.copy("/bin/sleep", public_folder / "asleep" / "wantedname")
    started.append(subprocess.Popen([sleeper, "600"], text=True))
    recorder = Recorder(output, "--name", "wantedname")
    script = RENAMES.replace("TIMES", str(TIMES)).replace("LINK", str(link))
    subprocess.run([sys.executable, "-c", script], check=True)
    recorder.stop()
    accessed = "SELECT path, count(*) FROM syscalls WHERE path IN ('/wantedname', '/other', '/written') GROUP BY 1"
    assert sorted(rows(output, accessed)) == [("/wantedname", TIMES), ("/written", TIMES)]
    unseen = "SELECT DISTINCT syscall, unfinished FROM syscalls WHERE entry_status IS NOT NULL"
    assert rows(output, unseen) == [("clock_nanosleep", "recording-stopped")], "the sleeper's"


LEADERLESS = """
import ctypes, os, threading
libc = ctypes.CDLL(None)
libc.prctl(15, b"leaderless", 0, 0, 0)
def work():
    libc.prctl(15, b"worker", 0, 0, 0)
    os.read(0, 1)
    for number in range(TIMES):
        os.access("/worked", 0)
    os._exit(0)
print("ready", flush=True)
os.read(0, 3)
threading.Thread(target=work).start()
libc.pthread_exit(None)
"""


def leaderless() -> Waiting:
    return Waiting([sys.executable, "-c", LEADERLESS.replace("TIMES", str(TIMES))])


def end_main_thread(waiting: Waiting) -> None:
    assert waiting.process.stdin is not None
    print("go", file=waiting.process.stdin, flush=True)
    wait_until(lambda: has_ended_main_thread(waiting.pid), "the main thread ends")


def test_threads_are_recorded_after_the_main_thread_that_has_the_name_has_ended(output: Path) -> None:
    waiting = leaderless()
    recorder = Recorder(output, "--name", "leaderless")
    end_main_thread(waiting)
    waiting.go()
    recorder.stop()
    assert rows(output, "SELECT comm, count(*) FROM syscalls WHERE path = '/worked' GROUP BY 1") == [("worker", TIMES)]
    [(end, mappings)] = rows(
        output,
        f"""
        SELECT end_ns IS NOT NULL, (SELECT count(*) > 0 FROM mappings WHERE pid = {waiting.pid})
        FROM processes WHERE pid = {waiting.pid}""",
    )
    assert (end, mappings) == (True, True)


def test_a_process_whose_main_thread_has_ended_already_is_known(output: Path) -> None:
    waiting = leaderless()
    end_main_thread(waiting)
    recorder = Recorder(output, "-p", str(waiting.pid))
    waiting.go()
    recorder.wait()
    columns = f"end_ns IS NOT NULL, exe LIKE '%python%', (SELECT count(*) > 0 FROM mappings WHERE pid = {waiting.pid})"
    assert rows(output, f"SELECT {columns} FROM processes WHERE pid = {waiting.pid}") == [(True, True, True)]
    assert rows(output, "SELECT comm, count(*) FROM syscalls WHERE path = '/worked' GROUP BY 1") == [("worker", TIMES)]


def test_several_processes_and_a_thread(programs: Programs, output: Path, folder: Path) -> None:
    first, second, third = (Waiting([programs("known"), folder, "wait"]) for _ in range(3))
    recorder = Recorder(output, "-p", str(first.pid), "-t", str(second.pid))
    for workload in (first, second, third):
        workload.go()
    said = recorder.wait()
    assert "all recorded processes and threads ended" in said
    assert rows(
        output, "SELECT pid, count(*) FROM syscalls WHERE path LIKE '%/missing' GROUP BY pid ORDER BY pid"
    ) == sorted([(first.pid, TIMES), (second.pid, TIMES)])


def test_children_of_a_command_are_followed(output: Path) -> None:
    times = 100
    done = record_command(output, "sh", "-c", f"for i in $(seq {times}); do /bin/true; done")
    assert done.returncode == 0, done.stderr
    assert rows(
        output, "SELECT count(*), count(DISTINCT pid) FROM syscalls WHERE syscall = 'execve' AND path = '/bin/true'"
    ) == [(times, times)]
    assert rows(output, "SELECT count(*) FROM syscalls WHERE comm = 'true' AND syscall = 'exit_group'") == [(times,)]
    assert rows(
        output, "SELECT count(*) FROM processes WHERE comm = 'true' AND end_ns > start_ns AND exe LIKE '%/true'"
    ) == [(times,)]


def test_names_of_children_of_children_are_known(output: Path) -> None:
    script = "for i in $(seq 20); do (sh -c '/bin/true; /bin/true' | cat) & done; wait"
    done = record_command(output, "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert rows(output, "SELECT count(*) FROM syscalls WHERE comm IS NULL") == [(0,)]
    assert rows(output, "SELECT count(*) FROM processes WHERE exe LIKE '%/true'") == [(40,)]


def test_a_thread_that_executes_a_program_goes_on_under_its_process(output: Path) -> None:
    execute = "threading.Thread(target=lambda: os.execv('/bin/true', ['true'])).start()"
    script = f"import os, threading, time\n{execute}\ntime.sleep(600)"
    done = record_command(output, sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    [(pid, tid, ret)] = rows(output, "SELECT pid, tid, ret FROM syscalls WHERE path = '/bin/true'")
    assert ret == 0
    assert tid != pid, "the thread that called execve is the one to name"
    [(after,)] = rows(output, "SELECT DISTINCT tid FROM syscalls WHERE comm = 'true'")
    assert after == pid
    unfinished = rows(output, "SELECT syscall, unfinished FROM syscalls WHERE unfinished IS NOT NULL ORDER BY ts_ns")
    assert ("exit_group", "thread-exited") in unfinished
    # How many stacks are capped depends on how soon the recorder learns them.
    assert rows(output, "SELECT * FROM losses WHERE kind <> 'stacks-capped'") == []


def test_calls_under_way_at_the_end_are_there(output: Path) -> None:
    sleeper = Waiting([sys.executable, "-c", "import time; print('ready', flush=True); input(); time.sleep(600)"])
    recorder = Recorder(output, "-p", str(sleeper.pid))
    print(file=sleeper.process.stdin, flush=True)
    wait_for_call(sleeper.pid, CLOCK_NANOSLEEP)
    recorder.stop()
    found = rows(output, "SELECT syscall, ret, duration_ns, unfinished FROM syscalls WHERE unfinished IS NOT NULL")
    assert found == [("clock_nanosleep", None, None, "recording-stopped")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_finish_the_file(output: Path, number: signal.Signals) -> None:
    sleeper = subprocess.Popen(["sleep", "600"], text=True)
    started.append(sleeper)
    said = Recorder(output, "-p", str(sleeper.pid)).stop(number)
    assert f"stopped because {number.name} came" in said
    assert rows(output, "SELECT count(*) FROM losses") == [(0,)]


def test_a_process_that_ends_stops_the_recording(output: Path) -> None:
    waiting = subprocess.Popen(["cat"], stdin=subprocess.PIPE, text=True)
    started.append(waiting)
    recorder = Recorder(output, "-p", str(waiting.pid))
    waiting.communicate(timeout=PATIENCE)
    assert "the recorded process ended" in recorder.wait()


def test_a_process_that_does_not_exist(output: Path) -> None:
    done = record("-p", "999999", "-o", output)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no process 999999" in done.stderr
    assert not output.exists()


def test_a_duration_ends_the_recording(output: Path) -> None:
    done = record("-p", str(os.getpid()), "-d", "0.5", "-o", output)
    assert done.returncode == 0
    assert "the time was up" in done.stderr


@pytest.mark.parametrize(
    ("script", "status", "outcome"),
    [("exit 0", 0, "exited with 0"), ("exit 7", 7, "exited with 7"), ("kill -TERM $$", 143, "was killed by SIGTERM")],
)
def test_exit_status_of_the_command_is_told_and_passed_on(output: Path, script: str, status: int, outcome: str) -> None:
    done = record_command(output, "sh", "-c", script)
    assert done.returncode == status, done.stderr
    assert f"sh {outcome}" in done.stderr


def test_a_command_that_cannot_be_started(output: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    for command, status in (("no-such-command", 127), (str(tmp_path / "text"), 126)):
        done = record_command(output, command)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        assert not output.exists()


def test_an_unwritable_target_fails_with_125_and_does_not_run_the_command(tmp_path: Path) -> None:
    done = record_command(tmp_path / "missing" / "trace.bpfrec", "touch", tmp_path / "ran")
    assert done.returncode == 125
    assert "cannot write" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_files_are_never_overwritten_in_silence(tmp_path: Path) -> None:
    for _ in range(3):
        done = record("--", "true", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "trace.bpfrec that was there is now trace.bpfrec.old" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["trace.bpfrec", "trace.bpfrec.old"]
    refused = record("-o", "trace.bpfrec", "--", "true", cwd=tmp_path)
    assert refused.returncode == 125
    assert "--force" in refused.stderr
    assert record("-o", "trace.bpfrec", "--force", "--", "true", cwd=tmp_path).returncode == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["trace.bpfrec", "trace.bpfrec.old"]
    assert (tmp_path / "trace.bpfrec").stat().st_mode & 0o777 == 0o600


def test_behind_sudo_the_command_and_the_file_are_the_users(tmp_path: Path) -> None:
    environment = os.environ | {"SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY), "SUDO_USER": "nobody"}
    done = record("-o", tmp_path / "trace.bpfrec", "--", "id", "-u", env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{NOBODY}\n"
    assert (tmp_path / "trace.bpfrec").stat().st_uid == NOBODY
    for table in ("syscalls", "processes"):
        assert rows(tmp_path / "trace.bpfrec", f"SELECT DISTINCT uid FROM {table}") == [(NOBODY,)]


def test_stopping_a_recorder_ends_its_command(output: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bpfrec", "record", "-o", str(output), "--", "sh", "-c", "echo in; exec sleep 600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    assert line_of(process.stdout) == "in"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert "sh was killed by SIGINT" in err
    assert "execve" in syscalls_in(output)


@pytest.mark.parametrize("events", ["getppid", "getppid,setuid"])
def test_the_uid_is_the_one_at_the_call(tmp_path: Path, events: str) -> None:
    output = tmp_path / "trace.bpfrec"
    script = "import os; os.getppid(); os.getppid(); os.setuid(65534); os.getppid(); os.getppid()"
    done = record_command(output, sys.executable, "-c", script, options=["-e", events])
    assert done.returncode == 0, done.stderr
    found = rows(output, "SELECT syscall, uid FROM syscalls WHERE syscall <> 'execve' ORDER BY ts_ns")
    change = [("setuid", 0)] if "setuid" in events else []
    assert found == [("getppid", 0)] * 2 + change + [("getppid", 65534)] * 2


WITH_A_HELPER = """
import os, sys
from bpfrec.__main__ import main
from bpfrec.record.session.tracker import ProcessTracker
look = ProcessTracker.find_perf_maps
def ask(tracker, **options):
    if os.fork() == 0:
        if os.fork() == 0:
            os.access("/nonexistent/by-a-helper-of-a-helper", 0)
            os._exit(0)
        os.wait()
        os.access("/nonexistent/by-a-helper", 0)
        os._exit(0)
    os.wait()
    look(tracker, **options)
ProcessTracker.find_perf_maps = ask
main()
"""


@pytest.mark.alone
def test_helpers_of_the_recorder_are_not_recorded(tmp_path: Path) -> None:
    output = tmp_path / "trace.bpfrec"
    command = ["record", "-a", "-e", "access,faccessat,faccessat2,openat", "--stacks", "off", "-o", str(output)]
    recorder = subprocess.Popen(
        [sys.executable, "-c", WITH_A_HELPER, *command], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    started.append(recorder)
    assert "recording" in line_of(recorder.stderr)
    other = "import os, time; [(os.access('/nonexistent/by-another', 0), time.sleep(0.1)) for _ in range(10)]"
    subprocess.run([sys.executable, "-c", other], check=True)
    recorder.send_signal(signal.SIGINT)
    _, said = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 0, said
    query = "SELECT path, count(*) FROM syscalls WHERE path LIKE '/nonexistent/by-%' GROUP BY ALL"
    assert rows(output, query) == [("/nonexistent/by-another", 10)]
    # Those that read what was running before the recording are older than the BPF program.
    children = "SELECT DISTINCT s.comm, syscall, path FROM syscalls s JOIN processes p USING (pid)"
    assert rows(output, f"{children} WHERE p.ppid = {recorder.pid}") == []
