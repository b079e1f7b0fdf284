"""Names of the kernel's constants that filters use, as its headers give them on x86-64."""

from __future__ import annotations

from bpfrec.formats.kernel.decoding import constants
from bpfrec.formats.kernel.errnos import errno_numbers
from bpfrec.formats.kernel.open_flags import OPEN_FLAGS

_FAMILIES = ("at_fdcwd", "at", "faccessat", "access", "mmap_prot", "mmap_type", "mmap", "clone", "seek")

CONSTANTS: dict[str, int] = {"NULL": 0, "MAP_ANON": constants("mmap")["MAP_ANONYMOUS"]} | OPEN_FLAGS
"""Value by name: open, access, mmap, clone and seek flags, and error numbers (positive)."""

for _family in _FAMILIES:
    CONSTANTS |= constants(_family)
CONSTANTS |= errno_numbers()
