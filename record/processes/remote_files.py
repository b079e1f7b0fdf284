"""Whether files on network and FUSE file systems can be read: one that hangs must not hang the recorder."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from bpfrec.record.processes import procfs

PATIENCE = 2.0
"""How many seconds a file system has to answer."""

_TRUSTED_SECONDS = 5.0
_KINDS = ("fuse", "nfs", "cifs", "smb", "9p", "ceph", "afs", "lustre", "gluster", "virtiofs")

Device = tuple[int, int]


class RemoteFiles:
    """Asks file systems whether they answer: each by one file, and again after some seconds.

    A thread that waits for a server cannot always be killed, and the process with it: so a process of its own asks.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._is_remote: dict[Device, bool] = {}
        self._asked: dict[Device, tuple[float, bool]] = {}

    def answers(self, path: Path, device: Device, pid: int) -> bool:
        """Tells whether ``path`` on ``device``, which ``pid`` has mounted, can be opened; local ones are not asked."""
        if device not in self._is_remote:
            kinds = procfs.file_systems(pid)
            # What is not mounted any more is asked too.
            self._is_remote[device] = kinds.get(device, "fuse" if device[0] == 0 and kinds else "").startswith(_KINDS)
        if not self._is_remote[device]:
            return True
        when, answered = self._asked.get(device, (0.0, False))
        if time.monotonic() - when > _TRUSTED_SECONDS:
            answered = self._ask(path)
            self._asked[device] = time.monotonic(), answered
        return answered

    def _ask(self, path: Path) -> bool:
        child = os.fork()
        if child == 0:
            try:
                # Who waits for the end of our output must not wait for this process.
                os.closerange(0, 1 << 20)
                touch(path)
            finally:
                os._exit(0)
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            try:
                if os.waitpid(child, os.WNOHANG)[0]:
                    return True
            except ChildProcessError:
                # SIGCHLD is ignored: it has ended, and left no status.
                return True
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
        return False


def touch(path: Path) -> None:
    """Opens a file and reads a byte of it."""
    os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 1)
