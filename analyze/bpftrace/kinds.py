"""The types of the language, and how values of each are held when a script runs.

An integer is a Python int within its type; a bool a bool; a string, and all that prints as one, a str (a byte that is
no UTF-8 is a surrogate); a pointer a pair of its address and the :class:`~.memory.Memory` it leads to, or None; a tuple
or record a tuple; bytes and arrays of char bytes; other arrays tuples; a struct its Memory; a stack its number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not known yet."""

    def __str__(self) -> str:
        return "none"


@dataclass(frozen=True, slots=True)
class Void:
    """What a call without a value gives."""

    def __str__(self) -> str:
        return "void"


@dataclass(frozen=True, slots=True)
class Int:
    """An integer of ``bits``; ``literal``: a constant, whose type gives way to that of the other side.

    ``enum``: the enum whose enumerators are its values, '' where there is none.
    """

    bits: int = 64
    signed: bool = False
    literal: bool = False
    enum: str = ""

    def __str__(self) -> str:
        return f"enum {self.enum}" if self.enum else f"{'' if self.signed else 'u'}int{self.bits}"


@dataclass(frozen=True, slots=True)
class Bool:
    """A truth value; in 0.17 there are none, only integers."""

    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True, slots=True)
class Str:
    """Text. ``form`` says what it is in messages: string, username, inet, timestamp ..."""

    form: str = "string"

    def __str__(self) -> str:
        return self.form


@dataclass(frozen=True, slots=True)
class Symbol:
    """The name of the function at an address: text."""

    form: str

    def __str__(self) -> str:
        return self.form


@dataclass(frozen=True, slots=True)
class Bytes:
    """What buf() gives."""

    def __str__(self) -> str:
        return "buffer"


@dataclass(frozen=True, slots=True)
class Pointer:
    """An address of a ``to``; None: of anything."""

    to: Kind | None = None

    def __str__(self) -> str:
        return f"{self.to or 'void'} *"


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct or union of the tables or of the script, by ``name``."""

    name: str

    def __str__(self) -> str:
        return f"struct {self.name}"


@dataclass(frozen=True, slots=True)
class Array:
    """``length`` items of one type."""

    item: Kind
    length: int

    def __str__(self) -> str:
        return f"{self.item}[{self.length}]"


@dataclass(frozen=True, slots=True)
class Tup:
    """A tuple; ``names`` for a record."""

    items: tuple[Kind, ...]
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "(" + ",".join(map(str, self.items)) + ")"


@dataclass(frozen=True, slots=True)
class Stack:
    """A call stack of the user or the kernel, in a mode of printing (bpftrace, perf, raw, build_id)."""

    form: str
    mode: str = "bpftrace"

    def __str__(self) -> str:
        return self.form


@dataclass(frozen=True, slots=True)
class Args:
    """``args`` of a probe."""

    def __str__(self) -> str:
        return "args"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What a map holds that is assigned count(), sum() ...

    ``signed``: that of what goes in. ``bounds``: minimum, maximum and step of lhist; bits of hist.
    """

    form: str
    signed: bool = False
    bounds: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.form}_t"


Kind: TypeAlias = (
    Unknown | Void | Int | Bool | Str | Symbol | Bytes | Pointer | Struct | Array | Tup | Stack | Args | Aggregate
)

UNKNOWN, VOID, BOOL, STRING = Unknown(), Void(), Bool(), Str()
I64, U64 = Int(64, True), Int(64, False)

_SIGNED = {"short": 16, "int": 32, "long": 64, "pid_t": 32, "off_t": 64, "loff_t": 64, "ssize_t": 64}
_UNSIGNED = {"size_t": 64, "uid_t": 32, "gid_t": 32, "mode_t": 32, "sa_family_t": 16, "socklen_t": 32}
_FIXED = {f"int{bits}": bits for bits in (8, 16, 32, 64)}


def named_type(words: tuple[str, ...]) -> Kind | None:
    """The type that C or bpftrace calls so, as ``unsigned long`` or ``uint32``; None for one not known."""
    kept = [word for word in words if word not in ("const", "volatile")]
    if kept and kept[0] in ("struct", "union"):
        return Struct(kept[1])
    if kept and kept[0] == "enum":
        return Int(64, False, enum=kept[1])
    name = " ".join(kept)
    if name in ("void", "bool", "string", "char", "unsigned char", "signed char"):
        plain: dict[str, Kind] = {"void": VOID, "bool": BOOL, "string": STRING, "unsigned char": Int(8, False)}
        return plain.get(name, Int(8, True))
    bare = name.removesuffix("_t").lstrip("_")
    if bare.removeprefix("u") in _FIXED:
        return Int(_FIXED[bare.removeprefix("u")], not bare.startswith("u"))
    for prefix, signed in (("u", False), ("s", True), ("be", False)):
        if bare.startswith(prefix) and bare.removeprefix(prefix).isdigit():
            return Int(int(bare.removeprefix(prefix)), signed)
    if name in _UNSIGNED:
        return Int(_UNSIGNED[name], False)
    parts = set(kept)
    if parts <= {"unsigned", "signed", "short", "int", "long"} and kept:
        bits = 64 if "long" in parts else 16 if "short" in parts else 32
        return Int(bits, "unsigned" not in parts)
    if name in _SIGNED:
        return Int(_SIGNED[name], True)
    return None


CASTABLE = ("count", "sum", "min", "max", "avg")
"""Aggregations whose value can be read as a number."""


def is_number(kind: Kind) -> bool:
    """Whether a value of it can be an operand of arithmetic."""
    return isinstance(kind, (Int, Bool)) or (isinstance(kind, Aggregate) and kind.form in CASTABLE)


def is_text(kind: Kind) -> bool:
    """Whether it is a string, or an array of char, which is one."""
    return isinstance(kind, Str) or (isinstance(kind, Array) and kind.item == Int(8, True))


def readable(kind: Kind) -> Kind:
    """The type of what is read of a value: an aggregation reads as a number."""
    if isinstance(kind, Aggregate) and kind.form in CASTABLE:
        return I64 if kind.signed else U64
    return kind


def same_family(first: Kind, second: Kind) -> bool:
    """Whether values of both can be in one place."""
    if isinstance(first, Unknown) or isinstance(second, Unknown):
        return True
    if is_number(first) and is_number(second):
        return True
    if is_text(first) and is_text(second):
        return True
    if isinstance(first, Tup) and isinstance(second, Tup):
        return len(first.items) == len(second.items) and all(map(same_family, first.items, second.items))
    if isinstance(first, Aggregate) and isinstance(second, Aggregate):
        return first.form == second.form and first.bounds == second.bounds
    return type(first) is type(second)
