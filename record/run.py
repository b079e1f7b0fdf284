"""``bpfrec record`` from the request to the exit status: prepare the output, record, finish, sum up."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bpfrec.bpf.compilation import Compilation
from bpfrec.bpf.permission import lacking_for_others
from bpfrec.bpf.program import RecorderProgram, start_compiling
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.imports import uncollected
from bpfrec.record.confinement.identity import Identity, Unchanged
from bpfrec.record.display import Display
from bpfrec.record.finish.live_converter import LiveConverter
from bpfrec.record.finish.live_follower import LiveFollower, Show
from bpfrec.record.request import Request
from bpfrec.record.session.command import Command
from bpfrec.record.session.output import Output, prepare
from bpfrec.record.session.signals import StopSignals
from bpfrec.record.session.sudo_user import User, user_behind_sudo
from bpfrec.record.session.triggers import Triggers
from bpfrec.record.session.unprivileged import unprivileged

if TYPE_CHECKING:
    from bpfrec.record.finish.finish import Finished
    from bpfrec.record.session.participants import Helper
    from bpfrec.record.session.recorded import Recorded
    from bpfrec.record.windows import WindowWriter

_log = logging.getLogger(__name__)

# Slow imports. Recording waits for those of the first line; the last, and pyarrow with it, a start should not have.
_SESSION, _LEARNER = "bpfrec.record.session.session", "bpfrec.record.stacks.stack_learner"
_FINISH = "bpfrec.record.finish.apart"
_MOMENT = 1.0
# Seconds that a command has to end when its recording is over before it is.
_PATIENCE = 5.0
_INTERRUPTED = 130
_WARNING = "bpfrec: the trace is being written; the next signal gives it up"
_REMEDIES = {
    errno.ENOSPC: "Make room there, or name another file with -o.",
    errno.EDQUOT: "Make room there, or name another file with -o.",
    errno.EMFILE: "Permit more open files: ulimit -n 65536",
}


def run(request: Request, show: Show | None = None) -> int:
    """Records and writes the trace. Returns the exit status: 0, or that of the recorded command.

    ``show``: shows calls while recording goes on, in a process of its own.

    Raises:
        BpfrecError: recording or writing failed.
    """
    user = user_behind_sudo()
    # Which process the command will be does not matter to the compiler.
    compilation = start_compiling(request.selection(0 if request.command else None))
    with (
        closing(compilation),
        prepare(request.output, request.force, user) as output,
        _following(output, show, identity := unprivileged(user, output)) as follower,
        _converter(request, output, identity, follower) as converter,
        Display(f"{request.subject()}{_until(request)}", shows_progress=show is None) as display,
        StopSignals(with_quit=bool(request.command)) as signals,
        _windows(request, output, user, identity) as windows,
    ):
        if follower is not None:
            follower.say = display.say
        for remark in _lacking(request):
            display.say(remark)
        if not request.command:
            permit_many_files()
            work = _Work(request, output, user, identity, None, compilation, converter, follower, windows)
            _record_and_finish(work, display, signals)
            return 0
        # The command is forked first, and keeps the limit that it would have had.
        command = Command(request.command, user, signals)
        try:
            permit_many_files()
            work = _Work(request, output, user, identity, command, compilation, converter, follower, windows)
            _record_and_finish(work, display, signals)
        finally:
            command.close()
        return command.child.exit_code


@contextmanager
def _following(output: Output, show: Show | None, identity: Identity | Unchanged) -> Iterator[LiveFollower | None]:
    if show is None:
        yield None
        return
    try:
        follower = LiveFollower(output, show, identity)
    except OSError as error:
        raise BpfrecError(
            f"--live needs a temporary folder: {error.strerror or error}", "Name another place for it in TMPDIR."
        ) from None
    with closing(follower):
        yield follower


def _converter(
    request: Request, output: Output, identity: Identity | Unchanged, follower: LiveFollower | None
) -> AbstractContextManager[LiveConverter | None]:
    """The process that converts calls while they are recorded. What is not kept need not be converted."""
    if request.last is not None:
        return nullcontext()
    read_to = follower.read_to.get if follower is not None else None
    return closing(LiveConverter(output, identity, failed_only=request.failed_only, read_to=read_to))


@contextmanager
def _windows(
    request: Request, output: Output, user: User | None, identity: Identity | Unchanged
) -> Iterator[WindowWriter | None]:
    """What writes the last part of the recording whenever it is asked to."""
    if request.last is None:
        yield None
        return
    from bpfrec.record.windows import WindowWriter  # noqa: PLC0415

    with Triggers() as triggers, WindowWriter(request, output, user, triggers, identity) as windows:
        yield windows


def _lacking(request: Request) -> list[str]:
    """What the trace will lack because this process may not read all that it records."""
    chosen = request.processes()
    own = os.geteuid()
    if chosen is not None and all(_owner(pid) in (own, None) for pid in chosen):
        return []
    return lacking_for_others()


def _owner(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def permit_many_files() -> None:
    """Raises this process's limit of open files: the files that processes execute are held open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(frozen=True)
class _Work:
    """Who takes part in a recording; None: nobody does that."""

    request: Request
    output: Output
    user: User | None
    identity: Identity | Unchanged
    command: Command | None
    compilation: Compilation
    converter: LiveConverter | None
    follower: LiveFollower | None
    windows: WindowWriter | None


