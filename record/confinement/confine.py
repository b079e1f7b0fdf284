"""Gives up, for ever, all rights that a process of the recorder does not need."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bpfrec.record.confinement.identity import Identity, Unchanged, check_readable
from bpfrec.record.confinement.landlock import work_only_in
from bpfrec.record.confinement.seccomp import filter_calls

_log = logging.getLogger(__name__)

# include/uapi/linux/prctl.h, capability.h
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _CLEAR_ALL = 1, 4, 38, 47, 4
_CAPABILITY_VERSION = 0x20080522
_DAC_READ_SEARCH = 1 << 2
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/proc", "/sys/devices/system"),
    # DuckDB asks for the memory and the CPUs that it may have.
    *("/sys/fs/cgroup", "/dev/null", "/dev/urandom"),
)


def confine(identity: Identity | Unchanged, folders: Sequence[int], readable: Sequence[int] = ()) -> None:
    """Makes this process, which has one thread, somebody who can only read, compute, and write in ``folders``.

    ``folders``: descriptors of them. ``readable``: descriptors of folders that it also reads, where it stays root and
    may otherwise read only what bpfrec is made of. What the kernel does not have is left out and logged; a recording
    does not fail for want of it. The kernel still kills this process when its parent ends.

    Raises:
        OSError: it cannot become ``identity``.
    """
    parent = os.getppid()
    if isinstance(identity, Identity):
        # While it is root, it may have any groups; afterwards, none.
        os.setgroups(identity.groups)
        os.setresgid(identity.gid, identity.gid, identity.gid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
        _log.info("%d works as user %d and group %d", os.getpid(), identity.uid, identity.gid)
    else:
        _log.info("%d works as user %d: %s", os.getpid(), os.geteuid(), identity.why)
    libc = ctypes.CDLL(None, use_errno=True)
    # A change of users undoes it.
    libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    # Other processes of this user may not look into this one: ptrace(2), "Ptrace access mode checking".
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    _drop_capabilities(libc)
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Root's own files are root's without any capability.
    only = {*_needed(), *(Path(f"/proc/self/fd/{number}") for number in readable)} if os.geteuid() == 0 else None
    for remark in (work_only_in(folders, only), filter_calls()):
        if remark:
            _log.info("%d is not wholly confined: %s", os.getpid(), remark)


def _needed() -> set[Path]:
    """What Python, its libraries and bpfrec read by themselves."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    modules = {Path(file).parent for file in files if file}
    return {*modules, *map(Path, (sys.prefix, sys.base_prefix, *filter(None, sys.path), *_SYSTEM))}


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Drops all capabilities, but for reading where bpfrec itself is in a folder that this user may not enter."""
    _set_capabilities(libc, 0, _DAC_READ_SEARCH)
    try:
        check_readable()
    except OSError as error:
        if _set_capabilities(libc, _DAC_READ_SEARCH, _DAC_READ_SEARCH):
            _log.info("%d keeps CAP_DAC_READ_SEARCH, to read what bpfrec is made of: %s", os.getpid(), error)
            return
    _set_capabilities(libc, 0, 0)


def _set_capabilities(libc: ctypes.CDLL, effective: int, permitted: int) -> bool:
    """Sets the capabilities of this thread, none of them inheritable; whether that worked: see capset(2)."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    return not libc.capset(header, (ctypes.c_uint32 * 6)(effective, permitted, 0, 0, 0, 0))
