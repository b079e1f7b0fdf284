"""record/finish/live_follower.py: what shows calls meanwhile reads traces of segments, and can do nothing else."""

from __future__ import annotations

import errno
import importlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import ring_bytes
from support.forbidden import attempts

import bpfrec
from bpfrec.cli import root
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.manifest import Clock
from bpfrec.record.confinement.identity import PRIVATE_GROUPS, Identity, Unchanged
from bpfrec.record.finish import live_follower
from bpfrec.record.finish.live_follower import LiveFollower, Show
from bpfrec.record.journal import Attached, Mark
from bpfrec.record.processes.found_process import FoundProcess
from bpfrec.record.processes.procfs import ProcessStatus
from bpfrec.record.request import Request
from bpfrec.record.session.output import Output, prepare
from bpfrec.record.session.segments import Segments
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.working_folder import SpoolKind

SAMPLE = Path(__file__).parents[4] / "sample_traces" / "lab1-server.bpfrec"
PID = 100
GETPID = syscalls()["getpid"].numbers["x86_64"]
SOMEBODY = PRIVATE_GROUPS[4321]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(params=["unchanged", pytest.param("another", marks=needs_root)])
def identity(request: pytest.FixtureRequest) -> Identity | Unchanged:
    return Identity(SOMEBODY, SOMEBODY, ()) if request.param == "another" else Unchanged("a test")


@pytest.fixture(scope="module", autouse=True)
def _everything_is_imported() -> None:
    """Somebody else may not be able to read this Python: what is needed later is read now."""
    importlib.import_module("bpfrec.growing_trace")
    importlib.import_module("bpfrec.record.finish.segment_traces")
    with bpfrec.open(SAMPLE) as trace:
        assert trace.report("calls", top=1).rows


def shown_to(show: Show, folder: Path, identity: Identity | Unchanged) -> LiveFollower:
    """Has ``show`` in a follower see a recording of three calls; the follower, which has ended."""
    with prepare(folder / "t.bpfrec", force=True) as output:
        if isinstance(identity, Identity):
            output.open_to(identity.gid)
        follower = LiveFollower(output, show, identity)
        _record(output, follower)
        follower.end()
        follower.wait()
        follower.close()
    return follower


def _record(output: Output, follower: LiveFollower) -> None:
    spools = Spools(output)
    segments = Segments(Request(pids=(PID,), stacks="off"), output, spools, follower.segment_closed)
    status = ProcessStatus(PID, 1, 0, PID)
    segments.journal.write(FoundProcess(status, {PID: "worker"}, set(), [], "/bin/worker", "worker", None))
    segments.attached(Attached(Clock(0, 0, 0), 900, {PID}, False, None, 1 << 18, frozenset({0})), [], 950)
    for number in range(3):
        call = ring_bytes.call(GETPID, ts=1000 + number, pid=PID, tid=PID)
        spools.write(SpoolKind.CALLS, 0, [memoryview(ring_bytes.sample(call))])
    segments.close(Mark(2000, {}, {"sent_syscalls": 3}, [0]), ())
    spools.close()


def told_by(work: Callable[[Iterator[Path]], object]) -> tuple[Show, Callable[[], str]]:
    """A show that tells what ``work`` gave, or the name of its error; and what gets that."""
    reading, writing = os.pipe()

    def show(traces: Iterator[Path]) -> None:
        try:
            said = repr(work(traces))
        except OSError as error:
            said = errno.errorcode[error.errno or 0]
        os.write(writing, said.encode())

    def told() -> str:
        os.close(writing)
        with os.fdopen(reading) as file:
            return file.read()

    return show, told


def test_a_report_is_shown_by_a_process_without_rights(
    tmp_path: Path, identity: Identity | Unchanged, capfd: pytest.CaptureFixture[str]
) -> None:
    record = root.get_command(None, "record")  # type: ignore[arg-type]
    assert record is not None
    context = record.make_context("record", ["--live", "calls", "true"])
    follower = shown_to(context.params["show"], tmp_path, identity)
    shown, said = capfd.readouterr()
    assert shown.count("getpid()") == 3, said
    assert "worker" in shown
    assert not Path(follower._folder.name).exists()


def test_what_shows_calls_can_do_nothing_else(tmp_path: Path, identity: Identity | Unchanged) -> None:
    with attempts(tmp_path) as forbidden:

        def work(traces: Iterator[Path]) -> dict[str, str]:
            trace = next(traces)
            (trace.parent / "own").write_text("here")
            # It reads what is spooled, and changes nothing there.
            spools = Path(f"/proc/self/fd/{_descriptor_of(tmp_path)}")
            for change in ((spools / "new").touch, lambda: (spools / "calls.spool").open("r+b")):
                with pytest.raises(PermissionError):
                    change()
            return forbidden()

        show, told = told_by(work)
        shown_to(show, tmp_path, identity)
    assert told() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == ["victim"]


def test_a_trace_does_not_wait_for_somebody_who_does_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_follower, "_ASLEEP", 0.2)
    began, begin = os.pipe()
    wanted, want = os.pipe()
    seen, see = os.pipe()

    def show(traces: Iterator[Path]) -> None:
        next(traces)
        os.write(begin, b"1")
        # As one that writes into a full pipe.
        os.read(wanted, 1)
        os.write(see, str(1 + sum(1 for _ in traces)).encode())

    with prepare(tmp_path / "t.bpfrec", force=True) as output:
        follower = LiveFollower(output, show, Unchanged("a test"))
        _record(output, follower)
        os.read(began, 1)
        assert not follower.end(), "it still needs the spools"
        assert not follower.wait()
        assert not follower.wait(lambda: True), "the user wants to wait no longer"
        os.write(want, b"1")
        assert follower.wait(lambda: False)
        follower.close()
    assert os.read(seen, 10) == b"2", "when somebody reads, all is shown"
    for descriptor in (began, begin, wanted, want, seen, see):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("end", "told"), [(signal.SIGVTALRM, ["SIGVTALRM"]), ("fail", ["BPFREC_LOG=debug"]), ("stop", [])]
)
def test_who_shows_calls_may_end_early(tmp_path: Path, end: signal.Signals | str, told: list[str]) -> None:
    said: list[str] = []

    def show(traces: Iterator[Path]) -> None:
        next(traces)
        if isinstance(end, signal.Signals):
            signal.raise_signal(end)
        elif end == "fail":
            raise ValueError("nobody thought of that")

    with prepare(tmp_path / "t.bpfrec", force=True) as output:
        follower = LiveFollower(output, show, Unchanged("a test"))
        follower.say = said.append
        _record(output, follower)
        assert follower.end()
        assert follower.wait()
        follower.segment_closed(Mark(3000, {}, {}, [0]))
        follower.close()
    assert [any(word in text for text in said) for word in told] == [True] * len(told)
    assert len(said) == len(told), said


def _descriptor_of(parent: Path) -> int:
    """The descriptor of this process that is of the working folder in ``parent``."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - they are numbers
        try:
            place = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - of a descriptor
        except OSError:
            continue
        if place.startswith(f"{parent}/."):
            return int(name)
    raise AssertionError("it has no working folder")
