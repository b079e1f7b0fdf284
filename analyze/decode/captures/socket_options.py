"""The value of a socket's option, of calls whose arguments 1 and 2 are level and option: numbers, linger, ids.

Of other options the text is the address.
"""

from __future__ import annotations

from collections.abc import Iterator

from bpfrec.analyze.decode.captures.view import Values
from bpfrec.analyze.decode.number_texts import number_text
from bpfrec.analyze.decode.sql_parts import listed, sql
from bpfrec.analyze.engine.sqltemplate import Fragment
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


def option(value: Values) -> Fragment:
    """The text of an option's value; NULL for one whose layout is not known here."""
    first, second = value("word0"), value("word1")
    low, high = sql("socket_options.low", word=first), sql("socket_options.high", word=first)
    options = constants("socket_option")
    return sql(
        "socket_options.text",
        level=sql("socket_options.level"),
        name=sql("socket_options.name"),
        socket=constants("socket_level")["SOL_SOCKET"],
        linger=options["SO_LINGER"],
        error=options["SO_ERROR"],
        credentials=options["SO_PEERCRED"],
        low=low,
        low_text=number_text("int", low, 32),
        high_text=number_text("int", high, 32),
        high_id=number_text("uint", high, 32),
        group=number_text("uint", sql("socket_options.low", word=second), 32),
        second_word=second,
        is_number=listed(_are_numbers(), " OR "),
    )


def number(value: Values) -> Fragment:
    """The value of an option that is an int; NULL for others."""
    return sql(
        "socket_options.number",
        level=sql("socket_options.level"),
        name=sql("socket_options.name"),
        socket=constants("socket_level")["SOL_SOCKET"],
        error=constants("socket_option")["SO_ERROR"],
        low=sql("socket_options.low", word=value("word0")),
        second_word=value("word1"),
        is_number=listed(_are_numbers(), " OR "),
    )


def _are_numbers() -> Iterator[Fragment]:
    """For each level, SQL for whether an option is an int."""
    levels, options = constants("socket_level"), constants("socket_option")
    level, name = sql("socket_options.level"), sql("socket_options.name")
    others = [options[option] for option in _NO_NUMBERS]
    yield sql("socket_options.is_number_of_socket", level=level, number=levels["SOL_SOCKET"], name=name, others=others)
    for family, (first, last) in _NUMBERS.items():
        named = constants(f"{family.removeprefix('SOL_').lower()}_option")
        more = [sql("socket_options.one_more", name=name, option=named[option]) for option in _MORE.get(family, ())]
        yield sql(
            "socket_options.is_number_of_protocol",
            level=level,
            number=levels[family],
            name=name,
            first=first,
            last=last,
            more=Fragment("".join(f" {option}" for option in more)),
        )
