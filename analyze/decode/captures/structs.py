"""Structs: a column for each member, and the text of those that strace has one for."""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.decode.captures import signals, socket_options
from bpfrec.analyze.decode.captures.view import (
    CaptureColumn,
    CaptureView,
    Values,
    column,
    members_text,
    name_of_row,
    row_join,
)
from bpfrec.analyze.decode.number_texts import masked, number_text, ubigint
from bpfrec.analyze.decode.sql_parts import listed, sql
from bpfrec.analyze.engine.sqltemplate import Fragment
from bpfrec.formats.kernel.captures import STRUCTS, StructMember
from bpfrec.formats.kernel.decoding import constants
from bpfrec.formats.kernel.syscalls import Capture


def struct(capture: Capture) -> CaptureView:
    """How a struct of :data:`STRUCTS` is shown."""
    members = {member.name: member for member in STRUCTS[capture.kind]}
    row = name_of_row("c", capture.index)
    value = member_values(row, capture.kind)
    joins = (row_join("structs", row, capture.index),)

    def of_member(member: StructMember) -> CaptureColumn:
        sql_type, macro = _TYPES[member.bits, member.signed]
        comment = f"{member.name} of the struct {capture.kind}; NULL: see status, or none was passed"
        expression = sql("structs.cast", macro=Fragment(macro), value=value(member.name))
        return CaptureColumn(f"_{member.name}", sql_type, comment, expression, joins)

    why = "NULL: read whole, or none was passed; else unreadable, truncated, lost"
    status = CaptureColumn("_status", "VARCHAR", why, column(row, "status"), joins)
    form = _TEXTS.get(capture.kind)
    text = members_text(form, members, value) if isinstance(form, str) else form(value) if form else None
    columns = [*map(of_member, members.values()), status]
    if capture.kind == "sockopt":
        why = "value of an option that is an int, such as SO_ERROR; NULL: of another, or see status"
        columns.insert(0, CaptureColumn("_value", "INTEGER", why, socket_options.number(value), joins))
    return CaptureView(tuple(columns), text, joins)


def member_values(row: Fragment, kind: str) -> Values:
    """What gives SQL for the members of the struct in ``row``, a row of ``structs``."""
    members = {member.name: member for member in STRUCTS[kind]}

    def value(name: str) -> Fragment:
        member = members[name]
        word = sql("structs.word", row=row, number=member.word)
        shifted = sql("structs.shifted", word=word, shift=member.shift) if member.shift else word
        return shifted if member.bits == 64 else masked(shifted, member.bits)

    return value


_TYPES = {
    (64, True): ("BIGINT", "c_long"),
    (64, False): ("UBIGINT", ""),
    (32, True): ("INTEGER", "c_int"),
    (32, False): ("UINTEGER", "c_uint"),
    (16, True): ("SMALLINT", "c_short"),
    (16, False): ("USMALLINT", "c_ushort"),
}
"""SQL type and macro by the bits of a member, and whether it has a sign."""


def _change_times(unit: str) -> Callable[[Values], Fragment]:
    """The text of times of access and change; UTIME_NOW and UTIME_OMIT are for nanoseconds alone."""

    def text(value: Values) -> Fragment:
        access, change = (_change_time(which, unit, value) for which in ("atime", "mtime"))
        return sql("structs.change_times", access=access, change=change)

    return text


def _change_time(which: str, unit: str, value: Values) -> Fragment:
    member = f"{which}_tv_{unit}"
    time = members_text(f"{{tv_sec=<{which}_tv_sec>, tv_{unit}=<{member}:uint>}}", {}, value)
    if unit != "nsec":
        return time
    special = (
        sql("structs.special_time_name", nanoseconds=value(member), number=number, name=name)
        for name, number in constants("utime").items()
    )
    return sql("structs.special_time", special=listed(special, " "), time=time)


def _open_how(value: Values) -> Fragment:
    known = constants("open")
    return sql(
        "structs.open_how",
        flags=value("flags"),
        mode=value("mode"),
        create=known["O_CREAT"],
        tmpfile=known["__O_TMPFILE"],
        mode_text=number_text("octal", value("mode"), 64),
        resolve=value("resolve"),
    )


def _clone_args(value: Values) -> Fragment:
    """strace shows what the flags make count; of set_tid, which is not copied, the address."""
    known = constants("clone") | constants("clone3")
    never = Fragment("FALSE")

    def shown(name: str, form: str, *flags: str, asked: Fragment = never) -> Fragment:
        bits = ubigint(sum(known[flag] for flag in flags))
        text = number_text(form, value(name), 64)
        heading = f", {name}="
        return sql("structs.clone_member", flags=value("flags"), bits=bits, asked=asked, heading=heading, text=text)

    set_tid = sql("structs.either_is_not_0", first=value("set_tid"), second=value("set_tid_size"))
    cgroup = sql("structs.is_not_0", value=value("cgroup"))
    return sql(
        "structs.clone_args",
        flags=value("flags"),
        pidfd=shown("pidfd", "address", "CLONE_PIDFD"),
        child_tid=shown("child_tid", "address", "CLONE_CHILD_SETTID", "CLONE_CHILD_CLEARTID"),
        parent_tid=shown("parent_tid", "address", "CLONE_PARENT_SETTID"),
        exit_signal=value("exit_signal"),
        stack=number_text("address", value("stack"), 64),
        stack_size=number_text("hex", value("stack_size"), 64),
        tls=shown("tls", "address", "CLONE_SETTLS"),
        set_tid=shown("set_tid", "address", asked=set_tid),
        set_tid_size=shown("set_tid_size", "uint", asked=set_tid),
        cgroup=shown("cgroup", "uint", "CLONE_INTO_CGROUP", asked=cgroup),
    )


def _flock(value: Values) -> Fragment:
    commands = constants("fcntl")
    return sql(
        "structs.flock",
        type=value("l_type"),
        whence=value("l_whence"),
        start=number_text("int", value("l_start"), 64),
        length=number_text("int", value("l_len"), 64),
        asking=[commands["F_GETLK"], commands["F_OFD_GETLK"]],
        pid=number_text("int", value("l_pid"), 32),
    )


_INTERVAL = (
    "{it_interval={tv_sec=<interval_tv_sec>, tv_UNIT=<interval_tv_UNIT:uint>},"
    " it_value={tv_sec=<value_tv_sec>, tv_UNIT=<value_tv_UNIT:uint>}}"
)

_TEXTS: dict[str, str | Callable[[Values], Fragment]] = {
    "timeval": "{tv_sec=<tv_sec>, tv_usec=<tv_usec:uint>}",
    "timespecs": _change_times("nsec"),
    "timevals": _change_times("usec"),
    "utimbuf": "{actime=<actime>, modtime=<modtime>}",
    "itimerspec": _INTERVAL.replace("UNIT", "nsec"),
    "itimerval": _INTERVAL.replace("UNIT", "usec"),
    "rlimit": "{rlim_cur=<rlim_cur:limit_text>, rlim_max=<rlim_max:limit_text>}",
    "open_how": _open_how,
    "fds": "[<0>, <1>]",
    "int": "[<value:wait_status_text>]",
    "clone_args": _clone_args,
    "flock": _flock,
    "sigset": "<mask:sigset_text>",
    "sigaction": signals.sigaction,
    "siginfo": signals.child,
    "stack_t": "{ss_sp=<ss_sp:address>, ss_flags=<ss_flags:signal_stack_flags>, ss_size=<ss_size>}",
    "sockopt": socket_options.option,
}
"""How strace writes each struct: a text for :func:`members_text`, or what makes its SQL."""
