"""What sockets are called, as they get addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from bpfrec.analyze.engine.sqltemplate import Fragment
from bpfrec.formats.numeric.asof import Integers

_SHOWN = re.compile(r"([A-Z]+) (\S+?)(?:->(\S+))?")
_ANYWHERE = ("0.0.0.0:", "[::]:")
_INTERNET = frozenset(("TCP", "UDP", "UDPLITE", "SCTP", "MPTCP", "ICMP", "RAW"))

TYPE_SQL = Fragment(
    "CASE WHEN c_int(arg0) IN (2, 10) THEN CASE"
    " WHEN c_int(arg2) = 132 THEN 'SCTP' WHEN c_int(arg2) = 262 THEN 'MPTCP' WHEN c_int(arg2) = 136 THEN 'UDPLITE'"
    " WHEN arg1 & 15 = 1 THEN 'TCP' WHEN arg1 & 15 = 2 AND c_int(arg2) IN (1, 58) THEN 'ICMP'"
    " WHEN arg1 & 15 = 2 THEN 'UDP' WHEN arg1 & 15 = 3 THEN 'RAW' ELSE 'AF_INET' END"
    " WHEN c_int(arg0) = 1 THEN 'unix' WHEN c_int(arg0) = 16 THEN 'NETLINK' WHEN c_int(arg0) = 17 THEN 'PACKET'"
    " ELSE address_family(arg0) END"
)
"""What socket() makes, from its arguments: families as in include/linux/socket.h, protocols as in linux/in.h."""


@dataclass(frozen=True)
class Socket:
    """A socket's type and addresses; None for an address it has not, or that is not known."""

    type: str
    local: str | None = None
    peer: str | None = None
    accepted: bool = False

    @property
    def name(self) -> str:
        """Its name: ``TCP 10.0.0.1:80->10.0.0.2:5555``, ``unix:/path``."""
        if self.type == "unix":
            return f"unix:{self.local}" if self.local else f"unix:->{self.peer}" if self.peer else "unix:"
        if self.type not in _INTERNET:
            return self.type
        if self.peer is not None or self.accepted:
            return f"{self.type} {_one_address(self.local)}->{self.peer or '?'}"
        return f"{self.type} {self.local}" if self.local else self.type


def from_name(name: str) -> Socket:
    """The socket that has this name in the snapshot."""
    if name.startswith("unix:"):
        return Socket("unix", name.removeprefix("unix:"))
    found = _SHOWN.fullmatch(name)
    return Socket(found[1], found[2], found[3]) if found else Socket(name)


def last_before(groups: Integers, counts: np.ndarray) -> Integers:
    """For every row the last of its group so far that counts, -1 for none; groups are stretches of equal numbers."""
    rows = np.where(counts, np.arange(len(groups)), -1)
    last = np.maximum.accumulate(rows) if len(rows) else rows
    begins = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    begin = np.repeat(begins, np.diff(np.append(begins, len(groups))))
    return np.where(last >= begin, last, -1)


def _one_address(local: str | None) -> str:
    """The local address of a socket that is connected: listening anywhere it has one that the trace may not tell."""
    if local is None:
        return "?"
    for anywhere in _ANYWHERE:
        if local.startswith(anywhere):
            port = local.removeprefix(anywhere)
            return "?" if port == "?" else f"?:{port}"
    return local
