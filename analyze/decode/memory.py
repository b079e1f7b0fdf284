"""SQL for what memory held: socket addresses, wait statuses, limits, sets of signals, written as strace writes them."""

from __future__ import annotations

from bpfrec.analyze.decode.texts import bytes_expression
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.formats.kernel.decoding import constants
from bpfrec.formats.kernel.sockaddr import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, ZERO


def sockaddr_expression(family: str, address: str, port: str, extra: str, status: str) -> str:
    """SQL for a row of ``sockaddrs``; NULL where there is no address."""
    data = bytes_expression(f"regexp_extract_all(upper({address}), '..')")
    rest = (
        f"CASE WHEN {address} = '' THEN ''"
        f" WHEN {family} = {AF_UNIX} THEN {_unix(address, status)}"
        f" WHEN {family} = {AF_INET} AND {port} IS NOT NULL"
        f""" THEN ', sin_port=htons(' || {port} || '), sin_addr=inet_addr("' || {address} || '")'"""
        f" WHEN {family} = {AF_INET6} AND {port} IS NOT NULL THEN {_inet6(address, port, extra)}"
        # NULL without the groups, as in older traces: what there is of them can be an address that is too short.
        f" WHEN {family} = {AF_NETLINK} THEN ', nl_pid=' || {address} || ', nl_groups=' || {_groups(extra)}"
        f""" ELSE ', sa_data="' || {data} || '"' END"""
    )
    return f"('{{sa_family=' || address_family({family}) || {rest} || '}}')"


def _unix(address: str, status: str) -> str:
    name = f"if(starts_with({address}, '@'), {address}[2:], {address})"
    zeros = f"if({status} = 'not-utf8', replace({name}, {literal(ZERO)}, chr(0)), {name})"
    return f"', sun_path=' || if(starts_with({address}, '@'), '@', '') || quoted_text({zeros}, {status})"


def _inet6(address: str, port: str, flowinfo: str) -> str:
    scope = f"coalesce(nullif(split_part({address}, '%', 2), ''), '0')"
    return (
        f"', sin6_port=htons(' || {port} || '), sin6_flowinfo=htonl(' || coalesce(CAST({flowinfo} AS VARCHAR), '?')"
        f""" || '), inet_pton(AF_INET6, "' || split_part({address}, '%', 1) || '", &sin6_addr), sin6_scope_id='"""
        f" || {scope}"
    )


def _groups(value: str) -> str:
    digits = f"lower(to_hex({value}))"
    return f"if({value} = 0, '00000000', '0x' || lpad({digits}, greatest(6, CAST(length({digits}) AS INTEGER)), '0'))"


def wait_status_expression(value: str) -> str:
    """SQL for a status of wait4(2)."""
    # The macros WIFSTOPPED and so on of the C library, bits/waitstatus.h.
    low, high = f"({value} & 127)", f"(({value} >> 8) & 255)"
    traced = f"if({high} >= 128, ' | 0x80', '')"
    event = f"CASE WHEN {value} >> 16 != 0 THEN '|' || ptrace_event_name({value} >> 16) || '<<16' ELSE '' END"
    core = f"if({value} & 128 != 0, ' && WCOREDUMP(s)', '')"
    return (
        f"CASE WHEN {value} = 65535 THEN '{{WIFCONTINUED(s)}}' WHEN {value} & 255 = 127"
        f" THEN '{{WIFSTOPPED(s) && WSTOPSIG(s) == ' || signal_name({high} & 127) || {traced} || '}}' || {event}"
        f" WHEN {low} = 0 THEN '{{WIFEXITED(s) && WEXITSTATUS(s) == ' || {high} || '}}'"
        f" ELSE '{{WIFSIGNALED(s) && WTERMSIG(s) == ' || signal_name({low}) || {core} || '}}' END"
    )


def limit_expression(value: str) -> str:
    """SQL for a resource limit."""
    return (
        f"CASE WHEN {value} = {2**64 - 1}::UBIGINT THEN 'RLIM64_INFINITY' WHEN {value} > 1024 AND {value} % 1024 = 0"
        f" THEN ({value} // 1024) || '*1024' ELSE CAST({value} AS VARCHAR) END"
    )


_MOST_NAMED = 42
"""From so many of 64 signals on, strace names those that a set has not."""


def sigset_expression(value: str) -> str:
    """SQL for a set of signals."""
    names = {number: name.removeprefix("SIG") for name, number in constants("signal").items()}
    listed = ", ".join(literal(names.get(number, str(number))) for number in range(1, 65))
    is_most = f"(bit_count({value}) >= {_MOST_NAMED})"
    is_member = f"({value} >> CAST(bit AS UBIGINT)) & 1 = 1"
    members = f"[list_extract([{listed}], bit + 1) FOR bit IN range(64) IF ({is_member}) != {is_most}]"
    return (
        f"CASE WHEN {value} = 0 THEN '[]' WHEN value IS NOT NULL"
        f" THEN CASE WHEN {is_most} THEN '~' ELSE '' END || '[' || array_to_string({members}, ' ') || ']' END"
    )
