"""The functions of the language: which replay, with how many arguments, and why the others do not."""

from __future__ import annotations

ARITY: dict[str, tuple[int, int]] = {
    "count": (0, 0),
    "sum": (1, 1),
    "min": (1, 1),
    "max": (1, 1),
    "avg": (1, 1),
    "stats": (1, 1),
    "hist": (1, 2),
    "lhist": (4, 4),
    "tseries": (3, 4),
    "printf": (1, 64),
    "errorf": (1, 64),
    "warnf": (1, 64),
    "print": (1, 3),
    "clear": (1, 1),
    "zero": (1, 1),
    "delete": (1, 2),
    "has_key": (2, 2),
    "len": (1, 1),
    "time": (0, 1),
    "strftime": (2, 2),
    "exit": (0, 1),
    "assert": (1, 2),
    "join": (1, 2),
    "str": (1, 2),
    "buf": (1, 2),
    "ntop": (1, 2),
    "pton": (1, 1),
    "usym": (1, 1),
    "ksym": (1, 1),
    "ustack": (0, 2),
    "kstack": (0, 2),
    "strncmp": (3, 3),
    "strcontains": (2, 2),
    "strlen": (1, 1),
    "strstr": (2, 2),
    "strerror": (1, 1),
    "syscall_name": (1, 1),
    "signal_name": (1, 1),
    "bswap": (1, 1),
    "nsecs": (0, 1),
    "getopt": (1, 3),
    "macaddr": (1, 1),
}
"""Every function that replays, with the least and most arguments."""

UNSAFE = frozenset({"system", "signal", "override", "write_user", "override_return", "signal_thread"})
REFUSED = {
    "cat": "it reads a file of the running system",
    "kaddr": "the trace does not hold the kernel's addresses",
    "uaddr": "the trace does not hold addresses of variables",
    "cgroupid": "it asks the running system",
    "cgroup_path": "it asks the running system",
    "path": "the trace does not hold the kernel's paths",
    "reg": "the trace does not hold registers",
    "skboutput": "the trace does not hold packets",
    "socket_cookie": "the trace does not hold the kernel's sockets",
    "percpu_kaddr": "the trace does not hold the kernel's memory",
    "kptr": "the trace does not hold the kernel's memory",
    "uptr": "what a pointer leads to is known of the arguments of calls alone",
    "unwatch": "accesses to memory are not recorded",
    "debugf": "it writes to the kernel's trace pipe",
    "kstack_id": "the trace has kernel stacks of samples alone",
}
"""Functions that cannot be replayed, and why."""

AGGREGATES = frozenset({"count", "sum", "min", "max", "avg", "stats", "hist", "lhist", "tseries"})
STACK_MODES = ("bpftrace", "perf", "raw", "build_id")
MOST_BUCKETS = 1000
MOST_INTERVALS = 1_000_000
