"""Answers from the file alone: binaries, libraries, perf maps and mount namespaces are gone, or others are there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.live import PATIENCE, WORKLOADS, Recorder, Waiting, build, cannot_run, line_of, record_command, rows

pytestmark = pytest.mark.spread

OWN_LINE = next(
    number
    for number, line in enumerate((WORKLOADS / "opener.c").read_text().splitlines(), 1)
    if '"/nonexistent/own"' in line
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the program ``opener`` and the libraries a.so and b.so, built without frame pointers."""
    folder = tmp_path / "built"
    folder.mkdir()
    flags = ["-O2", "-fomit-frame-pointer"]
    build(WORKLOADS / "opener.c", folder / "opener", [*flags, "-ldl"])
    for name in ("a", "b"):
        build(WORKLOADS / "opener.c", folder / f"{name}.so", [*flags, "-shared", "-fPIC", f"-DLIBRARY={name}"])
    return folder


def stack(trace: Path, path: str, *options: str | Path) -> list[tuple[str | None, str | None, int | None]]:
    """Function, last part of the source file and line of the frames of the one stack of calls of ``path``.

    Asked in a mount namespace of its own, in which the folders of programs and their debug files are hidden.
    """
    query = (
        "SELECT symbol, regexp_extract(file, '[^/]*$') AS file, line FROM frames WHERE stack_id IN "
        f"(SELECT stack_id FROM syscalls WHERE path = '{path}') ORDER BY stack_id, depth"
    )
    asked = [sys.executable, "-m", "bpfrec", "analyze", "-i", trace, *options, "sql", "--format", "json", query]
    hide = 'mkdir -p /usr/lib/debug; mount -t tmpfs none /usr/lib/debug && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", hide, "sh", *asked], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return [(row["symbol"], row["file"], row["line"]) for row in json.loads(done.stdout)]


def names(trace: Path, path: str, *options: str | Path) -> list[str | None]:
    return [symbol for symbol, _, _ in stack(trace, path, *options)]


def recorded_while_it_waits(trace: Path, program: str, *command: str | Path) -> Path:
    """Records a command that waits for a line when it has run ``program``, which it gets when the recorder has that."""
    recorder = Recorder(trace, "-vv", "--", *command)
    recorder.wait_for(rf"\b{program}( \(deleted\))? opened")
    recorder.tell("go")
    recorder.wait()
    return trace


def recorded(trace: Path, *command: str | Path, options: tuple[str, ...] = ()) -> Path:
    done = record_command(trace, *command, options=options)
    assert done.returncode == 0, done.stderr
    return trace


def test_after_the_files_are_deleted(folder: Path, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "t.bpfrec", folder / "opener", folder / "a.so")
    shutil.rmtree(folder)
    own = stack(trace, "/nonexistent/own")
    assert own[1:3] == [("own_inner", "opener.c", OWN_LINE), ("main", "opener.c", own[2][2])]
    assert own[-1][0] == "_start"
    assert names(trace, "/nonexistent/a")[1:4] == ["a_inner", "library_open", "main"]


def test_after_a_library_was_upgraded(folder: Path, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "t.bpfrec", folder / "opener", folder / "a.so", options=("--save-binaries",))
    (folder / "b.so").replace(folder / "a.so")
    assert names(trace, "/nonexistent/a")[1:4] == ["a_inner", "library_open", "main"]
    assert names(trace, "/nonexistent/a", "--symbols", folder)[1:4] == ["a_inner", "library_open", "main"]


def test_a_library_that_is_upgraded_while_it_is_mapped(programs: Callable[..., Path], tmp_path: Path) -> None:
    program = tmp_path / "jitted"
    shutil.copy(programs("jitted"), program)
    workload = Waiting([program])
    other = tmp_path / "other"
    build(WORKLOADS / "known.c", other)
    other.replace(program)
    recorder = Recorder(tmp_path / "t.bpfrec", "-p", str(workload.pid))
    workload.go()
    recorder.wait()
    assert names(recorder.output, "/nonexistent/jitted")[1:3] == ["call_it", "main"]


def test_libraries_that_come_and_go_have_the_names_of_their_time(folder: Path, tmp_path: Path) -> None:
    libraries = [folder / "a.so", folder / "b.so"]
    trace = recorded(tmp_path / "t.bpfrec", folder / "opener", *libraries, *libraries)
    shutil.rmtree(folder)
    for name in ("a", "b"):
        assert names(trace, f"/nonexistent/{name}")[1:4] == [f"{name}_inner", "library_open", "main"]
    places = rows(trace, "SELECT DISTINCT ip FROM frames WHERE symbol = 'library_open'")
    assert len(places) == 1, "the second library was not mapped where the first had been"


def test_a_program_that_executes_another(folder: Path, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "t.bpfrec", "sh", "-c", f"test -e /nonexistent/shell; exec {folder}/opener")
    shutil.rmtree(folder)
    assert names(trace, "/nonexistent/own")[1:3] == ["own_inner", "main"]
    shell = rows(
        trace,
        "SELECT DISTINCT module FROM frames JOIN syscalls USING (stack_id) WHERE path = '/nonexistent/shell'",
    )
    assert all("opener" not in str(module) for (module,) in shell)


