"""Columns of a trace, redacted: which rule a column has, and its values under that rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa

from bpfrec.analyze.share.addresses import redacted_address
from bpfrec.analyze.share.text import TextRedactor
from bpfrec.formats.columns import Column, Table
from bpfrec.formats.kernel.sockaddr import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX

IS_ENVIRONMENT = "is_environment"
"""A column beside those of ``exec_args``: whether the string is of the environment."""

IS_HIDDEN = "is_hidden"
"""A column beside those of ``structs``: whether the words may hold an address or a name."""

USERS, HOST, ADDRESSES, BINARIES = "users", "host", "addresses", "binaries"
_MOST_DISTINCT = 1 << 20
_EXAMPLES = 3
_UNIX = "unix:"


Place = tuple[str, str]
"""A table and a column of it."""


@dataclass(frozen=True)
class Rule:
    """How a column is redacted; ``kind`` as in ``columns.tsv``."""

    kind: str
    classes: tuple[str, ...] = ()


_FIXED = Rule("fixed")
_NOT_KNOWN = Rule("removed")
"""For a column of text that no rule names."""


@cache
def classes() -> dict[str, str]:
    """What belongs to each class, by its name."""
    return dict(_rows("classes"))


@cache
def rules() -> dict[tuple[str, str], Rule]:
    """The rule of each column, by its table and name."""
    found = {}
    for table, column, kind, named in _rows("columns"):
        found[table, column] = Rule(kind, () if named == "-" else tuple(named.split()))
    return found


def rule_of(table: Table, column: Column) -> Rule:
    """The rule of a column: what no rule names is removed if it can hold text."""
    default = _NOT_KNOWN if column.sql_type in ("VARCHAR", "BLOB") else _FIXED
    return rules().get((table.name, column.name), default)


def _rows(name: str) -> list[list[str]]:
    text = files(__package__).joinpath(f"{name}.tsv").read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@dataclass
class Finding:
    """What may be secret in one column, for one class.

    ``values``: how many values; ``examples``: the first few, each with what stands for it. ``replaced``: whether it
    was asked for.
    """

    table: str
    column: str
    name: str
    replaced: bool
    values: int = 0
    examples: dict[str, str] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)

    @property
    def distinct(self) -> int:
        """How many different values, up to about a million."""
        return len(self._seen)

    def add(self, value: str, token: str, count: int) -> None:
        """Counts a value that was found ``count`` times."""
        self.values += count
        if len(self._seen) < _MOST_DISTINCT:
            self._seen.add(hash(value))
        if len(self.examples) < _EXAMPLES:
            self.examples.setdefault(value, token)


class ColumnRedactor:
    """Redacts batches of rows, for the classes ``chosen``; :attr:`findings` has what there is of all classes."""

    def __init__(self, text: TextRedactor, chosen: Iterable[str]) -> None:
        self._text = text
        self._chosen = frozenset(chosen)
        self._found: dict[tuple[str, str, str], Finding] = {}

    @property
    def findings(self) -> list[Finding]:
        """What was found so far, in the order of the tables."""
        return list(self._found.values())

    @property
    def chosen(self) -> frozenset[str]:
        """The classes that are replaced."""
        return self._chosen

    def batch(self, table: Table, rows: pa.RecordBatch) -> pa.Table:
        """The rows of ``table`` with what was chosen replaced, in the columns of the format."""
        made = [self._column(table, c, rows, rule_of(table, c)) for c in table.columns]
        return pa.table(made, names=[c.name for c in table.columns])

    def note(self, finding: Finding) -> None:
        """Adds what was found elsewhere."""
        self._found[finding.table, finding.column, finding.name] = finding

    def value(self, table: str, column: str, name: str, value: str) -> str:
        """What stands for a single text of class ``name``, as those in the manifest."""
        return self._one((table, column), name, value, self._text.whole(value), 1)

    def _column(self, table: Table, column: Column, rows: pa.RecordBatch, rule: Rule) -> pa.Array:
        place, values = (table.name, column.name), rows.column(column.name)
        made = values
        match rule.kind:
            case "text":
                made = self._by_value(place, values, lambda _: rule.classes[0])
            case "socket":
                made = self._by_value(place, values, _socket_class)
            case "vector":
                made = self._by_rows(place, values, rows.column(IS_ENVIRONMENT), _vector_class, self._plain)
            case "address":
                made = self._by_rows(place, values, rows.column("family"), _address_class, self._address)
            case "symbol" | "source":
                made = self._by_rows(place, values, rows.column("module"), _symbol_class, self._code)
            case "data":
                made = self._data(place, values)
            case "option":
                made = self._words(place, values, rows.column(IS_HIDDEN))
            case "removed":
                made = self._removed(place, values, rule.classes)
        return made

    def _by_value(self, place: Place, values: pa.Array, class_of: Callable[[str], str]) -> pa.Array:
        """The values of a column of text; those that are the same are looked at once."""
        encoded = values.dictionary_encode()
        made = [
            self._one(place, class_of(text), text, self._text.whole(text), count)
            for text, count in zip(encoded.dictionary.to_pylist(), _counts(encoded), strict=True)
        ]
        return pa.DictionaryArray.from_arrays(encoded.indices, pa.array(made, pa.string())).cast(pa.string())

    def _by_rows(
        self,
        place: Place,
        values: pa.Array,
        beside: pa.Array,
        class_of: Callable[[Any, str], str],
        whole: Callable[[Any, str], str],
    ) -> pa.Array:
        """The values of a column whose rule looks at another column of the row, ``beside``."""
        known: dict[tuple[Any, str], str] = {}
        counts: dict[tuple[Any, str], int] = {}
        pairs = [
            None if value is None else (other, value)
            for other, value in zip(beside.to_pylist(), values.to_pylist(), strict=True)
        ]
        for pair in pairs:
            if pair is not None:
                counts[pair] = counts.get(pair, 0) + 1
        for (other, value), count in counts.items():
            name = class_of(other, value)
            known[other, value] = self._one(place, name, value, whole(other, value), count)
        return pa.array([None if pair is None else known[pair] for pair in pairs], pa.string())

    def _one(self, place: Place, name: str, value: str, token: str, count: int) -> str:
        """What stands for one value of class ``name``: ``token`` if that was chosen, or what other classes change."""
        secret = token != value
        if secret and self._is_asked(place, name):
            self._note(place, name, True, value, token, count)
            return token
        if secret:
            self._note(place, name, False, value, token, count)
        changed = value
        if ADDRESSES in self._chosen:
            changed = self._text.only_addresses(changed)
        if self._chosen & {USERS, HOST}:
            changed = self._text.only_private(changed)
        if changed != value:
            self._note(place, f"in {name}", True, value, changed, count)
        return changed

    def _is_asked(self, place: Place, name: str) -> bool:
        """Whether values of class ``name`` are replaced in this column."""
        rule = rules().get(place)
        also = set(rule.classes) if rule is not None and rule.kind == "text" else set()
        # The path of a socket is a path.
        also |= {"paths"} if name == "sockets" else set()
        return bool(self._chosen & {name, *also})

    def _note(self, place: Place, name: str, replaced: bool, value: str, token: str, count: int) -> None:
        key = (*place, name)
        if key not in self._found:
            self._found[key] = Finding(*key, replaced)
        self._found[key].add(value, token, count)

    def _plain(self, _beside: Any, value: str) -> str:
        return self._text.whole(value)

    def _code(self, module: Any, value: str) -> str:
        """A function or a source file, which is public if the file that the code is in is."""
        # JIT code has no file of its own.
        is_file = module is not None and module[:1] in ("/", "[")
        return value if is_file and self._text.is_public(module) else self._text.whole(value)

    def _address(self, family: Any, value: str) -> str:
        if family in (AF_INET, AF_INET6):
            return redacted_address(value, self._text.tokens) or self._text.whole(value)
        if family == AF_UNIX:
            return self._text.whole(value)
        return value if family == AF_NETLINK else self._text.tokens.hex(value)

    def _data(self, place: Place, values: pa.Array) -> pa.Array:
        encoded = values.dictionary_encode()
        contents, counts = encoded.dictionary.to_pylist(), _counts(encoded)
        replaced = "data" in self._chosen
        made = []
        for content, count in zip(contents, counts, strict=True):
            token = self._text.tokens.data(content)
            if content:
                shown = content[:40].decode("utf-8", "backslashreplace")
                self._note(place, "data", replaced, shown, token[:40].decode(), count)
            made.append(token if replaced else content)
        return pa.DictionaryArray.from_arrays(encoded.indices, pa.array(made, pa.binary())).cast(pa.binary())

    def _words(self, place: Place, values: pa.Array, hidden: pa.Array) -> pa.Array:
        replaced = ADDRESSES in self._chosen
        made = values.to_pylist()
        for row, is_hidden in enumerate(hidden.to_pylist()):
            if is_hidden and made[row] is not None:
                self._note(place, ADDRESSES, replaced, hex(made[row]), "NULL", 1)
                made[row] = None if replaced else made[row]
        return pa.array(made, values.type)

    def _removed(self, place: Place, values: pa.Array, named: tuple[str, ...]) -> pa.Array:
        replaced = bool(self._chosen) and (not named or bool(self._chosen & set(named)))
        for value in values.drop_null().slice(0, 1).to_pylist():
            shown = f"{len(value):,} bytes" if isinstance(value, bytes) else str(value)
            count = len(values) - values.null_count
            self._note(place, named[0] if named else "not known", replaced, shown, "NULL", count)
        return pa.nulls(len(values), values.type) if replaced else values


def _counts(encoded: pa.DictionaryArray) -> list[int]:
    import numpy as np  # noqa: PLC0415

    indices = encoded.indices.drop_null().to_numpy(zero_copy_only=False)
    counted: list[int] = np.bincount(indices, minlength=len(encoded.dictionary)).tolist()
    return counted


def _socket_class(name: str) -> str:
    return "sockets" if name.startswith(_UNIX) else ADDRESSES


def _symbol_class(_module: Any, _value: str) -> str:
    return "symbols"


def _vector_class(is_environment: Any, _value: str) -> str:
    return "environment" if is_environment else "arguments"


def _address_class(family: Any, _value: str) -> str:
    return "sockets" if family == AF_UNIX else ADDRESSES
