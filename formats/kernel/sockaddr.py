"""Socket addresses as text.

Layouts: unix(7), ip(7), ipv6(7), netlink(7); families: include/linux/socket.h.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16

ZERO = "\\x00"
"""How a zero byte in an abstract name is written."""

_SUN_PATH = 2
_IN_BYTES = 8
_IN6_BYTES = 24
_NETLINK_BYTES = 12


@dataclass(frozen=True)
class SocketAddress:
    """A socket address: ``family`` (AF_...), ``address`` as text, ``port``.

    A part is None where the family has no such part or there were too few bytes. ``address`` is an IP address; a path,
    ``@NAME`` for an abstract name or '' for an unnamed unix socket; the port id of a netlink socket; for other families
    the bytes behind the family, in hex. ``escaped``: zero bytes, or bytes that are not UTF-8, are written as
    ``\\xNN``. ``extra``: flow information of AF_INET6 in host order, groups of AF_NETLINK.
    """

    family: int | None
    address: str | None
    port: int | None = None
    extra: int | None = None
    escaped: bool = False


def parse_sockaddr(raw: bytes) -> SocketAddress:
    """Parses ``raw``, which begins with sa_family_t and is as long as the caller of the system call said."""
    if len(raw) < _SUN_PATH:
        return SocketAddress(None, None)
    family = int.from_bytes(raw[:_SUN_PATH], "little")
    if family == AF_UNIX:
        name = raw[_SUN_PATH:] if raw[_SUN_PATH : _SUN_PATH + 1] == b"\0" else raw[_SUN_PATH:].split(b"\0", 1)[0]
        return SocketAddress(family, unix_address(name), escaped=not _is_text(name[1:]))
    if family == AF_INET and len(raw) >= _IN_BYTES:
        return SocketAddress(family, socket.inet_ntop(socket.AF_INET, raw[4:8]), struct.unpack_from(">H", raw, 2)[0])
    if family == AF_INET6 and len(raw) >= _IN6_BYTES:
        scope = struct.unpack_from("<I", raw, 24)[0] if len(raw) >= _IN6_BYTES + 4 else 0
        address = socket.inet_ntop(socket.AF_INET6, raw[8:24]) + (f"%{scope}" if scope else "")
        port, flowinfo = struct.unpack_from(">HI", raw, 2)
        return SocketAddress(family, address, port, flowinfo)
    if family == AF_NETLINK and len(raw) >= _NETLINK_BYTES:
        port_id, groups = struct.unpack_from("<II", raw, 4)
        return SocketAddress(family, str(port_id), extra=groups)
    return SocketAddress(family, raw[_SUN_PATH:].hex())


def endpoint(address: str, port: int) -> str:
    """Writes an IP address and a port as one text, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def unix_address(path: bytes) -> str:
    """Writes sun_path: ``@NAME`` for an abstract name, which begins with a zero byte."""
    text = path.decode("utf-8", "backslashreplace")
    return f"@{text[1:]}".replace("\0", ZERO) if path[:1] == b"\0" else text


def _is_text(name: bytes) -> bool:
    try:
        return "\0" not in name.decode("utf-8")
    except UnicodeDecodeError:
        return False
