"""Structs that the recorder copied: a column for each member, and the text of those that strace has one for."""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.decode import signals, sockopt
from bpfrec.analyze.decode.copies import Copied, Part, Values, joined, templated
from bpfrec.analyze.decode.functions import number, written
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.formats.kernel.captures import STRUCTS, Member
from bpfrec.formats.kernel.decoding import constants
from bpfrec.formats.kernel.syscalls import Capture


def struct(capture: Capture) -> Copied:
    """How a struct of :data:`STRUCTS` is shown."""
    members = {member.name: member for member in STRUCTS[capture.kind]}
    row = f"c{capture.index}"
    value = values(row, capture.kind)
    late = (joined("structs", row, capture.index),)

    def part(member: Member) -> Part:
        sql_type, cast = _TYPES[member.bits, member.signed]
        comment = f"{member.name} of the struct {capture.kind}; NULL: see status, or none was passed"
        return Part(f"_{member.name}", sql_type, comment, f"{cast}({value(member.name)})", late)

    why = "NULL: read whole, or none was passed; else unreadable, truncated, lost"
    status = Part("_status", "VARCHAR", why, f"{row}.status", late)
    form = _TEXTS.get(capture.kind)
    text = templated(form, members, value) if isinstance(form, str) else form and form(value)
    return Copied((*map(part, members.values()), status), text, late)


def values(row: str, kind: str) -> Values:
    """What gives SQL for the members of the struct in ``row``, a row of ``structs``."""
    members = {member.name: member for member in STRUCTS[kind]}

    def value(name: str) -> str:
        member = members[name]
        word = f"{row}.word{member.word}"
        shifted = f"({word} >> {member.shift})" if member.shift else word
        return shifted if member.bits == 64 else f"({shifted} & {number((1 << member.bits) - 1)})"

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


def _change_times(unit: str) -> Callable[[Values], str]:
    """The text of times of access and change; UTIME_NOW and UTIME_OMIT are for nanoseconds alone."""

    def text(value: Values) -> str:
        both = []
        for which in ("atime", "mtime"):
            member = f"{which}_tv_{unit}"
            whole = templated(f"{{tv_sec=<{which}_tv_sec>, tv_{unit}=<{member}:uint>}}", {}, value)
            names = [(name, n) for name, n in constants("utime").items() if unit == "nsec"]
            named = " ".join(f"WHEN {value(member)} = {n} THEN {literal(name)}" for name, n in names)
            both.append(f"CASE {named} ELSE {whole} END" if named else whole)
        return f"('[' || {both[0]} || ', ' || {both[1]} || ']')"

    return text


def _open_how(value: Values) -> str:
    flags, mode = value("flags"), value("mode")
    creates = " OR ".join(
        f"{flags} & {bits} = {bits}" for bits in map(constants("open").get, ("O_CREAT", "__O_TMPFILE"))
    )
    shown = f"CASE WHEN {mode} != 0 OR {creates} THEN ', mode=' || {written('octal', mode, 64)} ELSE '' END"
    return (
        f"('{{flags=' || open_how_flags({flags}) || {shown}"
        f" || ', resolve=' || resolve_flags({value('resolve')}) || '}}')"
    )


def _clone_args(value: Values) -> str:
    """strace shows what the flags make count; of set_tid, which is not copied, the address."""
    known = constants("clone") | constants("clone3")

    def shown(name: str, how: str, *flags: str, asked: str = "FALSE") -> str:
        bits = number(sum(known[flag] for flag in flags))
        text = f"', {name}=' || {written(how, value(name), 64)}"
        return f"CASE WHEN {value('flags')} & {bits} != 0 OR {asked} THEN {text} ELSE '' END"

    exit_signal = value("exit_signal")
    named = f"CASE WHEN {exit_signal} < {2**31} THEN signal_name({exit_signal}) ELSE CAST({exit_signal} AS VARCHAR) END"
    set_tid = f"coalesce({value('set_tid')} != 0 OR {value('set_tid_size')} != 0, FALSE)"
    parts = (
        f"'{{flags=' || clone3_flags({value('flags')})",
        shown("pidfd", "address", "CLONE_PIDFD"),
        shown("child_tid", "address", "CLONE_CHILD_SETTID", "CLONE_CHILD_CLEARTID"),
        shown("parent_tid", "address", "CLONE_PARENT_SETTID"),
        f"', exit_signal=' || {named}",
        f"', stack=' || {written('address', value('stack'), 64)}",
        f"', stack_size=' || {written('hex', value('stack_size'), 64)}",
        shown("tls", "address", "CLONE_SETTLS"),
        shown("set_tid", "address", asked=set_tid),
        shown("set_tid_size", "uint", asked=set_tid),
        shown("cgroup", "uint", "CLONE_INTO_CGROUP", asked=f"coalesce({value('cgroup')} != 0, FALSE)"),
    )
    return f"({' || '.join(parts)} || '}}')"


def _flock(value: Values) -> str:
    commands = constants("fcntl")
    asking = literal([commands["F_GETLK"], commands["F_OFD_GETLK"]])
    pid = f"CASE WHEN s.arg1 IN {asking} THEN ', l_pid=' || {written('int', value('l_pid'), 32)} ELSE '' END"
    return (
        f"('{{l_type=' || lease_name({value('l_type')}) || ', l_whence=' || seek_name({value('l_whence')})"
        f" || ', l_start=' || {written('int', value('l_start'), 64)}"
        f" || ', l_len=' || {written('int', value('l_len'), 64)} || {pid} || '}}')"
    )


_INTERVAL = (
    "{it_interval={tv_sec=<interval_tv_sec>, tv_UNIT=<interval_tv_UNIT:uint>},"
    " it_value={tv_sec=<value_tv_sec>, tv_UNIT=<value_tv_UNIT:uint>}}"
)

_TEXTS: dict[str, str | Callable[[Values], str]] = {
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
    "sockopt": sockopt.option,
}
"""How strace writes each struct."""
