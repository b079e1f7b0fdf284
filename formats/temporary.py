"""A private temporary folder that also goes away if the process that made it was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

_PREFIX = "bpfrec-"
_LOCK = ".lock"
_SEARCHED: set[str] = set()
"""Folders for temporary files from which this process has removed what killed ones left."""


class TemporaryFolder:
    """A folder in ``$TMPDIR`` that only this user can enter; ``name`` is its path.

    It holds a locked file as long as its process lives. The first one that a process makes in a ``$TMPDIR`` removes
    the folders of this user whose lock is free: their processes were killed.

    Raises:
        OSError: no folder can be made.
    """

    def __init__(self) -> None:
        if tempfile.gettempdir() not in _SEARCHED:
            # Who asks many traces makes many folders, and searching /tmp takes longer than making one.
            _SEARCHED.add(tempfile.gettempdir())
            remove_abandoned()
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
        self.name = self._folder.name
        self._lock = _locked(Path(self.name)) if fcntl else -1

    def cleanup(self) -> None:
        """Removes the folder with all that is in it."""
        self._folder.cleanup()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class LateFolder:
    """A :class:`TemporaryFolder` that is made when its path is first asked for."""

    def __init__(self) -> None:
        self._folder: TemporaryFolder | None = None

    def path(self) -> Path:
        """The path of the folder.

        Raises:
            OSError: it cannot be made.
        """
        if self._folder is None:
            self._folder = TemporaryFolder()
        return Path(self._folder.name)

    def cleanup(self) -> None:
        """Removes the folder with all that is in it, if it was made; :meth:`path` makes another one."""
        if self._folder:
            self._folder.cleanup()
            self._folder = None


def _locked(folder: Path) -> int:
    # It gets its name only when it is locked: under that name others may take it.
    hidden = folder / f"{_LOCK}.new"
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(folder / _LOCK)
    return descriptor


def abandoned_folders() -> list[Path]:
    """The folders of this user in ``$TMPDIR`` whose processes were killed."""
    found: list[Path] = []
    if fcntl:
        with suppress(OSError):
            for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
                with suppress(OSError), _free(folder):
                    found.append(folder)
    return found


def remove_abandoned() -> int:
    """Removes the :func:`abandoned_folders`; how many there were."""
    removed = 0
    for folder in abandoned_folders():
        with suppress(OSError), _free(folder):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


@contextmanager
def _free(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder of this user.

    Raises:
        OSError: another process holds it, or the folder is another user's or has none.
    """
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(folder)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
