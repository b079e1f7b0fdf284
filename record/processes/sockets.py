"""Names of sockets by inode, as ``TCP 10.0.0.1:80->10.0.0.2:5555``, from /proc/PID/net.

Formats: proc_pid_net(5); net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c, net/unix/af_unix.c, net/netlink/af_netlink.c and
net/packet/af_packet.c of the kernel.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable

from bpfrec.formats.kernel.sockaddr import endpoint
from bpfrec.record.processes import procfs

_INTERNET = {
    "tcp": "TCP",
    "tcp6": "TCP",
    "udp": "UDP",
    "udp6": "UDP",
    "udplite": "UDPLITE",
    "udplite6": "UDPLITE",
    "raw": "RAW",
    "raw6": "RAW",
    "icmp": "ICMP",
    "icmp6": "ICMP",
}
_IN_ADDR_BYTES = 4
_INTERNET_INODE, _NETLINK_INODE, _PACKET_INODE = 9, 9, 8
# Address, references, protocol, flags, type, state, inode; then a blank and the name, which may hold any byte.
_UNIX_LINE = re.compile(
    rb"[^ :]+: [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{4} [0-9A-F]{2} +([0-9]+)(?: (.*))?", re.DOTALL
)


def socket_names(pid: int) -> dict[int, str] | None:
    """Returns the names of the sockets in the network namespace of ``pid`` by inode; None where they cannot be read."""
    if not procfs.may_read_net(pid):
        return None
    names: dict[int, str] = {}
    for table, kind in _INTERNET.items():
        for fields in map(bytes.split, procfs.net_table(pid, table)):
            if len(fields) > _INTERNET_INODE:
                names[int(fields[_INTERNET_INODE])] = _internet(kind, fields[1].decode(), fields[2].decode())
    for table, kind, column in (("netlink", "NETLINK", _NETLINK_INODE), ("packet", "PACKET", _PACKET_INODE)):
        for fields in map(bytes.split, procfs.net_table(pid, table)):
            if len(fields) > column:
                names[int(fields[column])] = kind
    names = _unix(procfs.net_table(pid, "unix")) | names
    names.pop(0, None)
    return names


def _unix(lines: Iterable[bytes]) -> dict[int, str]:
    """The names of unix sockets. A name may hold newlines, and so lines that look like those of other sockets.

    An inode that has two names is left out, since one of them is forged.
    """
    found: dict[int, bytes] = {}
    forged: set[int] = set()
    inode = None
    for line in lines:
        match = _UNIX_LINE.fullmatch(line)
        if match is None:
            # The name of the socket before goes on here.
            if inode is not None:
                found[inode] += b"\n" + line
            continue
        inode = int(match[1])
        if inode in found:
            forged.add(inode)
        found[inode] = match[2] or b""
    # What follows the last newline of the file is no name.
    if inode is not None:
        found[inode] = found[inode].removesuffix(b"\n")
    names = {inode: "unix:" + name.decode("utf-8", "backslashreplace") for inode, name in found.items()}
    return {inode: name for inode, name in names.items() if inode not in forged}


def _internet(kind: str, local: str, remote: str) -> str:
    here, there = _address(local), _address(remote)
    return f"{kind} {here}" if remote.endswith(":0000") else f"{kind} {here}->{there}"


def _address(written: str) -> str:
    """Writes ``0100007F:1F90`` as ``127.0.0.1:8080``: the address is in words of 4 bytes, little-endian on x86."""
    words, _, port = written.partition(":")
    raw = b"".join(bytes.fromhex(words[i : i + 8])[::-1] for i in range(0, len(words), 8))
    family = socket.AF_INET if len(raw) == _IN_ADDR_BYTES else socket.AF_INET6
    return endpoint(socket.inet_ntop(family, raw), int(port, 16))
