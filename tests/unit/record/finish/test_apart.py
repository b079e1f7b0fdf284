"""record/finish/apart.py: a process without rights makes the same trace, and what it says is not believed blindly."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ring_bytes
from support.recorded_calls import PID, recorded

import bpfrec
from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.confinement.identity import Identity, Unchanged
from bpfrec.record.finish import apart
from bpfrec.record.finish.finish import Finished, finish
from bpfrec.record.processes.procfs import Reader
from bpfrec.record.request import Request
from bpfrec.record.session.output import prepare
from bpfrec.record.session.spools import Spools
from bpfrec.record.stacks.modules import Modules

GETPID = syscalls()["getpid"].numbers["x86_64"]
REQUEST = Request(pids=(PID,))
STAYS = Unchanged("a test")


def made_apart(folder: Path, identity: Identity | Unchanged = STAYS) -> tuple[Finished, list[float], list[Any]]:
    """What a recording of three calls becomes: what was said of it, the shares that were told, its rows."""
    shares: list[float] = []
    with prepare(folder / "t.bpfrec", force=True) as output:
        if isinstance(identity, Identity):
            output.open_to(identity.gid)
        spools = Spools(output)
        recording = recorded(spools, [ring_bytes.call(GETPID, ts=1000 + n, pid=PID, tid=PID) for n in range(3)])
        spools.close()
        done = apart.finish_apart(REQUEST, recording, output, None, shares.append, lambda: None, identity)
        output.publish(done.file)
        left = list(output.folder.glob("trial"))
    with bpfrec.open(folder / "t.bpfrec") as trace:
        return done, shares, [*trace.sql("SELECT syscall, pid FROM syscalls").fetchall(), *left]


def replaced(monkeypatch: pytest.MonkeyPatch, work: Callable[..., object]) -> None:
    monkeypatch.setattr(apart, "finish", work)


def test_the_trace_is_the_same(tmp_path: Path) -> None:
    done, shares, found = made_apart(tmp_path)
    assert found == [("getpid", PID)] * 3
    assert (done.calls, done.processes, done.lost) == (3, 1, 0)
    assert done.size == (tmp_path / "t.bpfrec").stat().st_size
    assert shares
    assert all(0 <= share <= 1 for share in shares)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_cannot_become_somebody_else_makes_the_trace_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_ids: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "setresuid", refuse)
    with caplog.at_level("INFO"):
        assert made_apart(tmp_path, Identity(0x70000123, 0x70000123, ()))[2] == [("getpid", PID)] * 3
    assert "cannot make the trace" in caplog.text


def fail_with(error: BaseException) -> Callable[..., object]:
    def work(*_arguments: object) -> object:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        (BpfrecError("a cause", "a remedy"), BpfrecError),
        (ValueError("a value that nobody thought of"), BpfrecError),
    ],
)
def test_failures_are_those_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: type[Exception]
) -> None:
    replaced(monkeypatch, fail_with(error))
    with pytest.raises(expected) as raised:
        made_apart(tmp_path)
    if isinstance(raised.value, OSError):
        assert raised.value.errno == errno.ENOSPC
    elif isinstance(error, BpfrecError):
        assert str(raised.value) == "a cause\na remedy"
    else:
        assert "ValueError: a value that nobody thought of" in str(raised.value)
        assert "Please report this" in str(raised.value)


def test_a_process_that_is_killed_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As the kernel does where memory is short. A confined process may not send signals to others, but to itself.
    replaced(monkeypatch, lambda *_arguments: signal.raise_signal(signal.SIGKILL))
    with pytest.raises(BpfrecError, match="was ended by SIGKILL"):
        made_apart(tmp_path)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", ".hidden"])
def test_a_name_outside_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    done = {"calls": 1, "samples": 0, "processes": 1, "lost": 0, "name": name, "size": 1, "losses": []}
    monkeypatch.setattr(apart, "_run", lambda *_: apart._understood(json.dumps({"done": done}).encode(), print))
    with pytest.raises(BpfrecError, match="is not the name of a trace"):
        made_apart(tmp_path)


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"{}", b'"x"', b'{"done": 1}', b'{"done": {"calls": "x"}}', b"[" * 100_000, b"\xff", b'{"a":1}'],
)
def test_what_cannot_be_understood_is_no_answer(line: bytes) -> None:
    told: list[float] = []
    assert apart._understood(line, told.append) is None
    assert apart._understood(b'{"share": 0.5}', told.append) is None
    assert told == [0.5]


ME = Reader(os.getuid(), os.getgid(), tuple(os.getgroups()))


@pytest.fixture
def held(tmp_path: Path) -> tuple[Modules, Path]:
    """The modules of a process that mapped a program of the folder ``bin``, and that folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "program"
    program.write_bytes(Path("/proc/self/exe").read_bytes())
    modules = Modules()
    modules.reads_as = ME
    found = program.stat()
    modules.hold(Mapping(0, os.getpid(), 0, 1 << 20, 0, str(program), None, None, found.st_ino))
    return modules, folder


def asked(modules: Modules, path: Path, user: Reader | None) -> bytes | None:
    """The beginning of the file that a confined process gets; None: it gets none."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.send(apart.to_json(apart._Wanted(str(path), user)).encode())
        assert apart._serve(ours, modules)
        _, descriptors, *_ = socket.recv_fds(theirs, 1, 1)
        if not descriptors:
            return None
        with os.fdopen(descriptors[0], "rb") as file:
            return file.read(8)


def test_only_debug_files_of_mapped_programs_are_opened(held: tuple[Modules, Path], tmp_path: Path) -> None:
    modules, folder = held
    for place in (folder / "program.debug", tmp_path / "elsewhere.debug"):
        place.write_bytes(b"\x7fELF....")
        place.chmod(0o600)
    (folder / "secret").write_text("not an ELF file")
    assert asked(modules, folder / "program.debug", ME) == b"\x7fELF...."
    assert asked(modules, tmp_path / "elsewhere.debug", ME) is None
    assert asked(modules, folder / ".." / "elsewhere.debug", ME) is None
    assert asked(modules, folder / "secret", ME) is None
    # Nobody of that name mapped anything.
    assert asked(modules, folder / "program.debug", Reader(ME.uid + 7, 0, ())) is None
    # Without a user, what everybody may read, and this is its owner's alone.
    assert asked(modules, tmp_path / "elsewhere.debug", None) is None
    modules.close()


def test_a_question_that_cannot_be_understood_gets_nothing() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for message in (b"x", b"{}", b'{"path": 1, "user": null}', b'{"path": "a\\u0000b", "user": null}'):
            theirs.send(message)
            assert apart._serve(ours, Modules())
            assert socket.recv_fds(theirs, 1, 1)[:2] == (b"0", [])
        theirs.close()
        assert not apart._serve(ours, Modules())


def test_nothing_is_asked_of_the_helpers_of_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(request: Request, recording: Any, *rest: Any) -> Finished:
        modules = recording.tracker.modules
        helpers = (modules.helpers, recording.tracker.perf_maps._helpers)
        assert [(one.most, one._helpers) for one in helpers] == [(0, []), (0, [])]
        assert modules.open_debug != modules.open_debug_file
        return finish(request, recording, *rest)

    replaced(monkeypatch, work)
    assert made_apart(tmp_path)[2] == [("getpid", PID)] * 3
