"""Which system calls do what: open files, read, write, fork ...

Everything comes from ``roles.tsv``, whose head says what each role means.
"""

from __future__ import annotations

from functools import cache

from bpfrec.formats.kernel.fact_tables import tsv_rows


@cache
def _roles() -> dict[str, tuple[str, ...]]:
    return {role: tuple(calls.split()) for role, calls in tsv_rows("roles.tsv")}


def calls_that(*roles: str) -> tuple[str, ...]:
    """The names of the system calls that have one of ``roles``, in the order of the table, each once.

    Raises:
        KeyError: there is no such role.
    """
    return tuple(dict.fromkeys(call for role in roles for call in _roles()[role]))


def all_roles() -> tuple[str, ...]:
    """The names of all roles."""
    return tuple(_roles())
