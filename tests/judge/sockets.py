"""Socket addresses in strace's notation."""

from __future__ import annotations

import re
import socket

from judge.captures import number_of
from judge.strace_values import Value

_PORT = re.compile(r"htons\((\d+)\)")
_ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"')
_SCOPE = re.compile(r"sin6_scope_id=(\w+)")


def socket_address(value: Value) -> tuple[int, str, int | None]:
    """Family, address and port, as a recording writes them."""
    fields = value.fields or {}
    name = fields["sa_family"].text
    family = int(socket.AddressFamily[name]) if name != "AF_UNSPEC" else 0
    port = _PORT.search(value.text)
    address = _ADDRESS.search(value.text)
    if name == "AF_UNIX":
        path = fields.get("sun_path", Value('""')).text
        told = Value(path.removeprefix("@")).string or (b"", False)
        text = told[0].decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        return family, ("@" if path.startswith("@") else "") + text, None
    if name == "AF_NETLINK":
        return family, str(number_of(fields["nl_pid"])), None
    if address and port:
        scope = _SCOPE.search(value.text)
        zone = f"%{scope[1]}" if scope and scope[1] != "0" else ""
        return family, address[1] + zone, int(port[1])
    raw = (fields.get("sa_data", Value('""')).string or (b"", False))[0]
    return family, raw.hex(), None
