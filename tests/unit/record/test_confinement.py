"""record/confinement: a process that reads hostile bytes can do its work, and nothing else."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bpfrec.bpf import child_process
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.confinement.confine import confine
from bpfrec.record.confinement.identity import PRIVATE_GROUPS, Identity, Unchanged, identity_for
from bpfrec.record.confinement.seccomp import DENIED
from bpfrec.record.session.output import Output, prepare

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
SOMEBODY = PRIVATE_GROUPS[1234]
libc = ctypes.CDLL(None, use_errno=True)
# Somebody else may not be able to read this Python: what is needed later is read now.
NUMBERS = {name: call.numbers["x86_64"] for name, call in syscalls().items() if "x86_64" in call.numbers}


def said_by(output: Output, identity: Identity | Unchanged, work: Callable[[], object]) -> str:
    """What ``work`` gave or raised in a confined process."""
    reading, writing = os.pipe()

    def apart() -> None:
        confine(identity, [output.descriptor])
        try:
            said = repr(work())
        except OSError as error:
            said = errno.errorcode[error.errno or 0]
        os.write(writing, said.encode())

    pid = child_process.start(apart, ())
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    child_process.reap(pid)
    return said


@pytest.fixture(params=["unchanged", pytest.param("another", marks=needs_root)])
def identity(request: pytest.FixtureRequest) -> Identity | Unchanged:
    return Identity(SOMEBODY, SOMEBODY, ()) if request.param == "another" else Unchanged("a test")


@pytest.fixture
def output(tmp_path: Path, identity: Identity | Unchanged) -> Output:
    made = prepare(tmp_path / "t.bpfrec", force=False)
    if isinstance(identity, Identity):
        made.open_to(identity.gid)
    return made


def started_thread() -> str:
    done: list[int] = []
    thread = threading.Thread(target=done.append, args=(1,))
    thread.start()
    thread.join()
    return str(done)


def test_it_can_work_in_its_folder(output: Output, identity: Identity | Unchanged) -> None:
    def work() -> str:
        made = output.folder / "made"
        made.write_text("here")
        made.rename(output.folder / "renamed")
        return f"{(output.folder / 'renamed').read_text()} {started_thread()} {sorted(os.listdir(output.folder))}"  # noqa: PTH208

    assert said_by(output, identity, work) == repr("here [1] ['renamed']")
    (output.folder / "renamed").unlink()
    output.close()


def test_it_can_do_nothing_else(output: Output, identity: Identity | Unchanged, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("unharmed")
    victim.chmod(0o666)
    tmp_path.chmod(0o777)
    terminal = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    tried: dict[str, Callable[[], object]] = {
        "write": lambda: victim.open("r+"),
        "remove": victim.unlink,
        "make": (tmp_path / "new").touch,
        "move out": lambda: Path("/proc/self/status").rename(tmp_path / "moved"),
        "link": lambda: os.link(victim, output.folder / "linked"),
        "symlink": lambda: (output.folder / "linked").symlink_to(victim),
        "execute": lambda: os.execv("/bin/true", ["true"]),
        "fork": os.fork,
        "connect": lambda: socket.socket(socket.AF_UNIX),
        "signal": lambda: os.kill(os.getppid(), signal.SIGTERM),
        "type": lambda: fcntl.ioctl(terminal, 0x5412, b"x"),
        "become root": lambda: os.setuid(0) if os.getuid() else os.setuid(1),
    }
    said = {name: said_by(output, identity, work) for name, work in tried.items()}
    allowed = {"EPERM", "EACCES", "EXDEV"}
    assert {name: text for name, text in said.items() if text not in allowed} == {}
    assert victim.read_text() == "unharmed"
    os.close(terminal)
    output.close()


def test_every_denied_call_is_refused(output: Output, identity: Identity | Unchanged) -> None:
    numbers = {name: NUMBERS[name] for name in DENIED if name in NUMBERS}

    def work() -> list[str]:
        refused = {name for name, number in numbers.items() if _error(number) == errno.EPERM}
        return sorted(numbers.keys() - refused)

    assert len(numbers) > 70
    assert said_by(output, identity, work) == "[]"
    output.close()


def _error(number: int) -> int:
    return ctypes.get_errno() if libc.syscall(number, -1, -1, -1, -1, -1, -1) < 0 else 0


def test_it_has_no_rights_and_nobody_looks_into_it(output: Output, identity: Identity | Unchanged) -> None:
    def work() -> dict[str, str]:
        lines = (line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        fields = {name: value.strip() for name, value in lines}
        wanted = ("Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp")
        return {name: fields[name] for name in wanted} | {"dumpable": str(libc.prctl(3, 0, 0, 0, 0))}

    said = said_by(output, identity, work)
    uid = SOMEBODY if isinstance(identity, Identity) else os.getuid()
    ids = "\\t".join([str(uid)] * 4)
    for expected in (
        f"'Uid': '{ids}'",
        "'NoNewPrivs': '1'",
        "'Seccomp': '2'",
    ):
        assert expected in said
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert f"'{name}': '{'0' * 16}'" in said or (name == "CapPrm" and "'Groups'" not in said)
    assert "'dumpable': '0'" in said
    if isinstance(identity, Identity):
        assert "'Groups': ''" in said
    output.close()


@needs_root
def test_root_that_stays_root_reads_only_what_bpfrec_is_made_of(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's own")
    with prepare(tmp_path / "t.bpfrec", force=False) as output:
        assert said_by(output, Unchanged("a test"), secret.read_text) == "EACCES"
        assert said_by(output, Unchanged("a test"), lambda: len(Path(os.__file__).read_bytes()) > 0) == "True"


@needs_root
def test_others_of_the_same_user_cannot_enter_the_working_folder(tmp_path: Path) -> None:
    nobody = 65534
    with prepare(tmp_path / "t.bpfrec", force=False) as output:
        output.open_to(SOMEBODY)
        for parent in (tmp_path, *tmp_path.parents[:2]):
            parent.chmod(parent.stat().st_mode | 0o055)
        place = output.folder.resolve()
        theirs = subprocess.run(
            ["ls", place], user=nobody, group=nobody, extra_groups=[], check=False, capture_output=True, text=True
        )
        assert "Permission denied" in theirs.stderr
        mine = Identity(nobody, SOMEBODY, ())
        assert said_by(output, mine, lambda: sorted(os.listdir(output.folder))) == "[]"  # noqa: PTH208


@needs_root
def test_who_cannot_read_bpfrec_cannot_be_its_helper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    readable = tmp_path / "module.py"
    readable.touch(0o600)
    monkeypatch.setattr("bpfrec.record.confinement.identity.find_spec", lambda _name: FakeSpec(str(readable)))
    said = identity_for((65534, ()))
    assert isinstance(said, Unchanged)
    assert "may not read what bpfrec is made of" in said.why
    monkeypatch.setattr("bpfrec.record.confinement.identity.find_spec", lambda _name: FakeSpec("/proc/version"))
    found = identity_for((65534, (7,)))
    assert isinstance(found, Identity)
    assert (found.uid, found.groups, found.gid in PRIVATE_GROUPS) == (65534, (7,), True)
    alone = identity_for(None)
    assert isinstance(alone, Identity)
    assert alone.uid == alone.gid
    assert os.geteuid() == 0


class FakeSpec:
    """As of importlib, for a module at ``origin``."""

    def __init__(self, origin: str) -> None:
        self.origin = origin


def test_a_root_without_the_capabilities_stays_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpfrec.record.confinement.identity.has_capability", lambda name: name != "CAP_SETUID")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert identity_for(None) == Unchanged("root here lacks CAP_SETUID")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert identity_for(None) == Unchanged("this process is not root")


@pytest.mark.parametrize("lacks", ["landlock", "seccomp"])
def test_what_the_kernel_lacks_is_said_and_costs_nothing(
    lacks: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if lacks == "landlock":
        monkeypatch.setattr("bpfrec.record.confinement.landlock._CREATE", 9999)
        wanted = "this kernel has no Landlock: Function not implemented"
    else:
        monkeypatch.setattr("bpfrec.record.confinement.seccomp._PR_SET_SECCOMP", 9999)
        wanted = "no filter of system calls: Invalid argument"
    told = tmp_path / "told"
    told.touch(0o666)
    with prepare(tmp_path / "t.bpfrec", force=False) as output, told.open("w") as file:

        def work() -> str:
            file.write(caplog.text)
            file.flush()
            return "done"

        with caplog.at_level("INFO"):
            assert said_by(output, Unchanged("a test"), work) == "'done'"
    assert wanted in told.read_text()
