"""SQL for the value of a socket's option, of calls whose arguments 1 and 2 are level and option: numbers, linger, ids.

Of other options the text is the address.
"""

from __future__ import annotations

from bpfrec.analyze.decode.copies import Values
from bpfrec.analyze.decode.functions import written
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.formats.kernel.decoding import constants

_NO_NUMBERS = (
    *("SO_PEERCRED", "SO_RCVTIMEO_OLD", "SO_SNDTIMEO_OLD", "SO_SECURITY_AUTHENTICATION", "SO_BINDTODEVICE"),
    *("SO_SECURITY_ENCRYPTION_TRANSPORT", "SO_SECURITY_ENCRYPTION_NETWORK", "SO_ATTACH_FILTER", "SO_PEERNAME"),
    *("SO_PEERSEC", "SO_MAX_PACING_RATE", "SO_ATTACH_REUSEPORT_CBPF", "SO_MEMINFO", "SO_COOKIE", "SO_PEERGROUPS"),
    *("SO_TXTIME", "SO_RCVTIMEO_NEW", "SO_SNDTIMEO_NEW", "SO_NETNS_COOKIE", "SO_LINGER"),
)
"""Options of level SOL_SOCKET that are no int: socket(7), net/core/sock.c."""

_NUMBERS = {
    "SOL_IP": (1, 31),
    "SOL_IPV6": (16, 19),
    "SOL_TCP": (1, 10),
    "SOL_UDP": (1, 102),
}
"""By level, the first and the last of options that are ints: include/uapi/linux/in.h, in6.h, tcp.h, udp.h."""

_MORE = {
    "SOL_IPV6": ("IPV6_V6ONLY",),
    "SOL_TCP": ("TCP_QUICKACK", "TCP_USER_TIMEOUT", "TCP_FASTOPEN", "TCP_NOTSENT_LOWAT", "TCP_FASTOPEN_CONNECT"),
}


def option(value: Values) -> str:
    """The text of an option's value; NULL for one whose layout is not known here."""
    level, name, words = "(s.arg1 & 4294967295)", "(s.arg2 & 4294967295)", (value("word0"), value("word1"))
    low, high = f"({words[0]} & 4294967295)", f"({words[0]} >> 32)"
    levels, options = constants("socket_level"), constants("socket_option")
    own = f"{level} = {levels['SOL_SOCKET']} AND {name}"
    whole = f"'[' || {written('int', low, 32)} || ']'"
    credentials = f"{written('int', low, 32)} || ', uid=' || {written('uint', high, 32)}"
    group = f"({words[1]} & 4294967295)"
    linger = f"'{{l_onoff=' || {written('int', low, 32)} || ', l_linger=' || {written('int', high, 32)} || '}}'"
    return (
        f"CASE WHEN {own} = {options['SO_LINGER']} THEN CASE WHEN s.syscall = 'getsockopt' OR s.arg4 >= 8"
        f" THEN {linger} END"
        f" WHEN {own} = {options['SO_ERROR']} AND s.syscall = 'getsockopt'"
        f" THEN '[' || CASE WHEN {low} = 0 THEN '0' ELSE errno_name({low}) END || ']'"
        f" WHEN {own} = {options['SO_PEERCRED']} AND s.syscall = 'getsockopt'"
        f" THEN '{{pid=' || {credentials} || ', gid=' || {written('uint', group, 32)} || '}}'"
        f" WHEN (s.syscall = 'getsockopt' OR s.arg4 = 4) AND {words[1]} IS NULL AND ({_is_number(level, name)})"
        f" THEN {whole} END"
    )


def _is_number(level: str, name: str) -> str:
    levels, options = constants("socket_level"), constants("socket_option")
    others = literal([options[option] for option in _NO_NUMBERS])
    tests = [f"{level} = {levels['SOL_SOCKET']} AND {name} NOT IN {others}"]
    for family, (first, last) in _NUMBERS.items():
        named = constants(f"{family.removeprefix('SOL_').lower()}_option")
        more = "".join(f" OR {name} = {named[option]}" for option in _MORE.get(family, ()))
        tests.append(f"{level} = {levels[family]} AND ({name} BETWEEN {first} AND {last}{more})")
    return " OR ".join(f"({test})" for test in tests)
