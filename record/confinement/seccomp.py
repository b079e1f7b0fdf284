"""A seccomp filter for processes that compute, read and write files, and have no reason to do anything else."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator

from bpfrec.formats.kernel.syscalls import syscalls

DENIED = (
    # Other programs, and other processes. Threads are made with clone, and abort() uses tgkill: see below.
    *("execve", "execveat", "fork", "vfork", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "setns", "unshare"),
    *("pidfd_open", "pidfd_getfd", "pidfd_send_signal"),
    # The network, and other ways to talk to programs.
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "mq_open", "msgget", "semget"),
    *("shmget", "shmat", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    # Parts of the kernel that have had faults, and none of our business.
    *("bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "personality", "modify_ldt"),
    *("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick"),
    *("mount_setattr", "open_by_handle_at", "name_to_handle_at", "quotactl", "quotactl_fd", "swapon", "swapoff"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "acct", "syslog"),
    *("sethostname", "setdomainname", "iopl", "ioperm", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex"),
    # Names for files of others.
    *("link", "linkat", "symlink", "symlinkat", "mknod", "mknodat"),
)
"""System calls that fail with EPERM."""

# include/uapi/linux/seccomp.h, filter.h, audit.h, sched.h; asm-generic/ioctls.h
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
_X86_64, _X32_NUMBERS = 0xC000003E, 0x40000000
_CLONE_THREAD = 0x10000
_EPERM, _ENOSYS = 1, 38
# They type into, or control, the terminal that standard error may be.
_TERMINAL_REQUESTS = (0x5412, 0x541C)

_Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def filter_calls() -> str:
    """Denies this process the calls :data:`DENIED`, for ever. Returns why that failed; '': it did not.

    The process has only one thread, and PR_SET_NO_NEW_PRIVS is set.
    """
    if os.uname().machine != "x86_64":
        return f"there is no filter of system calls for {os.uname().machine}"
    code = b"".join(struct.pack("<HBBI", *one) for one in _filter(os.getpid()))
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0):
        return f"no filter of system calls: {os.strerror(ctypes.get_errno())}"
    return ""


def _filter(pid: int) -> Iterator[_Instruction]:
    """The filter of the process ``pid``, as instructions of classic BPF: code, jumps if true and if false, operand."""
    numbers = {name: call.numbers["x86_64"] for name, call in syscalls().items() if "x86_64" in call.numbers}
    deny = (_RETURN, 0, 0, _ERRNO | _EPERM)
    yield (_LOAD, 0, 0, _MACHINE)
    yield (_EQUAL, 1, 0, _X86_64)
    yield deny
    yield (_LOAD, 0, 0, _NUMBER)
    yield (_AT_LEAST, 0, 1, _X32_NUMBERS)
    yield deny
    for name in DENIED:
        if name in numbers:
            yield (_EQUAL, 0, 1, numbers[name])
            yield deny
    # The C library falls back to clone, whose flags can be seen here.
    yield (_EQUAL, 0, 1, numbers["clone3"])
    yield (_RETURN, 0, 0, _ERRNO | _ENOSYS)
    yield from _only_if(numbers["clone"], 0, (_ANY_BIT, 1, 0, _CLONE_THREAD))
    yield from _only_if(numbers["tgkill"], 0, (_EQUAL, 1, 0, pid))
    for request in _TERMINAL_REQUESTS:
        yield (_EQUAL, 0, 4, numbers["ioctl"])
        yield (_LOAD, 0, 0, _ARGUMENTS + 8)
        yield (_EQUAL, 0, 1, request)
        yield deny
        yield (_LOAD, 0, 0, _NUMBER)
    yield (_RETURN, 0, 0, _ALLOW)


def _only_if(number: int, argument: int, test: _Instruction) -> Iterator[_Instruction]:
    """Denies the call ``number`` unless ``test`` of the low half of its ``argument`` skips one instruction."""
    yield (_EQUAL, 0, 4, number)
    yield (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)
    yield test
    yield (_RETURN, 0, 0, _ERRNO | _EPERM)
    yield (_LOAD, 0, 0, _NUMBER)
