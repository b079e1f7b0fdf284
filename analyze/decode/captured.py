"""What the recorder copied for an argument: its columns in a sys view, its text as strace -v writes it, its join.

A kind of capture that is not known here has no columns, and its text is the address.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bpfrec.analyze.decode.functions import number, written
from bpfrec.analyze.sqltemplate import literal
from bpfrec.analyze.view import Late, ViewColumn
from bpfrec.formats.captures import STRUCTS, Member
from bpfrec.formats.decoding import constants, decoders
from bpfrec.formats.syscalls import Argument, Capture, Syscall

_ROW = "LEFT JOIN main.{table} AS {row} ON {row}.event_id = s.event_id AND {row}.arg = {index}"
_STRINGS = (
    "LEFT JOIN (SELECT event_id, arg, list(value ORDER BY position) FILTER (WHERE value IS NOT NULL) AS strings,"
    " max(status) FILTER (WHERE value IS NULL) AS status,"
    " string_agg(CASE WHEN value IS NOT NULL THEN quoted_text(value, status) WHEN status = 'truncated' THEN '...'"
    " WHEN status = 'unreadable' THEN '???' END, ', ' ORDER BY position) AS texts"
    " FROM main.exec_args GROUP BY ALL) AS {row} ON {row}.event_id = s.event_id AND {row}.arg = {index}"
)

Values = Callable[[str], str]
"""SQL for the raw value of a member, without a sign."""


@dataclass(frozen=True)
class Part:
    """One column of what was copied: what its name ends in, SQL type, comment, SQL expression."""

    suffix: str
    sql_type: str
    comment: str
    expression: str


@dataclass(frozen=True)
class Copied:
    """What was copied for an argument: what has to be joined, its columns, SQL for its text.

    The text is NULL where nothing was copied; None where the kind has none.
    """

    late: Late
    parts: tuple[Part, ...]
    text: str | None


def copied(capture: Capture) -> Copied | None:
    """How a capture is shown; None for one that is no more than ``path`` of the call, or not known here."""
    if capture.kind in _KINDS:
        return _KINDS[capture.kind](capture)
    return _struct(capture) if capture.kind in STRUCTS else None


def copied_of(call: Syscall, index: int) -> Copied | None:
    """How what was copied for an argument is shown, whether at entry or at exit."""
    return next((shown for c in call.captures if c.index == index and (shown := copied(c))), None)


def captured_columns(call: Syscall, argument: Argument) -> list[ViewColumn]:
    """The columns of what was copied for an argument."""
    shown = copied_of(call, argument.index)
    if shown is None:
        return []
    name = argument.name
    return [
        ViewColumn(f"{name}{part.suffix}", part.sql_type, f"{name}: {part.comment}", part.expression, (shown.late,))
        for part in shown.parts
    ]


def _row(capture: Capture) -> str:
    return f"c{capture.index}"


def _join(table: str, capture: Capture, form: str = _ROW) -> Late:
    return Late(form.format(table=table, row=_row(capture), index=capture.index), (table,))


def _status(capture: Capture, comment: str) -> Part:
    return Part("_status", "VARCHAR", comment, f"{_row(capture)}.status")


def _timespec(capture: Capture) -> Copied:
    row = _row(capture)

    def value(member: str) -> str:
        return f"CAST(CAST({row}.{member} AS HUGEINT) & {2**64 - 1} AS UBIGINT)"

    parts = (
        Part("_tv_sec", "BIGINT", "seconds; NULL: see status, or none was passed", f"{row}.tv_sec"),
        Part("_tv_nsec", "BIGINT", "nanoseconds", f"{row}.tv_nsec"),
        _status(capture, "NULL: read whole, or none was passed; else unreadable"),
    )
    return Copied(_join("timespecs", capture), parts, _templated(_TIMESPEC, {}, value))


def _sockaddr(capture: Capture) -> Copied:
    row = _row(capture)
    parts = (
        Part("_family", "VARCHAR", "address family", f"address_family({row}.family)"),
        Part("_address", "VARCHAR", "IP address, path of a unix socket ... as in sockaddrs", f"{row}.address"),
        Part("_port", "INTEGER", "port; NULL: the family has none", f"{row}.port"),
        _status(capture, "NULL: read whole; else what sockaddrs has"),
    )
    text = f"sockaddr_text({row}.family, {row}.address, {row}.port, {row}.extra, {row}.status)"
    return Copied(_join("sockaddrs", capture), parts, text)


def _strings(capture: Capture) -> Copied:
    row = _row(capture)
    parts = (
        Part("", "VARCHAR[]", "the strings that it points at; bytes that are not UTF-8 as \\xNN", f"{row}.strings"),
        _status(capture, "NULL: whole; else why the rest is missing: truncated, unreadable"),
    )
    text = f"CASE WHEN {row}.strings IS NOT NULL THEN '[' || {row}.texts || ']' END"
    return Copied(_join("exec_args", capture, _STRINGS), parts, text)


def _struct(capture: Capture) -> Copied:
    row, members = _row(capture), {member.name: member for member in STRUCTS[capture.kind]}

    def value(name: str) -> str:
        member = members[name]
        word = f"{row}.word{member.word}"
        shifted = f"({word} >> {member.shift})" if member.shift else word
        return shifted if member.bits == 64 else f"({shifted} & {number((1 << member.bits) - 1)})"

    def part(member: Member) -> Part:
        sql_type, cast = _TYPES[member.bits, member.signed]
        comment = f"{member.name} of the struct {capture.kind}; NULL: see status, or none was passed"
        return Part(f"_{member.name}", sql_type, comment, f"{cast}({value(member.name)})")

    status = _status(capture, "NULL: read whole, or none was passed; else unreadable")
    form = _TEXTS.get(capture.kind)
    text = _templated(form, members, value) if isinstance(form, str) else form and form(value)
    return Copied(_join("structs", capture), (*map(part, members.values()), status), text)


_TYPES = {
    (64, True): ("BIGINT", "c_long"),
    (64, False): ("UBIGINT", ""),
    (32, True): ("INTEGER", "c_int"),
    (32, False): ("UINTEGER", "c_uint"),
    (16, True): ("SMALLINT", "c_short"),
    (16, False): ("USMALLINT", "c_ushort"),
}
"""SQL type and macro by the bits of a member, and whether it has a sign."""

_PLACE = re.compile(r"<(\w+)(?::(\w+))?>")


def _templated(form: str, members: dict[str, Member], value: Values) -> str:
    """SQL for a text with ``<member>``, as its type has it, or ``<member:way>``, by a way or function."""
    pieces = _PLACE.split(form)
    shown: list[str] = [literal(pieces[0])]
    for name, way, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        member = members.get(name, Member(name, 0))
        shown += [_shown(way or ("int" if member.signed else "uint"), value(name), member.bits), literal(text)]
    return f"({' || '.join(shown)})"


def _shown(way: str, value: str, bits: int) -> str:
    return f"{way}({value})" if way in decoders() or way.endswith("_text") else f"({written(way, value, bits)})"


def _change_times(unit: str) -> Callable[[Values], str]:
    """The text of times of access and change; UTIME_NOW and UTIME_OMIT are for nanoseconds alone."""

    def text(value: Values) -> str:
        both = []
        for which in ("atime", "mtime"):
            member = f"{which}_tv_{unit}"
            whole = _templated(f"{{tv_sec=<{which}_tv_sec>, tv_{unit}=<{member}:uint>}}", {}, value)
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


_TIMESPEC = "{tv_sec=<tv_sec>, tv_nsec=<tv_nsec:uint>}"
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
}
"""How strace writes each struct."""

_KINDS: dict[str, Callable[[Capture], Copied]] = {
    "timespec": _timespec,
    "sockaddr": _sockaddr,
    "strings": _strings,
}
"""How each kind of capture is shown that is no struct."""
