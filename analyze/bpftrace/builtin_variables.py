"""The builtins of the language: their types, and at which probes a trace has them."""

from __future__ import annotations

from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.kinds import STRING, U64, Args, Int, Kind, Pointer, Stack, Str
from bpfrec.analyze.bpftrace.probes import Source

U32 = Int(32, False)

REFUSED = {
    "gid": ("the trace does not hold group ids", "Ask for uid."),
    "cgroup": ("the trace does not hold the cgroup of a call", "record --cgroup PATH records those of one cgroup."),
    "numaid": ("the trace does not hold NUMA nodes", "Ask for cpu at the exit of a call."),
    "curtask": ("the trace does not hold the kernel's structs", "pid, tid, comm, uid and ppid are there."),
    "ctx": ("the trace does not hold registers", "Ask for args."),
    "rand": ("random numbers cannot be replayed", ""),
    "jiffies": ("the trace does not count jiffies", "Ask for nsecs."),
    "pcomm": ("the trace does not hold the parent's name at that time", "Ask for ppid."),
    "config": ("settings are not values", "Write them out."),
    "usermode": ("the trace does not say whether a sample was taken in the kernel", ""),
}
"""What a trace cannot know, why, and what to ask for instead."""


def builtin_kinds(dialect: Dialect) -> dict[str, Kind]:
    """The types of those that a replay has."""
    number: Kind = U64 if dialect.old else U32
    return {
        "pid": number,
        "tid": number,
        "cpu": number,
        "uid": U64,
        "nsecs": U64,
        "elapsed": U64,
        "ncpus": U64,
        "cpid": U64,
        "ppid": U32,
        "comm": STRING,
        "username": Str("username"),
        "probe": Str("probe"),
        "probetype": STRING,
        "func": Str("ksym"),
        "retval": U64,
        "args": Args(),
        "ustack": Stack("ustack"),
        "kstack": Stack("kstack"),
    }


RAW_ARGUMENTS: dict[Source, tuple[Kind, ...]] = {
    Source.RAW_ENTER: (Pointer(None), U64),
    Source.RAW_EXIT: (Pointer(None), U64),
}
"""What arg0 and arg1 are at a raw tracepoint: registers, then the number of the call or what it gave."""
