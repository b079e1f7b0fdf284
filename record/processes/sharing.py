"""Which threads have one table of descriptors, or one working directory and root: kcmp(2)."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterable
from functools import cmp_to_key
from itertools import groupby

from bpfrec.bpf.selection import NATIVE_ABI
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.processes import procfs

FILES, DIRECTORIES = 2, 3
"""What is compared: KCMP_FILES and KCMP_FS of include/uapi/linux/kcmp.h."""

_LESS = 1
_NUMBER = syscalls()["kcmp"].numbers[NATIVE_ABI]
_libc = ctypes.CDLL(None, use_errno=True)


def compare(one: int, other: int, what: int) -> int | None:
    """Compares two threads by what they have: 0 the same, negative or positive in some order; None: not known."""
    found = _libc.syscall(_NUMBER, one, other, what, 0, 0)
    if found == _LESS:
        return -1
    return found if found >= 0 else None


def share(one: int, other: int, what: int) -> bool:
    """Tells whether two threads of a process share it; true where that cannot be found out, for nearly all do."""
    found = compare(one, other, what)
    if found is None and ctypes.get_errno() == errno.ENOSYS:
        return _contents(one, what) == _contents(other, what)
    return not found


def sharing(threads: Iterable[int], what: int) -> dict[int, int]:
    """Returns for each of ``threads`` that shares with one of a lower id the lowest such id.

    Those of different processes rarely do: they were made by clone(2) with CLONE_FILES or CLONE_FS.
    """

    def order(one: int, other: int) -> int:
        return compare(one, other, what) or 0

    known = [tid for tid in threads if compare(tid, tid, what) == 0]
    known.sort(key=cmp_to_key(order))
    same: dict[int, int] = {}
    for _, group in groupby(known, key=cmp_to_key(order)):
        lowest, *others = sorted(group)
        same |= dict.fromkeys(others, lowest)
    return same


def _contents(tid: int, what: int) -> object:
    """What a thread has: a kernel without kcmp does not say whether another that has the same shares it."""
    if what == DIRECTORIES:
        return procfs.link(tid, "cwd"), procfs.link(tid, "root")
    return [(number, procfs.link(tid, f"fd/{number}")) for number in procfs.descriptors(tid) or ()]
