"""How a recording starts: out of the cache as by the compiler, and again where the kernel refuses what was kept."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.live import record_command, rows

from bpfrec.bpf import compilation
from bpfrec.bpf.compilation import Compilation
from bpfrec.bpf.compiled import CompiledProgram
from bpfrec.bpf.defines import defines_of
from bpfrec.bpf.kernel_facts import read_kernel_facts
from bpfrec.bpf.program import RecorderProgram
from bpfrec.bpf.program_cache import VARIABLE, Origin, ProgramCache
from bpfrec.bpf.selection import Selection

FOUND, COMPILED = "found the compiled program", "compiled in"


def spoilt(program: CompiledProgram) -> CompiledProgram:
    """The program with a function that ends without a result, which the verifier does not allow."""
    return replace(program, functions={**program.functions, "on_sys_exit": bytes([0x95]) + bytes(7)})


def started(folder: Path, *options: str) -> tuple[str, list[tuple[object, ...]]]:
    """What a recording of ``ls /`` said, and the calls in it."""
    trace = folder / "trace.bpfrec"
    done = record_command(trace, "/bin/ls", "/", options=("-v", "--force", *options))
    assert done.returncode == 0, done.stderr
    calls = rows(trace, "SELECT syscall, count(*), count(stack_id) FROM syscalls GROUP BY ALL ORDER BY ALL")
    return done.stderr, calls


def test_a_program_out_of_the_cache_records_as_one_that_was_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    first, calls = started(tmp_path)
    assert COMPILED in first
    assert len(calls) > 10
    again, same = started(tmp_path)
    assert FOUND in again
    assert COMPILED not in again
    assert same == calls
    for kept in (tmp_path / "cache").iterdir():
        kept.write_bytes(kept.read_bytes()[:-100])
    damaged, same = started(tmp_path)
    assert COMPILED in damaged
    assert same == calls
    assert COMPILED in started(tmp_path, "--stacks", "off")[0], "other options are another program"
    monkeypatch.setenv(VARIABLE, "off")
    assert COMPILED in started(tmp_path)[0]


def test_another_process_is_no_other_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    said = []
    for number in range(2):
        with subprocess.Popen(["/bin/sleep", "60"]) as one, subprocess.Popen(["/bin/sleep", "60"]) as other:
            trace = tmp_path / f"{number}.bpfrec"
            command = [
                sys.executable,
                "-m",
                "bpfrec",
                "-v",
                "record",
                "-p",
                str(one.pid),
                "-d",
                "0.3",
                "-o",
                str(trace),
            ]
            done = subprocess.run(
                [*command, "--stacks", "off"], capture_output=True, text=True, timeout=120, check=False
            )
            one.kill()
            other.kill()
        assert done.returncode == 0, done.stderr
        said.append(done.stderr)
        assert rows(trace, "SELECT DISTINCT pid FROM syscalls") == [(one.pid,)]
    assert COMPILED in said[0]
    assert FOUND in said[1]


def test_what_was_compiled_in_a_hurry_and_is_refused_is_compiled_thoroughly() -> None:
    selection = Selection(tgids=frozenset({os.getpid()}), stacks="off")
    hurried = Compilation(defines_of(selection, read_kernel_facts()), ProgramCache(None))
    hurried._found = spoilt(hurried.result())
    program = RecorderProgram(selection, hurried)
    try:
        assert "on_sys_exit" in program.wait()
        assert hurried.anew() is None, "there is no third way"
    finally:
        program.close()


def test_what_the_kernel_refuses_is_compiled_anew(tmp_path: Path) -> None:
    cache = ProgramCache(tmp_path / "cache", os.geteuid())
    selection = Selection(tgids=frozenset({os.getpid()}), stacks="off")
    defines = defines_of(selection, read_kernel_facts())
    good = Compilation(defines, cache).result()
    cache.put(compilation._key(defines.flags), spoilt(good), Origin.of("/proc/self/exe"))
    kept = Compilation(defines, cache)
    assert kept.is_kept
    program = RecorderProgram(selection, kept)
    try:
        assert "on_sys_exit" in program.wait()
        assert not kept.is_kept
    finally:
        program.close()
