"""Numbers that have names, times and addresses, as the language writes them."""

from __future__ import annotations

import pwd
import re
import signal
import socket
import time
from functools import cache
from platform import node

from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.holdings import Holdings
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.errnos import errno_texts
from bpfrec.formats.kernel.sockaddr import AF_INET, AF_INET6
from bpfrec.formats.kernel.syscalls import by_number

_SECOND = 10**9
_OWN_ERRORS = {
    5: "I/O error",
    9: "Bad file number",
    11: "Try again (operation would block)",
    12: "Out of memory",
    16: "Device or resource busy",
    18: "Cross-device link",
    23: "File table overflow",
    25: "Not a typewriter",
    33: "Math argument out of domain of func",
    34: "Math result not representable",
    35: "Resource deadlock would occur",
    37: "No record locks available",
    38: "Invalid system call number",
    40: "Too many symbolic links encountered",
    74: "Not a data message",
    84: "Illegal byte sequence",
    95: "Operation not supported on transport endpoint",
    102: "Network dropped connection because of reset",
    110: "Connection timed out",
    122: "Quota exceeded",
    125: "Operation Canceled",
}
"""Where the table of today's bpftrace, of the kernel's comments in errno.h, says otherwise than libc."""


def strerror(number: int, dialect: Dialect) -> str:
    """What an error number means: libc's text in 0.17, bpftrace's own today."""
    if not dialect.old and number in _OWN_ERRORS:
        return _OWN_ERRORS[number]
    if number == 0:
        return "Success"
    return errno_texts().get(number, f"Unknown error {number}" if dialect.old else "Unknown error")


def syscall_name(number: int) -> str:
    """The name of a system call of x86-64."""
    call = by_number("x86_64").get(number)
    return call.name if call else "Unknown syscall"


def signal_name(number: int) -> str:
    """What a signal is called, as strsignal(3) has it; N/A where there can be none."""
    if not 0 <= number < signal.NSIG:
        return "N/A"
    try:
        return signal.strsignal(number) or f"Unknown signal {number}"
    except ValueError:
        return f"Unknown signal {number}"


@cache
def _own_users() -> dict[int, str]:
    return {user.pw_uid: user.pw_name for user in pwd.getpwall()}


def username(uid: int, held: Holdings) -> str:
    """The name of a user: root, or another one on the host that recorded.

    Raises:
        ReportError: the trace came from another host.
    """
    uid &= 0xFFFFFFFF
    if uid == 0:
        return "root"
    if held.host == node():
        return _own_users().get(uid, "")
    raise ReportError(
        "username cannot be replayed on another host: the trace does not hold the names of users", "Ask for uid."
    )


def local_time(form: str, ns: int, held: Holdings) -> str:
    """A time on the trace's clock by ``form`` of strftime(3), in the local time of the recording host.

    ``%f`` is microseconds.
    """
    wall = ns + held.wall_offset_ns
    seconds, rest = divmod(wall, _SECOND)
    offset = held.utc_offset_s
    sign = "-" if offset < 0 else "+"
    hours, minutes = divmod(abs(offset) // 60, 60)
    zone = f"{sign}{hours:02d}{minutes:02d}"
    given = {"f": f"{rest // 1000:06d}", "s": str(seconds), "z": zone, "Z": "UTC" if offset == 0 else zone}
    prepared = re.sub(r"%(.)", lambda m: given[m[1]].replace("%", "%%") if m[1] in given else m[0], form)
    try:
        return time.strftime(prepared, time.gmtime(seconds + offset))
    except (ValueError, OverflowError):
        return "(invalid time)"


def ntop(family: int, value: int) -> str:
    """An IPv4 address that is a number in network order."""
    del family
    return socket.inet_ntop(socket.AF_INET, (value & 0xFFFFFFFF).to_bytes(4, "little"))


def ntop_bytes(family: int, data: bytes) -> str:
    """An address of 4 or 16 bytes."""
    if family == AF_INET6 or (family != AF_INET and len(data) == 16):
        return socket.inet_ntop(socket.AF_INET6, data[:16].ljust(16, b"\0"))
    return socket.inet_ntop(socket.AF_INET, data[:4].ljust(4, b"\0"))


def pton(text: str) -> tuple[int, ...]:
    """The bytes of an address.

    Raises:
        ReportError: it is none.
    """
    try:
        return tuple(socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text))
    except OSError:
        raise ReportError(f"pton(): {text!r} is no address") from None


def macaddr(data: bytes) -> str:
    """A hardware address."""
    return ":".join(f"{byte:02X}" for byte in data)
