"""Processes chosen by their name, ``--name``."""

from __future__ import annotations

import difflib
import os

from bpfrec.record.options.phrases import one_of
from bpfrec.record.processes import procfs
from bpfrec.record.session.participants import Listener


def processes_named(comm: str) -> frozenset[int]:
    """The processes that have the name ``comm`` now."""
    kept = _kept(comm)
    return frozenset(pid for pid in procfs.pids() if procfs.comm(pid, pid) == kept)


def warn_of_name(comm: str, listener: Listener) -> None:
    """Says at once that nothing has the name ``comm``, with names like it: it may be misspelt."""
    names = {name for pid in procfs.pids() for name in procfs.thread_names(pid).values()}
    if comm in names or _kept(comm) in names:
        return
    close = difflib.get_close_matches(comm, names, n=3)
    listener.say(f"nothing is named {comm} now{f'; did you mean {one_of(sorted(close))}?' if close else ''}")


def _kept(comm: str) -> str:
    """What the kernel keeps of a name: its first 15 bytes."""
    return os.fsencode(comm)[:15].decode("utf-8", "backslashreplace")
