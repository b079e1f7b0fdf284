"""What a process that reads what recorded processes chose must not be able to do."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_REFUSED = ("EPERM", "EACCES")
Attempt = Callable[[], dict[str, str]]


@contextmanager
def attempts(folder: Path) -> Iterator[Attempt]:
    """Gives what tries all that is forbidden, in the process that calls it; what it gives was not refused.

    It is about ``folder``, which everybody may write to, and a file there, which is as it was at the end.
    """
    victim = folder / "victim"
    victim.write_text("unharmed")
    victim.chmod(0o666)
    folder.chmod(0o777)

    def attempt() -> dict[str, str]:
        tried: dict[str, Callable[[], object]] = {
            "write": lambda: victim.open("r+"),
            "remove": victim.unlink,
            "make": (folder / "made").touch,
            "execute": lambda: os.execv("/bin/true", ["true"]),
            "fork": os.fork,
            "connect": lambda: socket.socket(socket.AF_UNIX),
            "signal": lambda: os.kill(os.getppid(), signal.SIGTERM),
            "become another": lambda: os.setuid(0) if os.getuid() else os.setuid(1),
        }
        return {name: told for name, work in tried.items() if (told := _told_of(work)) not in _REFUSED}

    yield attempt
    assert victim.read_text() == "unharmed"
    assert "made" not in {path.name for path in folder.iterdir()}


def _told_of(work: Callable[[], object]) -> str:
    try:
        work()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "no error"
