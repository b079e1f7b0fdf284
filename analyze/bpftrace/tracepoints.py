"""The tracepoints of system calls: their names, which differ from the calls' here and there, and their fields.

Names: those of the kernel's SYSCALL_DEFINE, as events/syscalls in tracefs has them, Linux 6.18; tests compare them with
the running kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bpfrec.analyze.bpftrace.kinds import I64, STRING, U64, Array, Int, Kind, Pointer, Struct, named_type
from bpfrec.formats.kernel.syscalls import Argument, Syscall, syscalls

_NAMES = {
    "stat": "newstat",
    "lstat": "newlstat",
    "fstat": "newfstat",
    "uname": "newuname",
    "sendfile": "sendfile64",
    "umount2": "umount",
}
"""Names of the tracepoints where they are not the call's own."""


_SIGNED = frozenset({"key_t", "clockid_t", "timer_t", "mqd_t", "key_serial_t", "rwf_t", "__s32"})


@dataclass(frozen=True)
class Field:
    """A field of a tracepoint: its name, type, how the kernel declares it; ``argument`` of the call, if it is one."""

    name: str
    kind: Kind
    declared: str
    argument: Argument | None = None


def tracepoint_name(call: str) -> str:
    """What stands behind ``sys_enter_`` for the call of that name."""
    return _NAMES.get(call, call)


@cache
def traced_calls() -> dict[str, Syscall]:
    """The calls of x86-64 that have tracepoints, by what stands behind ``sys_enter_``."""
    return {
        tracepoint_name(name): call
        for name, call in sorted(syscalls().items())
        if "x86_64" in call.numbers and call.arguments is not None
    }


def pointed(declared: str) -> Kind:
    """The type of a field that the kernel declares so: pointers by what they point at, all else a whole register.

    It has the sign of the declared type, though a narrower one is not extended: the register is shown as it is.
    """
    if not declared.endswith("*"):
        words = tuple(word for word in declared.split() if word != "const")
        plain = named_type(words)
        signed = words[-1] in _SIGNED or (isinstance(plain, Int) and plain.signed)
        return Int(64, signed)
    stars = declared.count("*")
    words = tuple(word for word in declared.replace("*", " ").split() if word not in ("const", "__user"))
    kind: Kind | None = named_type(words)
    if isinstance(kind, Struct) and kind.name in ("user_msghdr", "msghdr"):
        kind = Struct("user_msghdr")
    for _ in range(stars):
        kind = Pointer(None if kind is None or str(kind) == "void" else kind)
    return kind or Pointer(None)


@cache
def entry_fields(name: str) -> dict[str, Field]:
    """The fields of ``sys_enter_NAME``."""
    call = traced_calls()[name]
    number = Field("__syscall_nr", Int(32, True), "int")
    arguments = {a.name: Field(a.name, pointed(a.ctype), a.ctype, a) for a in call.arguments or ()}
    return {"__syscall_nr": number} | arguments


EXIT_FIELDS = {f.name: f for f in (Field("__syscall_nr", Int(32, True), "int"), Field("ret", I64, "long"))}
RAW_ENTRY_FIELDS = {f.name: f for f in (Field("id", I64, "long"), Field("args", Array(U64, 6), "unsigned long[6]"))}
RAW_EXIT_FIELDS = {f.name: f for f in (Field("id", I64, "long"), Field("ret", I64, "long"))}

_TEXT = STRING
FORK_FIELDS = {
    f.name: f
    for f in (
        Field("parent_comm", _TEXT, "char[16]"),
        Field("parent_pid", Int(32, True), "pid_t"),
        Field("child_comm", _TEXT, "char[16]"),
        Field("child_pid", Int(32, True), "pid_t"),
    )
}
EXEC_FIELDS = {
    f.name: f
    for f in (
        Field("filename", STRING, "__data_loc char[]"),
        Field("pid", Int(32, True), "pid_t"),
        Field("old_pid", Int(32, True), "pid_t"),
    )
}
PROCESS_EXIT_FIELDS = {
    f.name: f
    for f in (
        Field("comm", _TEXT, "char[16]"),
        Field("pid", Int(32, True), "pid_t"),
        Field("prio", Int(32, True), "int"),
    )
}
