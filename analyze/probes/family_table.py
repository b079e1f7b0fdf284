"""Which system calls stand for which function: facts about glibc, the kernel and their names.

``signature`` declares the function as its manual page and the kernel do, under the kernel's names of arguments.
A member is a system call; each parameter of the function is its argument of the same name, or what the member's
dictionary says: another argument's name, a constant, or None where the call has no such argument.
Members whose arguments ``syscalls.tsv`` does not describe (32-bit calls) are matched by name only.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FamilyCall:
    """A system call of a family: where its parameters differ by name, and ``only`` (C), which of its calls belong."""

    renamed: dict[str, str | int | None] = field(default_factory=dict)
    only: str = ""


@dataclass(frozen=True)
class Family:
    """A function, its parameters as C declarations, the system calls behind it, and why there are several."""

    name: str
    signature: str
    members: dict[str, FamilyCall]
    reason: str = ""
    aliases: tuple[str, ...] = ()


_AT_FDCWD = 0xFFFFFF9C
_CREAT_FLAGS = 0o1101  # O_CREAT | O_WRONLY | O_TRUNC, open(2)


def _family(
    name: str,
    signature: str,
    members: str,
    reason: str = "",
    aliases: str = "",
    **special: FamilyCall | dict[str, str | int | None],
) -> Family:
    table = {}
    for member in members.split():
        given = special.pop(member, FamilyCall())
        table[member] = given if isinstance(given, FamilyCall) else FamilyCall(given)
    if special:
        raise ValueError(f"{name}: no members: {', '.join(special)}")
    return Family(name, signature, table, reason, tuple(aliases.split()))


_OPEN = "glibc calls openat for open"
_STAT = "which of the stat calls glibc makes depends on its version and the machine"
_SLEEP = "glibc calls clock_nanosleep for nanosleep, usleep and sleep"
_AT = "on machines without the older call, glibc makes the one with a directory argument"
_FORK = "glibc calls clone or clone3; threads are made by them too"
_SIZE = "32-bit programs make other calls for 64-bit offsets"

FAMILIES: tuple[Family, ...] = (
    _family(
        "open",
        "const char *filename; int flags; umode_t mode",
        "open openat openat2 creat",
        _OPEN,
        creat={"filename": "pathname", "flags": _CREAT_FLAGS},
        openat2={"flags": None, "mode": None},
    ),
    _family(
        "do_sys_open",
        "int dfd; const char *filename; int flags; umode_t mode",
        "open openat creat",
        "the kernel's common part of open, openat and creat",
        open={"dfd": _AT_FDCWD},
        creat={"dfd": _AT_FDCWD, "filename": "pathname", "flags": _CREAT_FLAGS},
    ),
    _family(
        "do_sys_openat2",
        "int dfd; const char *filename; struct open_how *how",
        "open openat openat2 creat",
        "the kernel's common part of open, openat, openat2 and creat",
        open={"dfd": _AT_FDCWD, "how": None},
        openat={"how": None},
        creat={"dfd": _AT_FDCWD, "filename": "pathname", "how": None},
    ),
    _family(
        "nanosleep",
        "struct timespec *rqtp; struct timespec *rmtp",
        "nanosleep clock_nanosleep clock_nanosleep_time64",
        _SLEEP,
        aliases="do_nanosleep hrtimer_nanosleep",
    ),
    _family(
        "stat",
        "const char *filename; struct stat *statbuf",
        "stat lstat newfstatat statx stat64 lstat64 fstatat64 oldstat oldlstat",
        _STAT,
        aliases="newstat",
        statx={"statbuf": "buffer"},
    ),
    _family(
        "__xstat",
        "int ver; const char *filename; struct stat *statbuf",
        "stat lstat newfstatat statx stat64 lstat64 fstatat64",
        _STAT,
        aliases="__xstat64",
        stat={"ver": None},
        lstat={"ver": None},
        newfstatat={"ver": None},
        statx={"ver": None, "statbuf": "buffer"},
        stat64={"ver": None},
        lstat64={"ver": None},
        fstatat64={"ver": None},
    ),
    _family("fstat", "unsigned int fd; struct stat *statbuf", "fstat fstat64 oldfstat", aliases="newfstat"),
    _family("access", "const char *filename; int mode", "access faccessat faccessat2", _AT),
    _family("rename", "const char *oldname; const char *newname", "rename renameat renameat2", _AT),
    _family(
        "unlink", "const char *pathname", "unlink unlinkat", _AT, unlinkat=FamilyCall(only="!(flag & AT_REMOVEDIR)")
    ),
    _family("rmdir", "const char *pathname", "rmdir unlinkat", _AT, unlinkat=FamilyCall(only="flag & AT_REMOVEDIR")),
    _family("mkdir", "const char *pathname; umode_t mode", "mkdir mkdirat", _AT),
    _family("mknod", "const char *filename; umode_t mode; unsigned int dev", "mknod mknodat", _AT),
    _family("link", "const char *oldname; const char *newname", "link linkat", _AT),
    _family("symlink", "const char *oldname; const char *newname", "symlink symlinkat", _AT),
    _family(
        "readlink",
        "const char *path; char *buf; int bufsiz",
        "readlink readlinkat",
        _AT,
        readlinkat={"path": "pathname"},
    ),
    _family("chmod", "const char *filename; umode_t mode", "chmod fchmodat fchmodat2", _AT),
    _family("chown", "const char *filename; uid_t user; gid_t group", "chown fchownat chown32", _AT),
    _family(
        "utime",
        "const char *filename; struct utimbuf *times",
        "utime utimes utimensat utimensat_time64",
        _AT,
        utimes={"times": None},
        utimensat={"times": None},
        utimensat_time64={"times": None},
    ),
    _family(
        "utimes", "const char *filename; struct timeval *utimes", "utimes futimesat utimensat utimensat_time64", _AT
    ),
    _family(
        "truncate",
        "const char *path; long length",
        "truncate truncate64",
        _SIZE,
        truncate64={"path": "filename", "length": None},
    ),
    _family("ftruncate", "unsigned int fd; off_t length", "ftruncate ftruncate64", _SIZE, ftruncate64={"length": None}),
    _family("statfs", "const char *pathname; struct statfs *buf", "statfs statfs64", _SIZE),
    _family("fstatfs", "unsigned int fd; struct statfs *buf", "fstatfs fstatfs64", _SIZE),
    _family("umount", "const char *name", "umount2 umount", "glibc calls umount2 for umount"),
    _family(
        "pread", "unsigned int fd; char *buf; size_t count; loff_t pos", "pread64", "the kernel calls pread pread64"
    ),
    _family(
        "pwrite",
        "unsigned int fd; const char *buf; size_t count; loff_t pos",
        "pwrite64",
        "the kernel calls pwrite pwrite64",
    ),
    _family(
        "lseek", "unsigned int fd; off_t offset; unsigned int whence", "lseek _llseek", _SIZE, _llseek={"offset": None}
    ),
    _family("fcntl", "unsigned int fd; unsigned int cmd; unsigned long arg", "fcntl fcntl64", _SIZE),
    _family("sendfile", "int out_fd; int in_fd; loff_t *offset; size_t count", "sendfile sendfile64", _SIZE),
    _family(
        "getdents", "unsigned int fd; void *dirent; unsigned int count", "getdents getdents64", "glibc calls getdents64"
    ),
    _family(
        "posix_fadvise",
        "int fd; loff_t offset; size_t len; int advice",
        "fadvise64 fadvise64_64",
        "the kernel calls it fadvise64",
        fadvise64_64={"offset": None, "len": None},
    ),
    _family("dup2", "unsigned int oldfd; unsigned int newfd", "dup2 dup3", "machines without dup2 make it from dup3"),
    _family("pipe", "int *fildes", "pipe pipe2", "machines without pipe make it from pipe2"),
    _family(
        "mmap",
        "unsigned long addr; unsigned long len; unsigned long prot; unsigned long flags; unsigned long fd; "
        "unsigned long off",
        "mmap mmap2",
        _SIZE,
        mmap2={"off": None},
    ),
    _family(
        "accept",
        "int fd; struct sockaddr *upeer_sockaddr; int *upeer_addrlen",
        "accept accept4",
        "machines without accept make it from accept4",
    ),
    _family("recv", "int fd; void *ubuf; size_t size; unsigned int flags", "recvfrom", "glibc calls recvfrom for recv"),
    _family("send", "int fd; void *buff; size_t len; unsigned int flags", "sendto", "glibc calls sendto for send"),
    _family(
        "recvmmsg",
        "int fd; struct mmsghdr *mmsg; unsigned int vlen; unsigned int flags; struct timespec *timeout",
        "recvmmsg recvmmsg_time64",
        _SIZE,
    ),
    _family(
        "eventfd",
        "unsigned int count; int flags",
        "eventfd eventfd2",
        "glibc calls eventfd2 for eventfd",
        eventfd={"flags": 0},
    ),
    _family("signalfd", "int ufd; sigset_t *user_mask", "signalfd signalfd4", "glibc calls signalfd4 for signalfd"),
    _family("inotify_init", "", "inotify_init inotify_init1", "glibc calls inotify_init1 for inotify_init"),
    _family(
        "epoll_create",
        "int size",
        "epoll_create epoll_create1",
        "machines without epoll_create make it from epoll_create1",
        epoll_create1={"size": None},
    ),
    _family(
        "epoll_wait",
        "int epfd; struct epoll_event *events; int maxevents; int timeout",
        "epoll_wait epoll_pwait epoll_pwait2",
        "machines without epoll_wait make it from epoll_pwait",
        epoll_pwait2={"timeout": None},
    ),
    _family(
        "poll",
        "struct pollfd *ufds; unsigned int nfds; int timeout_msecs",
        "poll ppoll ppoll_time64",
        "machines without poll make it from ppoll",
        ppoll={"timeout_msecs": None},
        ppoll_time64={"timeout_msecs": None},
    ),
    _family(
        "select",
        "int n; fd_set *inp; fd_set *outp; fd_set *exp; struct timeval *tvp",
        "select pselect6 _newselect pselect6_time64",
        "glibc calls pselect6 for select",
        pselect6={"tvp": None},
        pselect6_time64={"tvp": None},
    ),
    _family("fork", "", "clone clone3 fork vfork", _FORK, aliases="vfork"),
    _family(
        "clone",
        "unsigned long clone_flags; unsigned long newsp; int *parent_tidptr; int *child_tidptr; unsigned long tls",
        "clone clone3 fork vfork",
        _FORK,
        clone3=dict.fromkeys(("clone_flags", "newsp", "parent_tidptr", "child_tidptr", "tls")),
        fork=dict.fromkeys(("clone_flags", "newsp", "parent_tidptr", "child_tidptr", "tls")),
        vfork=dict.fromkeys(("clone_flags", "newsp", "parent_tidptr", "child_tidptr", "tls")),
    ),
    _family("wait", "int *stat_addr", "wait4 waitpid", "glibc calls wait4 for wait"),
    _family(
        "waitpid",
        "pid_t upid; int *stat_addr; int options",
        "wait4 waitpid",
        "glibc calls wait4 for waitpid",
        waitpid={"upid": "pid"},
    ),
    _family("wait3", "int *stat_addr; int options; struct rusage *ru", "wait4", "glibc calls wait4 for wait3"),
    _family("exit", "int error_code", "exit exit_group", "glibc calls exit_group for exit", aliases="_exit _Exit"),
    _family(
        "getrlimit",
        "unsigned int resource; struct rlimit *rlim",
        "getrlimit prlimit64 ugetrlimit",
        "glibc calls prlimit64 for getrlimit",
        prlimit64=FamilyCall({"rlim": "old_rlim"}, only="old_rlim != 0"),
    ),
    _family(
        "setrlimit",
        "unsigned int resource; struct rlimit *rlim",
        "setrlimit prlimit64",
        "glibc calls prlimit64 for setrlimit",
        prlimit64=FamilyCall({"rlim": "new_rlim"}, only="new_rlim != 0"),
    ),
    _family(
        "prlimit",
        "pid_t pid; unsigned int resource; const struct rlimit *new_rlim; struct rlimit *old_rlim",
        "prlimit64",
        "the kernel calls it prlimit64",
    ),
    _family(
        "sigaction",
        "int sig; const struct sigaction *act; struct sigaction *oact",
        "rt_sigaction sigaction",
        "glibc calls rt_sigaction for sigaction",
    ),
    _family(
        "signal",
        "int sig; void *act",
        "rt_sigaction signal",
        "glibc calls rt_sigaction for signal",
        signal={"act": "handler"},
    ),
    _family(
        "sigprocmask",
        "int how; sigset_t *nset; sigset_t *oset",
        "rt_sigprocmask sigprocmask",
        "glibc calls rt_sigprocmask for sigprocmask",
        aliases="pthread_sigmask",
    ),
    _family(
        "sigpending",
        "sigset_t *uset",
        "rt_sigpending sigpending",
        "glibc calls rt_sigpending for sigpending",
        sigpending={"uset": "set"},
    ),
    _family(
        "sigsuspend",
        "sigset_t *unewset",
        "rt_sigsuspend sigsuspend",
        "glibc calls rt_sigsuspend for sigsuspend",
        sigsuspend={"unewset": None},
    ),
    _family(
        "sigtimedwait",
        "const sigset_t *uthese; siginfo_t *uinfo; const struct timespec *uts",
        "rt_sigtimedwait rt_sigtimedwait_time64",
        "glibc calls rt_sigtimedwait for sigtimedwait",
    ),
)

NOT_CALLS: dict[str, tuple[str, ...]] = {
    "sleep": ("nanosleep",),
    "usleep": ("nanosleep",),
    "fopen": ("open",),
    "fclose": ("close",),
    "fread": ("read",),
    "fgets": ("read",),
    "gets": ("read",),
    "getline": ("read",),
    "fwrite": ("write",),
    "fputs": ("write",),
    "puts": ("write",),
    "printf": ("write",),
    "fprintf": ("write",),
    "malloc": ("brk", "mmap"),
    "calloc": ("brk", "mmap"),
    "realloc": ("brk", "mmap", "mremap"),
    "free": ("munmap", "brk"),
    "opendir": ("open",),
    "readdir": ("getdents64",),
    "system": ("fork", "execve", "wait4"),
    "popen": ("fork", "execve", "pipe2"),
    "execv": ("execve",),
    "execvp": ("execve",),
    "execl": ("execve",),
    "execlp": ("execve",),
    "posix_spawn": ("clone3", "execve"),
    "pthread_create": ("clone3",),
    "pthread_mutex_lock": ("futex",),
    "pthread_cond_wait": ("futex",),
    "getaddrinfo": ("connect", "sendto", "recvfrom"),
    "gethostbyname": ("connect", "sendto", "recvfrom"),
    "tcp_connect": ("connect",),
    "tcp_v4_connect": ("connect",),
    "tcp_v6_connect": ("connect",),
    "tcp_sendmsg": ("sendto", "sendmsg", "write"),
    "tcp_recvmsg": ("recvfrom", "recvmsg", "read"),
    "vfs_read": ("read", "pread64", "readv"),
    "vfs_write": ("write", "pwrite64", "writev"),
    "vfs_open": ("open",),
    "vfs_unlink": ("unlink",),
    "vfs_fsync": ("fsync",),
    "vfs_statx": ("stat", "statx"),
    "__vfs_read": ("read",),
    "__vfs_write": ("write",),
    "do_filp_open": ("open",),
    "do_execve": ("execve",),
    "kmalloc": (),
    "__kmalloc": (),
}
"""Functions people probe that are no system calls, and the system calls that they lead to."""
