"""C types of syscall arguments in SQL."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CType:
    """How a raw UBIGINT argument is read: the SQL type, and the macro of sql/casts.sql that casts ('' for none)."""

    sql_type: str
    macro: str

    def cast(self, expression: str) -> str:
        """SQL that reads ``expression`` as this type."""
        return f"{self.macro}({expression})" if self.macro else expression


INT = CType("INTEGER", "c_int")
UINT = CType("UINTEGER", "c_uint")
USHORT = CType("USMALLINT", "c_ushort")
LONG = CType("BIGINT", "c_long")
ULONG = CType("UBIGINT", "")

_NAMES = {
    INT: ("int", "s32", "__s32", "pid_t", "key_t", "key_serial_t", "clockid_t", "mqd_t", "timer_t", "rwf_t"),
    UINT: ("unsigned int", "unsigned", "u32", "__u32", "uid_t", "gid_t", "qid_t"),
    USHORT: ("umode_t", "unsigned short", "u16"),
    LONG: ("long", "s64", "__s64", "off_t", "loff_t", "ssize_t"),
}
_BY_NAME = {name: kind for kind, names in _NAMES.items() for name in names}


def ctype(declaration: str) -> CType:
    """The type of an argument declared as ``declaration``; pointers and what is not known are unsigned 64-bit."""
    name = declaration.removeprefix("const ").strip()
    return UINT if name.startswith("enum ") else _BY_NAME.get(name, ULONG)
