"""Linux error numbers by name, whatever system reads the trace.

Python's ``errno`` is that of the host it runs on; a trace is always Linux's.
"""

from __future__ import annotations

from functools import cache

from bpfrec.formats.kernel.fact_tables import tsv_rows

MAX_ERRNO = 4095
"""Return values in ``-MAX_ERRNO..-1`` are errors (include/linux/err.h)."""


@cache
def errno_names() -> dict[int, str]:
    """Names by positive error number, the kernel-internal ones (512 and up) included."""
    return {int(number): name for number, name, _ in tsv_rows("errnos.tsv")}


@cache
def errno_texts() -> dict[int, str]:
    """What the errors mean, in English, by positive error number."""
    return {int(number): text for number, _, text in tsv_rows("errnos.tsv")}


RESTARTS = ("ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK")
"""Errors that no program sees: the kernel calls again, or makes EINTR of them. Such a call has not failed."""


@cache
def errno_numbers() -> dict[str, int]:
    """Positive error numbers by name; the aliases EWOULDBLOCK, EDEADLOCK and ENOTSUP are known."""
    numbers = {name: number for number, name in errno_names().items()}
    aliases = {"EWOULDBLOCK": "EAGAIN", "EDEADLOCK": "EDEADLK", "ENOTSUP": "EOPNOTSUPP"}
    return numbers | {alias: numbers[name] for alias, name in aliases.items()}
