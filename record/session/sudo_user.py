"""The user who called sudo: they own the trace, and a recorded command runs as them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bpfrec.formats.units import whole_number
from bpfrec.record.processes.acting import acting_as

_MOST_ID = (1 << 32) - 2


@dataclass(frozen=True)
class User:
    """A user: ids, login name and home folder."""

    uid: int
    gid: int
    name: str
    home: str

    @property
    def groups(self) -> list[int]:
        """The groups that the user is in."""
        return os.getgrouplist(self.name, self.gid)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Acts as this user meanwhile: files are found, made and renamed with their permissions and no others.

        It concerns all threads of the process, and only root can do it.
        """
        with acting_as(self.uid, self.gid, self.groups):
            yield


def user_behind_sudo() -> User | None:
    """The user who called sudo; None if nobody did, or if it was root."""
    uid, gid = (whole_number(os.environ.get(name, ""), _MOST_ID) for name in ("SUDO_UID", "SUDO_GID"))
    if os.geteuid() != 0 or not uid or gid is None:
        return None
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return User(uid, gid, os.environ.get("SUDO_USER", str(uid)), "/")
    return User(uid, gid, entry.pw_name, entry.pw_dir)
