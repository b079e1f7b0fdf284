"""Names of the kernel's constants that expressions use, as its headers give them on x86-64."""

from __future__ import annotations

from functools import cache

from bpfrec.formats.kernel.decoding import constants, families
from bpfrec.formats.kernel.errnos import errno_numbers
from bpfrec.formats.kernel.open_flags import OPEN_FLAGS


@cache
def c_constants() -> dict[str, int]:
    """Value by name: flags, commands, address families, signals ... and error numbers (positive).

    Names that ``constants.tsv`` has from strace alone, as for several requests of one number, are no C.
    """
    aliases = {"NULL": 0, "MAP_ANON": constants("mmap")["MAP_ANONYMOUS"], "MAP_FILE": 0, "SIGPOLL": 29, "SIGIOT": 6}
    families_of = {f"P{name.removeprefix('A')}": value for name, value in constants("address_family").items()}
    named = {name: value for family in sorted(families()) for name, value in constants(family).items()}
    every = families_of | {name: value for name, value in named.items() if name.isidentifier()} | errno_numbers()
    return every | OPEN_FLAGS | aliases
