"""What parameters of a probe point at, as far as it was recorded: strings, contents, times, structs, addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from bpfrec.analyze.probes import c_types
from bpfrec.analyze.probes.c_to_sql import Value, convert
from bpfrec.analyze.probes.c_types import CType
from bpfrec.analyze.probes.functions import Source
from bpfrec.formats.kernel.captures import STRUCTS
from bpfrec.formats.kernel.sockaddr import AF_UNIX

Choose = Callable[[int, Callable[[Source], str | None]], str | None]
"""Gives one SQL expression for a parameter, by the source that it has in each system call."""

_UTF8 = (
    "(?:[0-7][0-9A-F]|(?:C[2-9A-F]|D[0-9A-F])[89AB][0-9A-F]|E0[AB][0-9A-F][89AB][0-9A-F]"
    "|(?:E[1-9A-CEF]|ED[89])(?:[89AB][0-9A-F]){2}|F[0-4](?:[89AB][0-9A-F]){3})*"
)
_BEFORE_NUL = "^(?:0[1-9A-F]|[1-9A-F][0-9A-F])*"
"""Both match bytes that are two capital hex digits each."""

_FAMILIES = ("sa_family", "sin_family", "sin6_family", "sun_family", "ss_family")
_PORTS = ("sin_port", "sin6_port")


class CapturedValues:
    """What the parameters of one site point at; remembers the joins that reading it needs.

    Where a call writes, its contents are known at its exit (``at_exit``). ``has_data``: whether the trace holds the
    contents of buffers.
    """

    def __init__(self, choose: Choose, *, at_exit: bool, has_data: bool, prefix: str) -> None:
        self._choose = choose
        self._at_exit = at_exit
        self._has_data = has_data
        self._prefix = prefix
        self._joins: dict[str, str] = {}

    @property
    def joins(self) -> list[str]:
        """JOIN clauses for what was asked for so far."""
        return list(self._joins.values())

    def pointed_at(self, value: Value, index: int, sources: list[Source]) -> Value:
        """``value``, which is parameter ``index``, with what it points at; ``sources``: where it is in the calls."""
        if any(source.path_column for source in sources):
            column = self._choose(index, lambda source: source.path_column)
            return replace(value, text=column, why=f"{column}_status" if column in {"path", "path2"} else "NULL")
        kinds = {kind for source in sources if (kind := self._kind(source))}
        if len(kinds) != 1:
            # Nothing, or what differs from call to call.
            return value
        kind = kinds.pop()
        if kind == "string":
            row = self._join("strings", index)
            return replace(value, text=f"{row}.value", why=f"{row}.status")
        if kind == "data":
            row = self._join("data", index)
            contents = f"{row}.bytes"
            return replace(value, text=_string_in(contents), why=f"{row}.status", contents=contents)
        if kind == "timespec":
            readers = {name: self._time(index, name) for name in ("tv_sec", "tv_nsec")}
        else:
            readers = self._address(index) if kind == "sockaddr" else self._members(index, kind, value.origin)
        return replace(value, fields=_Fields(readers))

    def _kind(self, source: Source) -> str | None:
        """The kind of capture that the parameter has in a call; None where it has none that is known at the site."""
        for capture in source.captures:
            known = capture.kind in STRUCTS or capture.kind in {"string", "timespec", "sockaddr"}
            if (known or (capture.kind == "data" and self._has_data)) and (self._at_exit or not capture.at_exit):
                return capture.kind
        return None

    def _join(self, table: str, index: int) -> str:
        """The name of the row of ``table`` that a parameter has."""
        row = f"{self._prefix}{table}{index}"
        if row not in self._joins:
            argument = self._choose(index, lambda source: str(source.index) if self._kind(source) else None)
            on = f"{row}.event_id = syscalls.event_id AND {row}.arg = {argument}"
            self._joins[row] = f"LEFT JOIN {table} AS {row} ON {on}"
        return row

    def _time(self, index: int, name: str) -> Callable[[], Value]:
        return lambda: Value(f"{self._join('timespecs', index)}.{name}", c_types.LONG, origin=name)

    def _members(self, index: int, kind: str, origin: str) -> dict[str, Callable[[], Value]]:
        def reader(word: int, shift: int, ctype: CType, name: str) -> Callable[[], Value]:
            def read() -> Value:
                column = f"{self._join('structs', index)}.word{word}"
                sql = f"({column} >> {shift})" if shift else column
                return convert(Value(sql, c_types.ULONG, origin=f"{name} of {origin}"), ctype)

            return read

        return {m.name: reader(m.word, m.shift, CType(m.bits, m.signed), m.name) for m in STRUCTS[kind]}

    def _address(self, index: int) -> dict[str, Callable[[], Value]]:
        ushort = CType(16, False)

        def family() -> Value:
            return Value(f"{self._join('sockaddrs', index)}.family", ushort, origin="sa_family")

        def port() -> Value:
            # In memory it is in the order of the network.
            number = f"{self._join('sockaddrs', index)}.port"
            return Value(f"(({number} & 255) * 256 + ({number} >> 8))", ushort, origin="sin_port")

        def path() -> Value:
            row = self._join("sockaddrs", index)
            text = f"(CASE WHEN {row}.family = {AF_UNIX} THEN {row}.address END)"
            return Value("1", c_types.STRING, text=text, why=f"{row}.status", origin="sun_path")

        return dict.fromkeys(_FAMILIES, family) | dict.fromkeys(_PORTS, port) | {"sun_path": path}


class _Fields(Mapping[str, Value]):
    """The members of a struct, each made, and its join with it, when it is asked for."""

    def __init__(self, readers: Mapping[str, Callable[[], Value]]) -> None:
        self._readers = readers

    def __getitem__(self, name: str) -> Value:
        return self._readers[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._readers

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


def _string_in(contents: str) -> str:
    """SQL for the C string that a buffer begins with, up to its first zero byte; what is not UTF-8 as ``\\xNN``."""
    digits = f"regexp_extract(hex({contents}), '{_BEFORE_NUL}')"
    return (
        f"(CASE WHEN regexp_full_match({digits}, '{_UTF8}') THEN decode(unhex({digits}))"
        f" ELSE CAST(unhex({digits}) AS VARCHAR) END)"
    )
