"""Names of sockets by inode, as ``TCP 10.0.0.1:80->10.0.0.2:5555``, from /proc/PID/net.

Formats: proc_pid_net(5); net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c, net/unix/af_unix.c, net/netlink/af_netlink.c and
net/packet/af_packet.c of the kernel.
"""

from __future__ import annotations

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
_INTERNET_INODE, _UNIX_INODE, _UNIX_PATH, _NETLINK_INODE, _PACKET_INODE = 9, 6, 7, 9, 8


def socket_names(pid: int) -> dict[int, str] | None:
    """Returns the names of the sockets in the network namespace of ``pid`` by inode; None where they cannot be read."""
    if not procfs.may_read_net(pid):
        return None
    names: dict[int, str] = {}
    for table, kind in _INTERNET.items():
        for fields in map(bytes.split, procfs.net_table(pid, table)):
            if len(fields) > _INTERNET_INODE:
                names[int(fields[_INTERNET_INODE])] = _internet(kind, fields[1].decode(), fields[2].decode())
    names |= _unix(procfs.net_table(pid, "unix"))
    for table, kind, column in (("netlink", "NETLINK", _NETLINK_INODE), ("packet", "PACKET", _PACKET_INODE)):
        for fields in map(bytes.split, procfs.net_table(pid, table)):
            if len(fields) > column:
                names[int(fields[column])] = kind
    names.pop(0, None)
    return names


def _unix(lines: Iterable[bytes]) -> dict[int, str]:
    names = {}
    for line in lines:
        fields = line.split(None, _UNIX_PATH)
        if len(fields) > _UNIX_INODE:
            # A path may end in blanks, and hold any byte but a newline.
            name = line.split(fields[_UNIX_INODE], 1)[1][1:] if len(fields) > _UNIX_PATH else b""
            names[int(fields[_UNIX_INODE])] = "unix:" + name.decode("utf-8", "backslashreplace")
    return names


def _internet(kind: str, local: str, remote: str) -> str:
    here, there = _address(local), _address(remote)
    return f"{kind} {here}" if remote.endswith(":0000") else f"{kind} {here}->{there}"


def _address(written: str) -> str:
    """Writes ``0100007F:1F90`` as ``127.0.0.1:8080``: the address is in words of 4 bytes, little-endian on x86."""
    words, _, port = written.partition(":")
    raw = b"".join(bytes.fromhex(words[i : i + 8])[::-1] for i in range(0, len(words), 8))
    family = socket.AF_INET if len(raw) == _IN_ADDR_BYTES else socket.AF_INET6
    return endpoint(socket.inet_ntop(family, raw), int(port, 16))
