"""Finishing in a process of its own, which has given up all rights that it does not need.

What recorded processes chose is read there: what they mapped, their perf maps, the memory that calls point at. Only
debug files are opened by the recorder, for their users' folders may be closed to others.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from bpfrec.bpf import child_process
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.typed_json import from_json, from_plain, to_json
from bpfrec.record.confinement.confine import confine
from bpfrec.record.confinement.identity import Identity, Unchanged
from bpfrec.record.finish.call_parts import Converted
from bpfrec.record.finish.finish import Finished, finish
from bpfrec.record.finish.priority import raise_priority
from bpfrec.record.processes.procfs import Reader
from bpfrec.record.request import Request
from bpfrec.record.session.output import Output
from bpfrec.record.session.recorded import Recorded
from bpfrec.record.session.signals import ENDING
from bpfrec.record.session.sudo_user import User
from bpfrec.record.stacks.modules import Modules

_log = logging.getLogger(__name__)

_NAME = "bpfrec-finish"
_BLOCKED = (*ENDING, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP)
_BLOCK = 1 << 16
_LONGEST_ANSWER = 1 << 28
_REPORT_SECONDS = 0.05
_ELF = b"\x7fELF"


@dataclass(frozen=True)
class _Loss:
    """A row of ``losses``."""

    kind: str
    severity: str
    count: int
    remedy: str
    cpu: int | None = None
    ts_ns: int | None = None
    until_ns: int | None = None
    pid: int | None = None
    tid: int | None = None


@dataclass(frozen=True)
class _Done:
    """Members as those of :class:`.Finished`; ``name``: of the file."""

    calls: int
    samples: int
    processes: int
    lost: int
    name: str
    size: int
    losses: list[_Loss]


@dataclass(frozen=True)
class _Failed:
    """``number``: of an OSError; None: it was none. ``may_not_begin``: the process could not give its rights up."""

    message: str
    hint: str = ""
    number: int | None = None
    may_not_begin: bool = False


@dataclass(frozen=True)
class _Wanted:
    """A debug file, to be opened as ``user``."""

    path: str
    user: Reader | None


class _CannotBeginError(Exception):
    """The process cannot be who it was to become."""


def finish_apart(
    request: Request,
    recorded: Recorded,
    output: Output,
    user: User | None,
    report: Callable[[float], None],
    converted: Callable[[], Converted | None] | None,
    identity: Identity | Unchanged,
    *,
    first: Callable[[], None] = lambda: None,
    urgent: int | None = None,
) -> Finished:
    """Does what :func:`.finish` does, in a process that works as ``identity`` and may do nothing else.

    Where it cannot become that, it stays who it is. It does ``first`` before all else. ``urgent``: a descriptor that
    can be read when a process of the lowest priority is to get a normal one. Disk errors come as OSError.

    Raises:
        BpfrecError: the process failed, or was killed.
    """

    def work(answers: int, questions: socket.socket, who: Identity | Unchanged) -> None:
        def answer(kind: str, value: object) -> None:
            _write(answers, f'{{"{kind}":{to_json(value)}}}\n'.encode())

        try:
            _prepare(recorded.tracker.modules, recorded, output, questions, who)
            first()
            done = finish(request, recorded, output, user, _seldom(lambda share: answer("share", share)), converted)
            losses = [_Loss(**row) for row in done.losses]
            kept = (done.calls, done.samples, done.processes, done.lost, done.file.name, done.size, losses)
            answer("done", _Done(*kept))
        except _CannotBeginError as error:
            answer("failed", _Failed(str(error), may_not_begin=True))
        except OSError as error:
            _log.info("finishing failed", exc_info=True)
            answer("failed", _Failed(error.strerror or str(error), number=error.errno or 0))
        except BpfrecError as error:
            answer("failed", _Failed(error.message, error.hint))
        except Exception as error:
            _log.info("finishing failed", exc_info=True)
            answer("failed", _Failed(f"the trace cannot be made: {type(error).__name__}: {error}", _REPORT_IT))

    made = _run(work, recorded.tracker.modules, report, identity, urgent)
    if isinstance(made, _Failed) and made.may_not_begin:
        _log.info("%s", made.message)
        made = _run(work, recorded.tracker.modules, report, Unchanged(made.message), urgent)
    if isinstance(made, _Failed):
        _fail(made)
    if "/" in made.name or made.name.startswith("."):
        raise BpfrecError(f"{made.name!r} is not the name of a trace", _REPORT_IT)
    losses = [asdict(loss) for loss in made.losses]
    file = output.folder / made.name
    return Finished(made.calls, made.samples, made.processes, made.lost, file, made.size, losses)


_REPORT_IT = "Please report this, with the output of: bpfrec -v record ..."
_Work = Callable[[int, socket.socket, Identity | Unchanged], None]


def _run(
    work: _Work,
    modules: Modules,
    report: Callable[[float], None],
    identity: Identity | Unchanged,
    urgent: int | None,
) -> _Done | _Failed:
    """Has ``work`` done in a process, and answers its questions; what it made."""
    answers, its_answers = os.pipe()
    questions, its_questions = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with questions, its_questions:

        def apart() -> None:
            os.close(answers)
            questions.close()
            work(its_answers, its_questions, identity)

        pid = child_process.start(apart, _BLOCKED, _NAME)
        status = None
        try:
            os.close(its_answers)
            its_questions.close()
            last = _attend(answers, questions, modules, report, None if urgent is None else (urgent, pid))
            status = child_process.reap(pid)
            pid = 0
        finally:
            os.close(answers)
            if pid:
                child_process.kill(pid)
    if last is None:
        ended = "" if status is None or not os.WIFSIGNALED(status) else f" by {_signal(os.WTERMSIG(status))}"
        return _Failed(
            f"the process that makes the trace was ended{ended}",
            "The kernel's log says why, if it ran out of memory: dmesg",
        )
    return last


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _attend(
    answers: int,
    questions: socket.socket,
    modules: Modules,
    report: Callable[[float], None],
    urgent: tuple[int, int] | None = None,
) -> _Done | _Failed | None:
    """Attends to a process until it closes its end; what it said last of its work.

    ``urgent``: a descriptor, and the process that gets normal priority when it can be read.
    """
    waiting = b""
    made: _Done | _Failed | None = None
    poll = select.poll()
    poll.register(answers, select.POLLIN)
    poll.register(questions, select.POLLIN)
    if urgent is not None:
        poll.register(urgent[0], select.POLLIN)
    while True:
        for number, _ in poll.poll():
            if urgent is not None and number == urgent[0]:
                poll.unregister(number)
                raise_priority(urgent[1])
                continue
            if number != answers:
                if not _serve(questions, modules):
                    poll.unregister(questions)
                continue
            block = os.read(answers, _BLOCK)
            *lines, waiting = (waiting + block).split(b"\n")
            for line in lines:
                made = _understood(line, report) or made
            if not block or len(waiting) > _LONGEST_ANSWER:
                return made


def _understood(line: bytes, report: Callable[[float], None]) -> _Done | _Failed | None:
    """What a line says: it comes from a process that a recorded one may have taken over."""
    try:
        (kind, raw), *_ = json.loads(line).items()
        if kind == "share":
            report(from_plain(float, raw))
        elif kind == "done":
            return from_plain(_Done, raw)
        elif kind == "failed":
            return from_plain(_Failed, raw)
    except (ValueError, AttributeError, RecursionError) as error:
        _log.info("an answer that cannot be understood: %s", error)
    return None


def _serve(questions: socket.socket, modules: Modules) -> bool:
    """Opens the debug file that is asked for, if it can be one; False: nobody asks any more."""
    message = questions.recv(_BLOCK)
    if not message:
        return False
    file = None
    with suppress(ValueError):
        wanted = from_json(_Wanted, message)
        path = Path(wanted.path)
        if modules.may_be_debug(path, wanted.user):
            file = modules.open_debug_file(path, wanted.user)
    with suppress(OSError):
        # What is no ELF file is nobody's symbols, and may be anybody's secret.
        is_elf = file is not None and os.pread(file.fileno(), len(_ELF), 0) == _ELF
        socket.send_fds(questions, [b"1" if is_elf else b"0"], [file.fileno()] if file is not None and is_elf else [])
    if file is not None:
        file.close()
    return True


def _prepare(
    modules: Modules, recorded: Recorded, output: Output, questions: socket.socket, identity: Identity | Unchanged
) -> None:
    """Makes this process one that may do its work and nothing else.

    Raises:
        _CannotBeginError: it cannot.
    """
    # They are root, and do what they are told.
    modules.helpers.leave()
    recorded.tracker.perf_maps.leave_helpers()
    modules.open_debug = lambda path, user: _ask(questions, path, user)
    folders = [output.descriptor]
    try:
        if output.spools is not None:
            folders.append(os.open(output.spools, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        confine(identity, folders)
        for spool in (output.spools or output.folder).glob("*.spool"):
            spool.open("rb").close()
        trial = output.folder / "trial"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise _CannotBeginError(f"a process as {identity} cannot make the trace: {error}") from None


def _ask(questions: socket.socket, path: Path, user: Reader | None) -> BinaryIO | None:
    """Has the recorder open a debug file."""
    descriptors: list[int] = []
    with suppress(OSError):
        questions.send(to_json(_Wanted(str(path), user)).encode())
        _, descriptors, *_ = socket.recv_fds(questions, 1, 1)
    return os.fdopen(descriptors[0], "rb") if descriptors else None


def _seldom(report: Callable[[float], None]) -> Callable[[float], None]:
    """``report``, but at most twenty times a second."""
    last = 0.0

    def told(share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _REPORT_SECONDS:
            last = now
            report(share)

    return told


def _write(descriptor: int, line: bytes) -> None:
    left = memoryview(line)
    while left:
        left = left[os.write(descriptor, left) :]


def _fail(made: _Failed) -> NoReturn:
    if made.number is not None:
        raise OSError(made.number, made.message)
    raise BpfrecError(made.message, made.hint)
