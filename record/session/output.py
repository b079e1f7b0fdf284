"""Where the trace goes. No file is replaced in silence, and none is left half written.

The recorder is root and may write where others may, too. So the folder is opened once and all is done relative to its
descriptor; spools and tables are in a private folder there, reached by a descriptor as well, so that renaming folders
and planting links changes nothing. Behind sudo, what the user may do themselves is done as that user.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bpfrec.formats.errors import BpfrecError
from bpfrec.record.session.sudo_user import User
from bpfrec.record.session.working_folder import (
    RESERVE,
    SpoolKind,
    bytes_on_disk,
    give_to_group,
    legs_in,
    spool_in,
    unneeded,
)

DEFAULT = Path("trace.bpfrec")

_ELSEWHERE = "Name a file in a folder that you may write to with -o FILE."
_PATH_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_SUFFIX_BYTES = 4
_MOST_RESERVED = 1 << 24
_NOT_A_FILE = "is not a regular file"


@dataclass
class Output:
    """The file ``target``, and a private working folder beside it whose finished trace is renamed to it.

    ``keep_old``: a file that stands at the target is renamed and not replaced. ``user``: who called sudo. A context
    manager that removes the working folder at its end, unless :meth:`keep_spools` was called. ``spools``: the folder
    that has the spools, None: the working folder. ``gathered``: the files that stand for the spools of several legs.
    ``group``: who else may work in the working folder, see :meth:`open_to`.
    """

    target: Path
    keep_old: bool
    user: User | None
    _parent: int
    _folder: int
    _folder_name: str
    _is_users: bool
    spools: Path | None = None
    gathered: dict[SpoolKind, Path] = field(default_factory=dict)
    group: int | None = None
    _is_kept: bool = field(default=False)

    @property
    def folder(self) -> Path:
        """The working folder: a path that stays right when somebody renames it."""
        return Path(f"/proc/self/fd/{self._folder}")

    @property
    def descriptors(self) -> tuple[int, int]:
        """The descriptors by which it reaches its folders."""
        return self._parent, self._folder

    @property
    def descriptor(self) -> int:
        """Of the working folder; it stays open until the end."""
        return self._folder

    def open_to(self, group: int) -> None:
        """Lets processes with the id ``group`` work in the folder: helpers of the recorder, who alone have it.

        Raises:
            OSError: the file system of the folder has no groups.
        """
        give_to_group(self._folder, group, 0o770)
        self.group = group

    def share(self, path: Path) -> None:
        """Lets those who may work in the folder use the file ``path`` in it. Disk errors come as OSError."""
        if self.group is not None:
            os.chown(path, -1, self.group, follow_symlinks=False)
            path.chmod(0o660)

    def spool(self, kind: SpoolKind) -> Path:
        """The file for the spool of ``kind``."""
        return self.gathered.get(kind) or spool_in(self.spools or self.folder, kind)

    @property
    def absolute_target(self) -> Path:
        """The target's absolute path, where its folder is now."""
        return Path(os.readlink(f"/proc/self/fd/{self._parent}")) / self.target.name  # noqa: PTH115 - of a descriptor

    @property
    def old(self) -> Path:
        """The name that a file at the target gets."""
        return self.target.with_name(self.target.name + ".old")

    def reserve_room(self) -> None:
        """Keeps some room on the disk, a tenth of what is free and 16 MiB at most, for :meth:`use_reserve`."""
        found = os.fstatvfs(self._folder)
        size = min(_MOST_RESERVED, found.f_bavail * found.f_frsize // 10)
        # Not every file system can, and a full one has nothing to keep.
        with suppress(OSError), (self.folder / RESERVE).open("xb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, size))

    def use_reserve(self) -> None:
        """Gives that room back, so that a recording that filled the disk can still be finished."""
        self._unlink(RESERVE)

    def used(self) -> int:
        """How many bytes of the disk the working folder takes, without the room that is kept for the end."""
        return bytes_on_disk(self.folder / name for name in self._names() if name != RESERVE)

    def is_short_of_room(self) -> bool:
        """Whether the disk has less free room than half of the spools: a trace is mostly smaller than that."""
        found = os.fstatvfs(self._folder)
        folder = self.spools or self.folder
        legs = (spool_in(folder, kind, leg) for leg in legs_in(folder) for kind in SpoolKind)
        spooled = bytes_on_disk({*map(self.spool, SpoolKind), *legs})
        return found.f_bavail * found.f_frsize < spooled // 2

    def free_spool(self, kind: SpoolKind) -> None:
        """Gives the room of a spool back that is no longer needed."""
        os.truncate(self.spool(kind), 0)

    def publish(self, made: Path) -> Path | None:
        """Gives the finished trace ``made``, a file in the working folder, the name of the target.

        Until then, a file at the target stays as it is. Now it is replaced, or renamed to ``NAME.old`` as perf does;
        returns that name.

        Raises:
            BpfrecError: a file of somebody else has the name.
            OSError: renaming failed; the target is as it was.
        """
        waiting = f"{self._folder_name}.{secrets.token_hex(_SUFFIX_BYTES)}"
        found = os.stat(made.name, dir_fd=self._folder, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise OSError(errno.EPERM, "the finished trace is no file of its own")
        if os.geteuid() == 0:
            owner, group = (self.user.uid, self.user.gid) if self.user else (0, os.getegid())
            # Not every file system knows owners. In a shared folder such as /tmp, only the owner may rename a file.
            with suppress(PermissionError):
                os.chown(made.name, owner, group, dir_fd=self._folder, follow_symlinks=False)
        # The working folder is root's: only root can take the file out of it.
        os.rename(made.name, waiting, src_dir_fd=self._folder, dst_dir_fd=self._parent)
        try:
            with self._as_user():
                self._check_owner(self.target.name)
                old = self._make_way()
                try:
                    os.rename(waiting, self.target.name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
                except OSError:
                    if old is not None:
                        self._rename(old.name, self.target.name)
                    raise
        except BaseException:
            with suppress(OSError):
                os.unlink(waiting, dir_fd=self._parent)
            raise
        return old

    def keep_spools(self) -> Path | None:
        """Keeps the spools instead of removing the working folder. Returns its path, or None if they hold nothing."""
        for name in unneeded(self._names()):
            self._unlink(name)
        # Their room may have been given back: what has a length may hold nothing.
        journal = self.spool(SpoolKind.JOURNAL).name
        self._is_kept = bytes_on_disk(self.folder / name for name in self._names() if name != journal) > 0
        return Path(os.readlink(self.folder)) if self._is_kept else None  # noqa: PTH115 - of a descriptor

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes the working folder with all that is in it, unless it is kept."""
        if not self._is_kept:
            for name in self._names():
                self._unlink(name)
            # Somebody may have moved it away.
            with suppress(OSError):
                os.rmdir(self._folder_name, dir_fd=self._parent)
        os.close(self._folder)
        os.close(self._parent)

    def _make_way(self) -> Path | None:
        if not self.keep_old or _mode(self._parent, self.target.name) is None:
            return None
        self._check_owner(self.old.name)
        self._rename(self.target.name, self.old.name)
        return self.old

    def _check_owner(self, name: str) -> None:
        """Checks that nothing is replaced that the user who called sudo could not replace."""
        if self.user is None:
            return
        parent = os.stat(f"/proc/self/fd/{self._parent}")  # noqa: PTH116 - of a descriptor
        if self._is_users and (not parent.st_mode & stat.S_ISVTX or parent.st_uid == self.user.uid):
            return
        with suppress(FileNotFoundError):
            if os.stat(name, dir_fd=self._parent, follow_symlinks=False).st_uid != self.user.uid:
                raise BpfrecError(
                    f"{self.target.with_name(name)} is not a file of {self.user.name}, who called sudo",
                    "Name another file with -o FILE.",
                )

    def _rename(self, before: str, after: str) -> None:
        os.rename(before, after, src_dir_fd=self._parent, dst_dir_fd=self._parent)

    @contextmanager
    def _as_user(self) -> Iterator[None]:
        if self.user is None or not self._is_users:
            yield
            return
        with self.user.acting():
            yield

    def _names(self) -> list[str]:
        return os.listdir(self.folder)  # noqa: PTH208 - of a descriptor

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._folder)


def prepare(named: Path | None, force: bool, user: User | None = None, *, keep_old: bool | None = None) -> Output:
    """The output for ``-o named``; None stands for :data:`DEFAULT`. ``user``: who called sudo.

    ``keep_old``: see :class:`Output`; None: unless ``force`` is given.

    Raises:
        BpfrecError: the target exists and ``force`` is not given, is a folder, or cannot be written.
    """
    target = named or DEFAULT
    parent = -1
    try:
        parent, is_users = _open_parent(target.parent, user)
        _check_target(target, parent, may_exist=named is None or force)
        name, folder = _make_folder(target, parent)
        output = Output(target, not force if keep_old is None else keep_old, user, parent, folder, name, is_users)
        parent = -1
    except OSError as error:
        raise BpfrecError(f"cannot write {target}: {error.strerror}", _ELSEWHERE) from None
    finally:
        if parent >= 0:
            os.close(parent)
    try:
        for name in (target.name, output.old.name)[: 1 + output.keep_old]:
            output._check_owner(name)
        if _is_folder(output.old):
            raise BpfrecError(f"{output.old} is a folder, and {target} would be moved there", "Move one of them away.")
    except BaseException:
        output.close()
        raise
    return output


def _open_parent(path: Path, user: User | None) -> tuple[int, bool]:
    """A descriptor of the folder ``path``, and whether the user who called sudo may write there."""
    if user is not None:
        with suppress(OSError), user.acting():
            descriptor = os.open(path, _PATH_FLAGS)
            if os.access(f"/proc/self/fd/{descriptor}", os.W_OK | os.X_OK, effective_ids=True):
                return descriptor, True
            os.close(descriptor)
    descriptor = os.open(path, _PATH_FLAGS)
    found = os.fstat(descriptor)
    if user is not None and (found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        os.close(descriptor)
        raise PermissionError(errno.EACCES, f"{user.name}, who called sudo, may not write there")
    return descriptor, False


def _check_target(target: Path, parent: int, may_exist: bool) -> None:
    mode = stat.S_IFDIR if not target.name or target.name == ".." else _mode(parent, target.name)
    if mode is None:
        return
    if stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and target.is_dir()):
        raise BpfrecError(f"{target} is a folder", "Name a file with -o FILE.")
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        raise BpfrecError(f"{target} {_NOT_A_FILE}", "Name another with -o FILE.")
    if not may_exist:
        raise BpfrecError(f"{target} exists", "Add --force to replace it, or name another file with -o.")


def _make_folder(target: Path, parent: int) -> tuple[str, int]:
    """Makes an empty folder beside ``target`` that is ours alone; its name and a descriptor."""
    name = f".{target.name}.{secrets.token_hex(_SUFFIX_BYTES)}"
    os.mkdir(name, 0o700, dir_fd=parent)
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    found = os.fstat(folder)
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or os.listdir(folder):  # noqa: PTH208
        os.close(folder)
        with suppress(OSError):
            os.rmdir(name, dir_fd=parent)
        raise BpfrecError(
            f"cannot make a private folder beside {target}: its file system, or somebody else, gives it to others",
            _ELSEWHERE,
        )
    # It tells others that the recorder lives. Not every file system has locks.
    with suppress(OSError):
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return name, folder


def _mode(parent: int, name: str) -> int | None:
    """The mode of the file ``name`` itself, also of a link; None if there is none."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def _is_folder(path: Path) -> bool:
    return path.is_dir()
