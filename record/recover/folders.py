"""The working folders that recorders left: where they are, whether a recorder still works there, what they hold."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bpfrec.formats.errors import BpfrecError
from bpfrec.record.journal import Kept
from bpfrec.record.recover.legs_left import read_left
from bpfrec.record.session.working_folder import RESERVE, bytes_on_disk, give_to_group, is_private, legs_in

# As Output names it.
_NAME = re.compile(r"\..+\.[0-9a-f]{8}", re.DOTALL)
_MODES = (0o700, 0o770)
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class LeftFolder:
    """A working folder at ``path``. ``size``: what its files take on the disk, in bytes.

    ``is_in_use``: its recorder lives. ``kept``: its journal, None: it cannot be read.
    """

    path: Path
    size: int
    is_in_use: bool
    kept: Kept | None

    @property
    def state(self) -> str:
        """What can be done with it, in a word or two."""
        if self.is_in_use:
            return "recording"
        if self.kept is None or self.kept.attached is None:
            return "nothing recorded"
        return "not finished" if self.kept.ended is None else "stopped, not written"


class OpenFolder:
    """A working folder whose recorder has ended, opened and locked; ``path`` stays right when somebody renames it.

    Raises:
        BpfrecError: a recorder works in it, or it is not a private folder of this user.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, _FLAGS)
        except OSError as error:
            raise BpfrecError(
                f"cannot open {path}: {error.strerror}", "Recover as who recorded; mostly, root."
            ) from None
        try:
            found = os.fstat(self._descriptor)
            if found.st_uid != os.geteuid() or not is_private(found):
                raise BpfrecError(
                    f"{path} belongs to another user, or others may write to it", "Recover as who recorded."
                )
            _lock(self._descriptor, path)
        except BaseException:
            os.close(self._descriptor)
            raise
        self.path = Path(f"/proc/self/fd/{self._descriptor}")
        self._given = path

    def open_to(self, group: int) -> None:
        """Lets processes with the id ``group`` work in the folder, and use the files in it.

        Raises:
            OSError: the file system of the folder has no groups.
        """
        for name in os.listdir(self.path):  # noqa: PTH208 - of a descriptor
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=self._descriptor)
            try:
                give_to_group(descriptor, group, 0o660)
            finally:
                os.close(descriptor)
        give_to_group(self._descriptor, group, 0o770)

    def remove(self) -> None:
        """Removes the folder with all that is in it.

        Raises:
            OSError: that failed.
        """
        for name in os.listdir(self.path):  # noqa: PTH208 - of a descriptor
            os.unlink(name, dir_fd=self._descriptor)
        # A trace that was complete, and had not got its name yet.
        for path in self._given.parent.glob(f"{_literal(self._given.name)}.{'[0-9a-f]' * 8}"):
            if path.is_file() and not path.is_symlink():
                path.unlink()
        self._given.rmdir()

    def __enter__(self) -> OpenFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def find_left(place: Path) -> list[LeftFolder]:
    """Returns the working folders that ``place`` stands for: itself, those in a folder, or those of a trace's name.

    Raises:
        BpfrecError: ``place`` cannot be read.
    """
    try:
        if place.is_dir():
            if legs_in(place):
                return [_look(place)]
            candidates = sorted(place.glob(".*.*"))
        else:
            candidates = sorted(place.parent.glob(f".{_literal(place.name)}.*"))
    except OSError as error:
        raise BpfrecError(f"cannot look into {place}: {error.strerror}") from None
    return [_look(path) for path in candidates if _is_working_folder(path)]


def _is_working_folder(path: Path) -> bool:
    """Whether ``path`` looks like one; a recorder that is killed early leaves one that holds nothing yet."""
    with suppress(OSError):
        if not _NAME.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
            return False
        held = {each.name for each in path.iterdir()}
        found = path.stat()
        is_ours = found.st_uid == os.geteuid() and is_private(found) and stat.S_IMODE(found.st_mode) in _MODES
        return bool(legs_in(path)) or (is_ours and held <= {RESERVE})
    return False


def _look(path: Path) -> LeftFolder:
    size, is_in_use, kept = 0, False, None
    with suppress(OSError):
        size = bytes_on_disk(path.iterdir())
        descriptor = os.open(path, _FLAGS)
        try:
            _lock(descriptor, path)
        except BpfrecError:
            is_in_use = True
        finally:
            os.close(descriptor)
        kept = read_left(path).kept
    return LeftFolder(path, size, is_in_use, kept)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BpfrecError(f"{path} is in use: its recorder is still at work", "Stop it with Ctrl-C, or wait.") from None
    except OSError:
        # The file system has no locks.
        return


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
