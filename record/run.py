"""``bpfrec record`` from the request to the exit status: prepare the output, record, finish, sum up."""

from __future__ import annotations

from bpfrec.formats.errors import BpfrecError
from bpfrec.record.display import Display
from bpfrec.record.finish.finish import finish
from bpfrec.record.request import Request
from bpfrec.record.session.output import Output, prepare
from bpfrec.record.session.session import record
from bpfrec.record.session.stop import StopSignals
from bpfrec.record.session.sudo_user import User, user_behind_sudo

_PATIENCE = 5.0
_INTERRUPTED = 130


def run(request: Request) -> int:
    """Records and writes the trace. Returns the exit status: 0, or that of the recorded command.

    Raises:
        BpfrecError: recording or writing failed.
    """
    user = user_behind_sudo()
    output = prepare(request.output, request.force)
    try:
        # The signals that end a recording must not end the writing of what was recorded.
        with Display(f"{request.subject()}{_until(request)}") as display, StopSignals() as signals:
            return _record_and_finish(request, output, user, display, signals)
    except KeyboardInterrupt:
        failure = BpfrecError(f"interrupted: {output.target} was not written")
        failure.exit_code = _INTERRUPTED
        raise failure from None
    except OSError as error:
        raise BpfrecError(
            f"cannot write {output.target}: {error.strerror}", "Make room there, or name another file with -o."
        ) from None
    finally:
        output.remove_folder()


def _record_and_finish(
    request: Request, output: Output, user: User | None, display: Display, signals: StopSignals
) -> int:
    recorded = record(request, output, user, display, signals)
    child = recorded.child
    if child is not None and not child.ended():
        # As perf does: a command is not left behind when its recording ends.
        child.terminate()
        child.wait(_PATIENCE)
    try:
        old = output.make_way()
        finished = finish(request, recorded, output, user, display.finishing)
    finally:
        recorded.tracker.close()
    display.summary(recorded, finished, output.target, old)
    return child.exit_code if child is not None else 0


def _until(request: Request) -> str:
    if request.command:
        return " until it ends"
    if request.seconds is not None:
        return f" for {request.seconds:g} s; Ctrl-C stops earlier"
    return "; Ctrl-C stops"
