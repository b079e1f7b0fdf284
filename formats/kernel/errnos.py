"""Linux error numbers. Python's ``errno`` has those of the system it runs on, and a trace is always of Linux."""

from __future__ import annotations

from functools import cache

from bpfrec.formats.kernel.fact_tables import tsv_rows

MAX_ERRNO = 4095
"""Return values from ``-MAX_ERRNO`` to -1 are errors (include/linux/err.h)."""


@cache
def errno_names() -> dict[int, str]:
    """Returns names by positive error number, with the kernel's internal ones (512 and up)."""
    return {int(number): name for number, name, _ in tsv_rows("errnos.tsv")}


@cache
def errno_texts() -> dict[int, str]:
    """Returns what each error means, in English, by positive error number."""
    return {int(number): text for number, _, text in tsv_rows("errnos.tsv")}


RESTARTS = ("ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK")
"""Internal errors of interrupted calls: the kernel repeats the call, or the program sees EINTR."""


@cache
def errno_numbers() -> dict[str, int]:
    """Returns positive error numbers by name, with the aliases EWOULDBLOCK, EDEADLOCK and ENOTSUP."""
    numbers = {name: number for number, name in errno_names().items()}
    aliases = {"EWOULDBLOCK": "EAGAIN", "EDEADLOCK": "EDEADLK", "ENOTSUP": "EOPNOTSUPP"}
    return numbers | {alias: numbers[name] for alias, name in aliases.items()}
