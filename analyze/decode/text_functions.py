"""The bodies of the macros that are no decoders: strings as C writes them, results, socket addresses, statuses."""

from __future__ import annotations

from bpfrec.analyze.decode.number_texts import ubigint
from bpfrec.analyze.decode.sql_parts import listed, sql
from bpfrec.analyze.engine.sqltemplate import Fragment, literal
from bpfrec.formats.kernel.decoding import constants
from bpfrec.formats.kernel.errnos import MAX_ERRNO, RESTARTS, errno_names, errno_texts
from bpfrec.formats.kernel.sockaddr import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, ZERO

_MARK = "\ue000"
"""Stands for the backslash of an octal escape; a path's own is escaped, as all that is not ASCII."""

_PADDED = f"{_MARK}(?:00([0-7])|0([1-7][0-7]))([^0-7]|$)"
"""An octal escape that can do with fewer digits."""

_NAMED = {"\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}

_MOST_NAMED = 42
"""From so many of 64 signals on, strace names those that a set has not."""

ALL_BITS = 2**64 - 1


def quoted_text() -> Fragment:
    """A path and its status as strace quotes it."""
    return sql("text_functions.quoted_text", escaped=_escaped_bytes(sql("text_functions.bytes_of_path")))


def bytes_text() -> Fragment:
    """Contents as strace quotes them."""
    return sql("text_functions.bytes_text", escaped=_escaped_bytes(sql("text_functions.hex_pairs")))


def result_text() -> Fragment:
    """A result: a plain number, or the error's name and what it means; ``?`` where there is none."""
    texts = errno_texts()
    failures = (
        f"{'?' if name in RESTARTS else '-1'} {name} ({texts[number]})" for number, name in errno_names().items()
    )
    return sql(
        "text_functions.result_text", lowest=-MAX_ERRNO, failures=listed(failures), numbers=listed(errno_names())
    )


def failed() -> Fragment:
    """Whether a result says that the call failed; NULL where there is none."""
    restarts = [-number for number, name in errno_names().items() if name in RESTARTS]
    return sql("text_functions.failed", lowest=-MAX_ERRNO, restarts=restarts)


def sockaddr_text() -> Fragment:
    """A row of ``sockaddrs``."""
    return sql(
        "text_functions.sockaddr_text",
        unix=AF_UNIX,
        inet=AF_INET,
        inet6=AF_INET6,
        netlink=AF_NETLINK,
        unix_path=sql("text_functions.unix_path", zero=ZERO),
        other_data=_escaped_bytes(sql("text_functions.address_pairs")),
    )


def wait_status_text() -> Fragment:
    """A status of wait4(2)."""
    return sql("text_functions.wait_status_text", status=Fragment("(value & 4294967295)"))


def limit_text() -> Fragment:
    """A resource limit."""
    return sql("text_functions.limit_text", infinity=ubigint(ALL_BITS))


def sigset_text() -> Fragment:
    """A set of signals."""
    names = {number: name.removeprefix("SIG") for name, number in constants("signal").items()}
    return sql(
        "text_functions.sigset_text",
        set=Fragment(f"(value & {ubigint(ALL_BITS)})"),
        most=_MOST_NAMED,
        names=listed(names.get(number, str(number)) for number in range(1, 65)),
    )


def _escaped_bytes(bytes_of: Fragment) -> Fragment:
    """SQL for what a list of bytes, each as two capital hex digits, is between quotes."""
    escapes = Fragment(f"[{listed(map(_escaped, range(256)))}]")
    return sql("text_functions.escaped_bytes", escapes=escapes, bytes=bytes_of, padded=_PADDED, mark=literal(_MARK))


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in _NAMED:
        return _NAMED[character]
    return character if 0x20 <= byte < 0x7F else f"{_MARK}{byte:03o}"
