"""Offsets in structs of the kernel that the BPF program reads, as defines for compiling it."""

from __future__ import annotations

import os
import re
from itertools import chain

from bpfrec.bpf.btf import arguments_of, has_name, member_offsets, nested_offsets, offset_of_run
from bpfrec.formats.errors import BpfrecError

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
    "BPRM_FILENAME": ("linux_binprm", "filename"),
    "BPRM_INTERP": ("linux_binprm", "interp"),
    "BPRM_P": ("linux_binprm", "p"),
}
SUBMIT, OLD_SUBMIT = "io_uring_submit_req", "io_uring_submit_sqe"
"""Tracepoints at which io_uring takes a request: since Linux 6.3, and before."""
_OLD_SUBMIT_ARGUMENTS, _COMPLETION_OF_ENTRY, _COMPLETION_OF_MEMBERS = 2, 3, 7
_RING = {
    "RING_FLAGS": "flags",
    "RING_HEAD": "cached_sq_head",
    "RING_ENTRIES": "sq_entries",
    "RING_ARRAY": "sq_array",
    "RING_SQES": "sq_sqes",
}
# The kernel whose sched_switch has a fourth argument.
_SWITCH_TELLS_STATE = (5, 19)
# A member of a struct that is a member of another.
_NESTED = {
    "PID_NAMESPACE_INUM": (("pid_namespace", "ns"), ("ns_common", "inum")),
    "TASK_STATUS": (("task_struct", "thread_info"), ("thread_info", "status")),
}


def task_defines(types: bytes | None = None) -> list[str]:
    """The defines that every recording needs, as ``NAME=offset in bytes``; ``types``: of :func:`.kernel_types`.

    Raises:
        BpfrecError: the kernel's type information is missing or lacks a member.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for struct, member in (*_DEFINES.values(), *chain(*_NESTED.values())):
        wanted[struct] = (*wanted.get(struct, ()), member)
    offsets = member_offsets(wanted, types)
    found = {name: offsets[place] for name, place in _DEFINES.items()}
    found |= {name: sum(offsets[place] for place in places) for name, places in _NESTED.items()}
    return [f"{name}={offset}" for name, offset in found.items()]


def sched_defines(types: bytes | None = None) -> list[str]:
    """The defines that say what sched_switch tells, and where a thread's times are.

    Raises:
        BpfrecError: the kernel's type information is missing or lacks a member.
    """
    # TASK_STATE is called __state since Linux 5.14. Its value may have changed by the time that it is read.
    state = "__state" if has_name("__state", types) else "state"
    offsets = member_offsets(
        {"task_struct": ("pid", state, "utime", "stime", "se"), "sched_entity": ("sum_exec_runtime",)}, types
    )
    run = offsets["task_struct", "se"] + offsets["sched_entity", "sum_exec_runtime"]
    places = {"TASK_PID": "pid", "TASK_STATE": state, "TASK_UTIME": "utime", "TASK_STIME": "stime"}
    tells = ["SWITCH_TELLS_STATE"] if _version() >= _SWITCH_TELLS_STATE else []
    return [*tells, f"TASK_RUN={run}", *(f"{name}={offsets['task_struct', place]}" for name, place in places.items())]


def _version() -> tuple[int, ...]:
    """Major and minor number of the running kernel."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", os.uname().release)[:2])


def submit_point(types: bytes | None = None) -> str | None:
    """The tracepoint that tells of each request to io_uring; None: the kernel has none that gives the request."""
    if has_name(f"btf_trace_{SUBMIT}", types):
        return SUBMIT
    # Before Linux 6.0 it gave the members of a request, not the request.
    return OLD_SUBMIT if arguments_of(f"btf_trace_{OLD_SUBMIT}", types) == _OLD_SUBMIT_ARGUMENTS else None


def uring_defines(types: bytes | None = None) -> list[str]:
    """The defines that say where a request to io_uring has its opcode and what it closes; none if not known."""
    try:
        offsets = member_offsets({"io_kiocb": ("opcode",), "io_close": ("fd", "file_slot")}, types)
    except BpfrecError:
        return []
    # A request begins with what is particular to its opcode: io_kiocb_to_cmd() of include/linux/io_uring_types.h.
    return [
        f"REQUEST_OPCODE={offsets['io_kiocb', 'opcode']}",
        f"REQUEST_CLOSE_FD={offsets['io_close', 'fd']}",
        f"REQUEST_CLOSE_SLOT={offsets['io_close', 'file_slot']}",
    ]


def request_defines(types: bytes | None = None) -> list[str]:
    """The defines that say where a request to io_uring has the rest; none where completions do not name requests."""
    completion = arguments_of("btf_trace_io_uring_complete", types)
    if completion not in (_COMPLETION_OF_ENTRY, _COMPLETION_OF_MEMBERS):
        return []
    try:
        offsets = member_offsets({"io_kiocb": ("ctx", "cqe"), "io_cqe": ("user_data",)}, types)
        ring = nested_offsets("io_ring_ctx", _RING.values(), types)
    except BpfrecError:
        return []
    return [
        f"REQUEST_RING={offsets['io_kiocb', 'ctx']}",
        f"REQUEST_USER_DATA={offsets['io_kiocb', 'cqe'] + offsets['io_cqe', 'user_data']}",
        *(f"{name}={ring[member]}" for name, member in _RING.items()),
        *(["COMPLETE_TAKES_CQE"] if completion == _COMPLETION_OF_ENTRY else []),
    ]


def stack_defines(types: bytes | None = None) -> list[str]:
    """The defines that say where a thread's stack begins; none if the kernel's type information lacks them."""
    start = offset_of_run(("start_stack", "arg_start", "arg_end", "env_start", "env_end", "saved_auxv"), types)
    try:
        offsets = member_offsets({"task_struct": ("mm", "thread"), "thread_struct": ("fsbase",)}, types)
    except BpfrecError:
        return []
    if start is None:
        return []
    base = offsets["task_struct", "thread"] + offsets["thread_struct", "fsbase"]
    return [f"TASK_MM={offsets['task_struct', 'mm']}", f"MM_START_STACK={start}", f"TASK_FSBASE={base}"]


def register_defines(types: bytes | None = None) -> list[str]:
    """The defines that say where the registers are that a thread entered the kernel with.

    Either a helper function gives them, or they are at the end of the thread's kernel stack.
    """
    if has_name("BPF_FUNC_task_pt_regs", types):
        return ["TASK_REGISTERS"]
    try:
        return [f"TASK_STACK={member_offsets({'task_struct': ('stack',)}, types)['task_struct', 'stack']}"]
    except BpfrecError:
        return []