def _record_and_finish(work: _Work, display: Display, signals: StopSignals) -> None:
    request, output, command = work.request, work.output, work.command
    converter, follower = work.converter, work.follower
    helpers: list[Helper] = [helper for helper in (converter, follower) if helper is not None]
    pids = tuple(helper.pid for helper in helpers)
    selection = request.selection(command.child.pid if command is not None else None, pids)
    if not work.compilation.is_kept:
        # The compilers work meanwhile.
        with uncollected():
            importlib.import_module(_SESSION)
            if selection.has_full_stacks:
                importlib.import_module(_LEARNER)
    program = RecorderProgram(selection, work.compilation)
    try:
        # The kernel checks the program meanwhile.
        with uncollected():
            from bpfrec.record.session.session import record  # noqa: PLC0415

        with _imported_meanwhile(_FINISH):
            recorded = record(request, output, command, program, display, signals, helpers, work.windows)
    except (BpfrecError, OSError) as error:
        if command is not None and command.child.is_released and not command.child.ended():
            # The command is not to blame, and goes on as if it were not recorded.
            display.say(f"recording failed, and {command.child.argv[0]} goes on without it")
            command.wait()
        if isinstance(error, OSError):
            raise _cannot_write(output, error) from None
        raise
    finally:
        program.close()
    if command is not None:
        _await(command, recorded, display)
    signals.finishing(_WARNING)
    try:
        finished = _finished(work, recorded, display)
        old = output.publish(finished.file)
    except BaseException as error:
        failure = _failure_of(output, error)
        if failure is None:
            raise
        raise failure from None
    finally:
        # The trace is what it is by now; a file system that fails at close, as FUSE may, changes nothing.
        with suppress(OSError):
            recorded.tracker.close()
    signals.finished()
    is_shown = follower is None or follower.wait()
    display.summary(request, recorded, finished, output.target, old)
    if follower is not None and not is_shown:
        # As any program at the end of a pipe does, until a signal says that it should not.
        known = len(signals.received)
        follower.wait(lambda: len(signals.received) > known)
    if command is not None and recorded.is_limited:
        command.wait()


def _finished(work: _Work, recorded: Recorded, display: Display) -> Finished:
    """Makes the trace of ``recorded`` when everybody who works on its spools has done with them."""
    with uncollected():
        from bpfrec.record.finish.apart import finish_apart  # noqa: PLC0415

    converter = work.converter
    if work.windows is not None:
        work.windows.finish(display)
    if work.follower is not None and not work.follower.end():
        if recorded.is_cut or work.output.is_short_of_room():
            work.follower.abandon()
        else:
            # The trace is made without waiting for it.
            recorded.keeps_spools = True
    if converter is not None:
        if recorded.is_cut:
            # Both spools and tables would not find room: what is spooled makes room for the tables.
            converter.abandon()
        converter.end(recorded.spooled_bytes)
    result = converter.result if converter is not None else None
    report = display.finishing
    return finish_apart(work.request, recorded, work.output, work.user, report, result, work.identity)


@contextmanager
def _imported_meanwhile(module: str) -> Iterator[None]:
    """Imports ``module`` beside what is done here, if that lasts longer than a moment."""
    timer = threading.Timer(_MOMENT, importlib.import_module, (module,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _await(command: Command, recorded: Recorded, display: Display) -> None:
    """Waits for the end of a command whose recording is over before it is."""
    child = command.child
    if child.ended():
        return
    if recorded.is_cut or recorded.is_limited:
        display.say(f"recording has ended, for {recorded.stopped}; {child.argv[0]} goes on")
        if recorded.is_cut:
            command.wait()
    else:
        # The time is up. As perf does: a command is not left behind when its recording ends.
        child.terminate()
        child.wait(_PATIENCE)


def _failure_of(output: Output, error: BaseException) -> BpfrecError | None:
    """The message for a finish that failed with ``error``, whose spools are kept; None where it has none of its own."""
    _log.info("finishing failed", exc_info=error)
    kept = output.keep_spools()
    where = f"\nWhat the rings held is kept in {kept}" if kept is not None else ""
    if isinstance(error, KeyboardInterrupt):
        failure = BpfrecError(f"interrupted: {output.target} was not written", where.strip())
        failure.exit_code = _INTERRUPTED
        return failure
    if isinstance(error, OSError):
        failure = _cannot_write(output, error)
    elif isinstance(error, BpfrecError):
        failure = error
    else:
        return None
    failure.hint += where
    return failure


def _cannot_write(output: Output, error: OSError) -> BpfrecError:
    remedy = _REMEDIES.get(error.errno or 0, "Name another file with -o.")
    return BpfrecError(f"cannot write {output.target}: {error.strerror or error}", remedy)


def _until(request: Request) -> str:
    ends = _ends(request)
    return ends if request.last is None else f"{ends}; SIGUSR1 to {os.getpid()} writes what is kept"


def _ends(request: Request) -> str:
    if request.command:
        return " until it ends"
    if request.seconds is not None:
        return f" for {request.seconds:g} s; Ctrl-C stops earlier"
    return "; Ctrl-C stops"
