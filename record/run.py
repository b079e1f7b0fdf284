"""``record`` from the request to the exit status: output, session, finishing, summary."""

from __future__ import annotations

from bpfrec.formats.errors import BpfrecError
from bpfrec.record.display import Display
from bpfrec.record.finish import finish
from bpfrec.record.output import prepare
from bpfrec.record.request import Request
from bpfrec.record.session import record
from bpfrec.record.user import user_behind_sudo

_PATIENCE = 5.0


def run(request: Request) -> int:
    """Records and writes the trace; the exit status: 0, or that of the recorded command.

    Raises:
        BpfrecError: recording or writing failed.
    """
    user = user_behind_sudo()
    output = prepare(request.output, request.force)
    try:
        with Display(f"{request.subject()}{_until(request)}") as display:
            recorded = record(request, output, user, display)
            child = recorded.child
            if child is not None and not child.ended():
                # As perf does: a command is not left behind when its recording ends.
                child.terminate()
                child.wait(_PATIENCE)
            try:
                old = output.make_way()
                finished = finish(request, recorded, output, user, display.finishing)
            except OSError as error:
                raise BpfrecError(
                    f"cannot write {output.target}: {error.strerror}", "Make room there, or name another file with -o."
                ) from None
            finally:
                recorded.surroundings.close()
            display.summary(recorded, finished, output.target, old)
            return child.exit_code if child is not None else 0
    finally:
        output.remove_folder()


def _until(request: Request) -> str:
    if request.command:
        return " until it ends"
    if request.seconds is not None:
        return f" for {request.seconds:g} s; Ctrl-C stops earlier"
    return "; Ctrl-C stops"
