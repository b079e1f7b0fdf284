"""bpf/compilation.py: a program comes out of the cache or from a child, and a child that fails says why."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from bpfrec.bpf import compilation
from bpfrec.bpf.compilation import Compilation
from bpfrec.bpf.compiled import CompiledProgram
from bpfrec.bpf.defines import Defines
from bpfrec.bpf.program_cache import ProgramCache
from bpfrec.formats.errors import BpfrecError

FLAGS = Defines(["ANSWER=42"], knows_ends=True, reports_births=True)
PROGRAM = CompiledProgram((), {"on_it": bytes(8)}, "GPL")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bcc whose compiler makes PROGRAM."""
    path = tmp_path / "libbcc.so"
    path.touch()
    bcc = type("Bcc", (), {"libbcc": type("Libbcc", (), {"lib": None})})
    monkeypatch.setattr(compilation, "load_bcc", lambda: bcc)
    monkeypatch.setattr(compilation, "compile_program", lambda *_, **__: type("Bpf", (), {"module": 1}))
    monkeypatch.setattr(compilation, "read_compiled", lambda *_: PROGRAM)
    monkeypatch.setattr(compilation, "_library", lambda: str(path))
    return path


def refuse(*_: object, **__: object) -> None:
    raise BpfrecError("it does not compile", "Mend it.")


def break_down(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("library")
def test_the_second_time_nothing_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ProgramCache(tmp_path / "cache", os.geteuid())
    first = Compilation(FLAGS, cache)
    assert not first.is_kept
    assert first.result() == PROGRAM
    monkeypatch.setattr(compilation, "compile_program", refuse)
    second = Compilation(FLAGS, cache)
    assert second.is_kept
    assert second.result() == PROGRAM
    with pytest.raises(BpfrecError, match="does not compile"):
        second.anew()


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("cpus", "compiled"), [({3}, ["on_all"]), ({3, 5}, ["on_calls", "on_rest"])])
def test_two_cpus_compile_half_each(monkeypatch: pytest.MonkeyPatch, cpus: set[int], compiled: list[str]) -> None:
    names = {compilation.HALVES[0]: "on_calls", compilation.HALVES[1]: "on_rest", "ANSWER=42": "on_all"}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cpus)
    monkeypatch.setattr(compilation, "compile_program", lambda _, flags, **__: type("Bpf", (), {"module": flags[-1]}))
    monkeypatch.setattr(
        compilation, "read_compiled", lambda _, module: CompiledProgram((), {names[module]: bytes(8)}, "GPL")
    )
    assert sorted(Compilation(FLAGS, ProgramCache(None)).result().functions) == compiled


@pytest.mark.usefixtures("library")
def test_a_half_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bpf = type("Bpf", (), {"module": 1})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    for failing in compilation.HALVES:
        monkeypatch.setattr(
            compilation, "compile_program", lambda _, flags, bad=failing, **__: refuse() if flags[-1] == bad else bpf
        )
        with pytest.raises(BpfrecError, match="does not compile"):
            Compilation(FLAGS, ProgramCache(None)).result()


@pytest.mark.usefixtures("library")
def test_what_the_kernel_refuses_is_compiled_thoroughly_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = tmp_path / "ways"

    def compile_so(_bcc: object, _flags: list[str], *, is_thorough: bool) -> object:
        with ways.open("a") as file:
            file.write("thorough " if is_thorough else "quick ")
        return type("Bpf", (), {"module": 1})

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    monkeypatch.setattr(compilation, "compile_program", compile_so)
    cache = ProgramCache(tmp_path / "cache", os.geteuid())
    Compilation(FLAGS, cache).result()
    kept = Compilation(FLAGS, cache)
    assert kept.is_kept
    assert [kept.result(), kept.anew(), kept.anew(), kept.anew()] == [PROGRAM, PROGRAM, PROGRAM, None]
    assert ways.read_text().split() == ["quick", "quick", "thorough"]


@pytest.mark.usefixtures("library")
def test_other_defines_sources_and_compilers_are_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ProgramCache(tmp_path / "cache", os.geteuid())
    assert Compilation(FLAGS, cache).result() == PROGRAM
    other = Compilation(Defines(["ANSWER=43"], knows_ends=True, reports_births=True), cache)
    other.close()
    assert not other.is_kept
    for name, changed in (("_VERSION", 0), ("bcc_identity", lambda: "another"), ("PROGRAMS", tmp_path)):
        with monkeypatch.context() as changing:
            changing.setattr(compilation, name, changed)
            one = Compilation(FLAGS, cache)
            one.close()
            assert not one.is_kept, f"{name} makes no difference"
    assert Compilation(FLAGS, cache).is_kept


@pytest.mark.usefixtures("library")
def test_a_compiler_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "compile_program", refuse)
    with pytest.raises(BpfrecError, match="does not compile") as caught:
        Compilation(FLAGS, ProgramCache(None)).result()
    assert caught.value.hint == "Mend it."


@pytest.mark.usefixtures("library")
def test_a_compiler_that_is_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "compile_program", break_down)
    with pytest.raises(BpfrecError, match="killed by SIGKILL"):
        Compilation(FLAGS, ProgramCache(None)).result()


@pytest.mark.usefixtures("library")
def test_a_compiler_that_nobody_waits_for_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "compile_program", lambda *_, **__: signal.pause())
    waiting = Compilation(FLAGS, ProgramCache(None))
    child = waiting._child
    assert child is not None
    waiting.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child._pid, 0)


def test_the_key_is_of_all_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shim").mkdir()
    header = tmp_path / "shim" / "one.h"
    header.write_text("a")
    (tmp_path / "two.c").write_text("b")
    monkeypatch.setattr(compilation, "PROGRAMS", tmp_path)
    before = compilation._key([])
    assert compilation._key([]) == before
    header.write_text("c")
    assert compilation._key([]) != before
    assert compilation._key(["a", "b"]) != compilation._key(["ab"])
