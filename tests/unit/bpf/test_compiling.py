"""bpf/compiling.py: which headers bcc is given, and that it never falls back to what it does as root without any."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bpfrec.bpf import compiling
from bpfrec.formats.errors import BpfrecError

VARIABLE = "BCC_KERNEL_SOURCE"


class FakeBcc:
    """A bcc that refuses the first ``refusals`` programs; ``headers``: the folder that each was compiled with."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.headers = refusals, list[str | None]()

    def BPF(self, text: bytes, cflags: list[str]) -> object:  # noqa: N802 - bcc's name
        assert b"on_sys_enter" in text
        assert "-DANSWER=42" in cflags
        self.headers.append(os.environ.get(VARIABLE))
        if len(self.headers) <= self.refusals:
            os.write(2, b"recorder.c:1: error: no such thing\n")
            raise Exception("Failed to compile")
        return self


def compiled(bcc: Any) -> object:
    return compiling.compile_program(bcc, ["ANSWER=42"])


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder /lib/modules/RELEASE of a system on which nothing is installed."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(compiling, "_MODULES", tmp_path)
    folder = tmp_path / os.uname().release
    folder.mkdir()
    return folder


def install(folder: Path) -> Path:
    (folder / "include" / "linux").mkdir(parents=True)
    (folder / "include" / "linux" / "kconfig.h").touch()
    return folder


def test_own_headers_come_first_and_the_environment_stays(kernel: Path) -> None:
    install(kernel / "build")
    bcc = FakeBcc(refusals=0)
    assert compiled(bcc) is bcc
    [headers] = bcc.headers
    assert str(headers).endswith("programs/shim")
    assert VARIABLE not in os.environ


def test_without_installed_headers_there_is_one_attempt(kernel: Path) -> None:
    bcc = FakeBcc(refusals=9)
    with pytest.raises(BpfrecError, match="no such thing"):
        compiled(bcc)
    assert len(bcc.headers) == 1, "bcc would load a module and remove folders in /tmp by a shell, as root"
    (kernel / "build").mkdir()
    with pytest.raises(BpfrecError):
        compiled(bcc)
    assert len(bcc.headers) == 2, "a folder that is left over from headers is none with headers"


def test_installed_headers_are_the_second_attempt(
    kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(kernel / "build")
    bcc = FakeBcc(refusals=1)
    assert compiled(bcc) is bcc
    assert bcc.headers[1] is None, "bcc finds them itself"
    monkeypatch.setenv(VARIABLE, str(install(tmp_path / "mine")))
    named = FakeBcc(refusals=1)
    compiled(named)
    assert named.headers[1] == str(tmp_path / "mine")
    assert os.environ[VARIABLE] == str(tmp_path / "mine")


def test_headers_that_are_not_where_bcc_looks_do_not_count(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(kernel / "build")
    (kernel / "source").mkdir()
    bcc = FakeBcc(refusals=9)
    with pytest.raises(BpfrecError):
        compiled(bcc)
    (kernel / "source").rmdir()
    monkeypatch.setenv("BCC_KERNEL_MODULES_SUFFIX", "other")
    with pytest.raises(BpfrecError):
        compiled(bcc)
    assert len(bcc.headers) == 2


def test_a_bcc_that_takes_no_such_arguments_says_so(kernel: Path) -> None:
    class Other:
        def BPF(self, source: str) -> None:  # noqa: N802 - bcc's name
            raise AssertionError(source)

    assert kernel.is_dir()
    with pytest.raises(BpfrecError, match="unexpected keyword argument"):
        compiled(Other())
