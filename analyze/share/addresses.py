"""Addresses in a redacted trace: another one of the same kind, private or public, of one network or another."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from bpfrec.analyze.share.words import Tokens

# Loopback and unspecified addresses are the same everywhere. Sources: RFC 6890, RFC 4291, RFC 4193.
_KEPT = tuple(map(ip_network, ("0.0.0.0/8", "127.0.0.0/8", "255.255.255.255/32", "::/127")))
_KINDS = tuple(
    map(
        ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "224.0.0.0/4"),
            *("240.0.0.0/4", "fe80::/10", "fc00::/7", "ff00::/8", "2000::/3"),
        ),
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")

IN_TEXT = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)"
    r"|(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4})(?![\w:])"
)
"""What may be an address in a text."""


def redacted_address(text: str, tokens: Tokens) -> str | None:
    """The address that stands for ``text``, an IP address with or without ``%ZONE``; None if it is none."""
    bare, percent, zone = text.partition("%")
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return str(_redacted(address, tokens)) + percent + zone


def _redacted(address: IPv4Address | IPv6Address, tokens: Tokens) -> IPv4Address | IPv6Address:
    if any(address in network for network in _KEPT):
        return address
    if address in _MAPPED:
        inner = _redacted(IPv4Address(int(address) & 0xFFFFFFFF), tokens)
        return IPv6Address(int(_MAPPED.network_address) | int(inner))
    whole = ip_network("0.0.0.0/0" if address.version == 4 else "::/0")
    kind = next((network for network in _KINDS if address in network), whole)
    base, value = int(kind.network_address), int(address)
    while True:
        value = base + tokens.number(value - base, kind.num_addresses, str(kind))
        found = IPv4Address(value) if address.version == 4 else IPv6Address(value)
        if kind is not whole or not any(found in network for network in (*_KEPT, *_KINDS, _MAPPED)):
            return found
