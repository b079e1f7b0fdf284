"""The SQL types of syscall arguments, by their C types."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ArgumentType:
    """How a raw UBIGINT argument is read: the SQL type, and the macro of sql/casts.sql that casts ('' for none)."""

    sql_type: str
    macro: str

    def cast(self, expression: str) -> str:
        """SQL that reads ``expression`` as this type."""
        return f"{self.macro}({expression})" if self.macro else expression


INT = ArgumentType("INTEGER", "c_int")
UINT = ArgumentType("UINTEGER", "c_uint")
USHORT = ArgumentType("USMALLINT", "c_ushort")
LONG = ArgumentType("BIGINT", "c_long")
ULONG = ArgumentType("UBIGINT", "")

_NAMES = {
    INT: ("int", "s32", "__s32", "pid_t", "key_t", "key_serial_t", "clockid_t", "mqd_t", "timer_t", "rwf_t"),
    UINT: ("unsigned int", "unsigned", "u32", "__u32", "uid_t", "gid_t", "qid_t"),
    USHORT: ("umode_t", "unsigned short", "u16"),
    LONG: ("long", "s64", "__s64", "off_t", "loff_t", "ssize_t"),
}
_BY_NAME = {name: kind for kind, names in _NAMES.items() for name in names}


def argument_type(declaration: str) -> ArgumentType:
    """The type of an argument declared as ``declaration``; pointers and what is not known are unsigned 64-bit."""
    name = declaration.removeprefix("const ").strip()
    return UINT if name.startswith("enum ") else _BY_NAME.get(name, ULONG)