def test_short_lives_in_a_mount_namespace_that_is_gone(folder: Path, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    script = (
        f"mount -t tmpfs none {inside} && cp {folder}/opener {inside}/mine && "
        f"for i in 1 2 3; do {inside}/mine; done; read line"
    )
    trace = recorded_while_it_waits(tmp_path / "t.bpfrec", "mine", "unshare", "-m", "sh", "-c", script)
    shutil.rmtree(folder)
    assert not (inside / "mine").exists()
    stacks = rows(
        trace,
        "SELECT list(symbol ORDER BY depth)[2:3] FROM frames WHERE stack_id IN "
        "(SELECT stack_id FROM syscalls WHERE path = '/nonexistent/own') GROUP BY stack_id",
    )
    assert len(stacks) == 3
    assert {tuple(stack) for (stack,) in stacks} == {("own_inner", "main")}


# The helper that opens files below another root does not always find the program in time.
def test_a_changed_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    build(WORKLOADS / "opener.c", root / "opener", ["-O2", "-static", "-ldl"])
    trace = recorded_while_it_waits(tmp_path / "t.bpfrec", "opener", "chroot", root, "/opener", "-w")
    shutil.rmtree(root)
    assert names(trace, "/nonexistent/own")[1:3] == ["own_inner", "main"]
    assert rows(trace, "SELECT DISTINCT module FROM frames WHERE symbol = 'own_inner'") != []


def test_an_overlay(folder: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    script = (
        f"mount -t tmpfs none {base} && cd {base} && mkdir lower upper work merged && cp {folder}/opener lower/ && "
        "mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged || exit 9; "
        "merged/opener; read line"
    )
    if "overlay" not in Path("/proc/filesystems").read_text():
        cannot_run("this kernel has no overlay file system")
    recorded_while_it_waits(tmp_path / "t.bpfrec", "opener", "unshare", "-m", "sh", "-c", script)
    assert names(tmp_path / "t.bpfrec", "/nonexistent/own")[1:3] == ["own_inner", "main"]


def test_a_program_without_a_name(folder: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; fd = os.memfd_create('mine'); os.write(fd, open(sys.argv[1], 'rb').read()); "
        "os.waitpid(pid, 0) if (pid := os.fork()) else os.execve(fd, ['mine', '-w'], {})"
    )
    trace = recorded_while_it_waits(tmp_path / "t.bpfrec", "memfd:mine", sys.executable, "-c", code, folder / "opener")
    shutil.rmtree(folder)
    assert names(trace, "/nonexistent/own")[1:3] == ["own_inner", "main"]


def test_a_deleted_program(folder: Path, tmp_path: Path) -> None:
    script = f"cp {folder}/opener {folder}/x; {folder}/x; read line; rm {folder}/x"
    trace = recorded_while_it_waits(tmp_path / "t.bpfrec", "x", "sh", "-c", script)
    assert names(trace, "/nonexistent/own")[1:3] == ["own_inner", "main"]


def test_jit_code_has_the_name_of_its_time(programs: Callable[..., Path], tmp_path: Path) -> None:
    workload = Waiting([programs("rejit"), "100"])
    recorder = Recorder(tmp_path / "t.bpfrec", "-vv", "-p", str(workload.pid))
    size = 0
    for _ in range(6):
        print("go", file=workload.process.stdin, flush=True)
        assert line_of(workload.process.stdout) == "done"
        size, before = Path(f"/tmp/perf-{workload.pid}.map").stat().st_size, size
        assert size > before
        recorder.wait_for(rf"perf-{workload.pid}\.map has {size} bytes")
    workload.go()
    recorder.wait()
    found = rows(
        recorder.output,
        "SELECT path, symbol, line, count(*) FROM syscalls JOIN frames USING (stack_id) "
        "WHERE depth = 0 AND path LIKE '/nonexistent/%' AND symbol IS NOT NULL GROUP BY ALL ORDER BY line",
    )
    # Where a line was written about when the call was made, its frame has no name, and never another's.
    assert [row[:3] for row in found] == [
        (f"/nonexistent/{name}", f"JS:~{name} /app/x.js:{line}:1", line)
        for line, name in enumerate(("first", "second", "third"), 1)
    ]
    assert all(int(str(count)) >= 100 for *_, count in found)


@pytest.mark.parametrize("kind", ["sparse", "garbage"])
def test_an_absurd_perf_map(programs: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    workload = Waiting([programs("jitted")])
    path = Path(f"/tmp/perf-{workload.pid}.map")
    with path.open("r+b") as file:
        good = file.read()
        file.seek(0)
        if kind == "sparse":
            file.truncate(2 << 30)
        file.write(good + (b"" if kind == "sparse" else os.urandom(4 << 20) + b"\n" + good))
    recorder = Recorder(tmp_path / "t.bpfrec", "-p", str(workload.pid))
    workload.go()
    said = recorder.wait()
    assert names(recorder.output, "/nonexistent/jitted")[:2] == [
        "JS:~readConfiguration /app/config.js:12:34",
        "call_it",
    ]
    losses = rows(recorder.output, "SELECT kind, severity, count FROM losses")
    assert losses == ([("perf-map-cut", "notice", 1)] if kind == "sparse" else [])
    assert ("perf-map-cut" in said) == (kind == "sparse")


def test_saved_binaries_are_in_the_file(folder: Path, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "t.bpfrec", folder / "opener", folder / "a.so", options=("--save-binaries",))
    saved = rows(trace, "SELECT path, sha256 FROM binaries WHERE status IS NULL")
    content = (folder / "a.so").read_bytes()
    assert {Path(str(path)).name for path, _ in saved} >= {"opener", "a.so", "libc.so.6"}
    parts = rows(
        trace,
        "SELECT bytes FROM binary_parts WHERE binary_id IN (SELECT binary_id FROM binaries WHERE path LIKE '%/a.so')",
    )
    assert b"".join(part for (part,) in parts) == content  # type: ignore[misc]
    shutil.rmtree(folder)
    assert stack(trace, "/nonexistent/own")[1] == ("own_inner", "opener.c", OWN_LINE)
    assert rows(trace, "SELECT kind FROM losses") == []
