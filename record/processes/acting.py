"""Acting as another user for a while: files are found and opened with that user's permissions and no others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def acting_as(uid: int, gid: int, groups: Sequence[int]) -> Iterator[None]:
    """Gives this process the effective ids ``uid`` and ``gid`` and the supplementary ``groups`` meanwhile.

    It concerns all threads of the process, and only root can do it.

    Raises:
        PermissionError: when it is entered: this process may not; its ids are as before.
    """
    own_groups, own_gid, own_uid = os.getgroups(), os.getegid(), os.geteuid()
    try:
        # The user comes last: another user may not change groups, and back again it is first.
        os.setgroups(groups)
        os.setegid(gid)
        os.seteuid(uid)
        yield
    finally:
        os.seteuid(own_uid)
        os.setegid(own_gid)
        os.setgroups(own_groups)
