"""As whom the recorder's helpers work that need no rights: never as root where that can be avoided."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from bpfrec.bpf.permission import has_capability
from bpfrec.record.processes.acting import acting_as

PRIVATE_GROUPS = range(0x70000000, 0x7FFFFFFF)
"""Ids that no distribution and no container manager gives to anybody: systemd's "Users, Groups, UIDs and GIDs"."""

_NEEDED = ("CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE")
# Each may be in a place of its own.
_MODULES = ("bpfrec", "pyarrow", "numpy", "elftools", "duckdb", "click", "json")


@dataclass(frozen=True)
class Identity:
    """Who a process becomes: user, group, and the user's other groups.

    ``gid`` belongs to nobody else, and is the key to the working folder: other processes of the user cannot enter it.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Unchanged:
    """``why`` a process stays who it is."""

    why: str


def identity_for(user: tuple[int, Sequence[int]] | None) -> Identity | Unchanged:
    """Who a helper of this process can be: ``user``, given with its groups; None: nobody that there is."""
    if os.geteuid() != 0:
        return Unchanged("this process is not root")
    missing = [name for name in _NEEDED if not has_capability(name)]
    if missing:
        return Unchanged(f"root here lacks {' and '.join(missing)}")
    gid = secrets.choice(PRIVATE_GROUPS)
    found = Identity(gid, gid, ()) if user is None else Identity(user[0], gid, tuple(user[1]))
    try:
        with acting_as(found.uid, found.gid, found.groups):
            check_readable()
    except OSError as error:
        return Unchanged(f"user {found.uid} may not read what bpfrec is made of: {error}")
    return found


def check_readable() -> None:
    """Checks that this process can read what bpfrec is made of: modules and tables are read when they are first needed.

    Raises:
        OSError: it cannot.
    """
    for name in _MODULES:
        spec = find_spec(name)
        if spec is not None and spec.origin:
            os.close(os.open(spec.origin, os.O_RDONLY | os.O_CLOEXEC))
