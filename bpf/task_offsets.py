"""Where the kernel keeps what the program asks of tasks, as defines for ``programs/processes.c``."""

from __future__ import annotations

from bpfrec.bpf.btf import member_offsets

_DEFINES = {
    "TASK_TGID": ("task_struct", "tgid"),
    "TASK_SIGNAL": ("task_struct", "signal"),
    "TASK_GROUP_LEADER": ("task_struct", "group_leader"),
    "TASK_EXIT_CODE": ("task_struct", "exit_code"),
    "TASK_THREAD_PID": ("task_struct", "thread_pid"),
    "SIGNAL_LIVE": ("signal_struct", "live"),
    "SIGNAL_FLAGS": ("signal_struct", "flags"),
    "SIGNAL_GROUP_EXIT_CODE": ("signal_struct", "group_exit_code"),
    "PID_LEVEL": ("pid", "level"),
    "PID_NUMBERS": ("pid", "numbers"),
    "UPID_NR": ("upid", "nr"),
    "UPID_NS": ("upid", "ns"),
}
# Two structs deep: pid_namespace.ns.inum.
_INUM = (("pid_namespace", "ns"), ("ns_common", "inum"))


def task_defines() -> list[str]:
    """The defines, as ``NAME=offset in bytes``.

    Raises:
        BpfrecError: the kernel's type information is missing or lacks a member.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for struct, member in (*_DEFINES.values(), *_INUM):
        wanted[struct] = (*wanted.get(struct, ()), member)
    offsets = member_offsets(wanted)
    inum = sum(offsets[place] for place in _INUM)
    return [*(f"{name}={offsets[place]}" for name, place in _DEFINES.items()), f"PID_NAMESPACE_INUM={inum}"]
