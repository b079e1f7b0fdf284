"""Makes a trace of what is whole in one that was cut short or damaged, as by a transfer that broke off."""

from __future__ import annotations

import shlex
from pathlib import Path

from bpfrec.formats.errors import BpfrecError, TraceFileError
from bpfrec.formats.salvage import Salvaged, salvage
from bpfrec.formats.trace_reader import TraceReader
from bpfrec.record.session.output import prepare
from bpfrec.record.session.sudo_user import User


def salvage_trace(damaged: Path, target: Path | None, force: bool, user: User | None) -> Salvaged:
    """Writes what is whole in the file ``damaged`` to ``target``, and returns what that is; ``damaged`` stays.

    ``force``: replace ``target`` if it exists. ``user``: who called sudo.

    Raises:
        BpfrecError: ``damaged`` is whole, or nothing in it is; or ``target`` cannot be written.
    """
    fault = _fault_of(damaged)
    if not fault:
        raise BpfrecError(
            f"{damaged} is whole: every table has the checksum that it was written with",
            f"Ask it with: bpfrec analyze -i {shlex.quote(str(damaged))} report summary",
        )
    if target is None:
        raise BpfrecError(
            f"{fault.removesuffix('.')}; the file stays as it is",
            f"Save what is whole in it with: bpfrec recover {shlex.quote(str(damaged))} -o OTHER.bpfrec",
        )
    if target.exists() and target.samefile(damaged):
        raise BpfrecError(f"{target} is the damaged trace itself, and it stays as it is", "Name another file with -o.")
    with prepare(target, force, user, keep_old=False) as output:
        made = output.folder / "salvaged"
        try:
            found = salvage(damaged, made)
            output.publish(made)
        except OSError as error:
            raise BpfrecError(
                f"cannot save {damaged} as {target}: {error.strerror or error}", "Name another file with -o."
            ) from None
    return found


def _fault_of(path: Path) -> str:
    """Why the trace at ``path`` is not whole, as a sentence; empty: it is."""
    try:
        with TraceReader(path) as reader:
            bad = [name for name, fault in reader.verify() if fault]
    except TraceFileError as error:
        return error.message
    return f"{path}: damaged or missing: {', '.join(bad)}" if bad else ""
