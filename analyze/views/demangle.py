"""The SQL function ``demangled``: names of functions as in the source, for C++ and Rust."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bpfrec.analyze.engine.protocols import SqlFunction

if TYPE_CHECKING:
    import duckdb

DEMANGLED = "demangled"

_THUNK = re.compile(r"_ZT(?:hn?\d+|(?P<virtual>v)n?\d+_n?\d+)_(?=.)")
"""Mangled thunks (Itanium C++ ABI, 5.1.4.4). The library has its own words for them; we use those of gdb and bcc."""


def demangled_function() -> SqlFunction:
    """The function. A name that is not mangled stays as it is."""
    return SqlFunction(DEMANGLED, _make)


def _make(connection: duckdb.DuckDBPyConnection) -> None:
    from multi_demangle import demangle_symbol  # noqa: PLC0415 - half the reports need none

    def demangled(name: str) -> str:
        if thunk := _THUNK.match(name):
            kind = "virtual thunk to" if thunk["virtual"] else "non-virtual thunk to"
            return f"{kind} {demangle_symbol('_Z' + name[thunk.end() :])}"
        return str(demangle_symbol(name))

    connection.create_function(DEMANGLED, demangled, ["VARCHAR"], "VARCHAR")
