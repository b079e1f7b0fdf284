"""The flags of open(2)."""

from __future__ import annotations

from bpfrec.formats.kernel.decoding import constants

_KERNEL = constants("open_access") | constants("open")

OPEN_FLAGS: dict[str, int] = {name: value for name, value in _KERNEL.items() if name.startswith("O_")} | {
    "O_ASYNC": _KERNEL["FASYNC"],
    "O_NDELAY": _KERNEL["O_NONBLOCK"],
    "O_RSYNC": _KERNEL["O_SYNC"],
}
"""The flags by name with their values on x86-64; the other names that C has for them are there too."""
