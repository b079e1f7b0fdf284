"""The SQL function ``demangled``: names of functions as they stand in the source of C++ and Rust."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

DEMANGLED = "demangled"


def add_demangled(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the function in ``connection``; a name that is not mangled it gives as it is."""
    from multi_demangle import demangle_symbol  # noqa: PLC0415 - half the reports need none

    def demangled(name: str) -> str:
        return str(demangle_symbol(name))

    connection.create_function(DEMANGLED, demangled, ["VARCHAR"], "VARCHAR")
