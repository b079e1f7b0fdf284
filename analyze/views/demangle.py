"""The SQL function ``demangled``: names of functions as they stand in the source of C++ and Rust."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

DEMANGLED = "demangled"

_THUNK = re.compile(r"_ZT(?:hn?\d+|(?P<virtual>v)n?\d+_n?\d+)_(?=.)")
"""Itanium C++ ABI, 5.1.4.4: the library names thunks in words of its own, gdb and bcc in these."""


def add_demangled(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the function in ``connection``; a name that is not mangled it gives as it is."""
    from multi_demangle import demangle_symbol  # noqa: PLC0415 - half the reports need none

    def demangled(name: str) -> str:
        if thunk := _THUNK.match(name):
            kind = "virtual thunk to" if thunk["virtual"] else "non-virtual thunk to"
            return f"{kind} {demangle_symbol('_Z' + name[thunk.end() :])}"
        return str(demangle_symbol(name))

    connection.create_function(DEMANGLED, demangled, ["VARCHAR"], "VARCHAR")
