"""What the numbers in system calls mean: constants by name, decoders, and which argument has which decoder.

Everything comes from ``constants.tsv``, ``decoders.tsv`` and ``decoding.tsv``, whose heads name the sources; error
numbers come from ``errnos.tsv``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from bpfrec.formats.kernel.errnos import errno_names
from bpfrec.formats.kernel.fact_tables import tsv_rows
from bpfrec.formats.kernel.syscalls import Syscall

WRITTEN = ("address", "fd", "hex", "int", "uint", "octal", "omit")
"""What ``decoding.tsv`` can say of an argument instead of a decoder: how the number itself is written."""

RESULT = "ret"
"""What ``decoding.tsv`` calls the result of a call."""

_WHEN = re.compile(r"(\w+)(!?=)([\w,]+)")


@dataclass(frozen=True)
class Term:
    """A part of a value. The bits of ``mask`` hold one value of ``family``; if it is None, each name is a flag."""

    family: str
    mask: int | None

    def bits(self, value: int) -> int:
        """Returns the bits that decide whether a name with the value ``value`` is there."""
        return value if self.mask is None else self.mask

    @property
    def values(self) -> dict[str, int]:
        """The values of the family's names, as they are in the argument."""
        mask = -1 if self.mask is None else self.mask
        return {name: value & mask for name, value in constants(self.family).items()}


@dataclass(frozen=True)
class Decoder:
    """How a number of ``bits`` bits becomes text: the names that its ``terms`` give, joined with ``|``, then the rest.

    ``rest`` says how bits without a name are written. If there are ``choices``, another argument, read by the decoder
    ``selector``, decides which decoder is used instead.
    """

    name: str
    bits: int
    terms: tuple[Term, ...]
    selector: str
    choices: dict[str, str]
    rest: str
    comment: str

    @property
    def width(self) -> int:
        """The mask of the bits that belong to the value."""
        return (1 << self.bits) - 1

    def named(self, name: str) -> tuple[int, int]:
        """Returns the mask, and the value under that mask, that ``name`` stands for.

        Raises:
            KeyError: no term has this name.
        """
        for term in self.terms:
            if name in (values := term.values):
                return term.bits(values[name]) & self.width, values[name]
        raise KeyError(name)


@dataclass(frozen=True)
class Condition:
    """When an argument is meaningful: if ``argument`` has one of ``names``, or, ``negated``, none of them."""

    argument: str
    negated: bool
    names: tuple[str, ...]


@dataclass(frozen=True)
class Decoding:
    """How one argument becomes text: ``decoder`` is a name in :func:`decoders` or one of :data:`WRITTEN`.

    ``selector``: the argument that decides between a decoder's choices. ``when``: the condition under which the text of
    the whole call shows the argument, ``label``: how it names it there.
    """

    argument: str
    decoder: str
    selector: str | None
    when: Condition | None
    label: str | None


@cache
def _families() -> dict[str, dict[str, int]]:
    families: dict[str, dict[str, int]] = {"errno": {name: number for number, name in errno_names().items()}}
    for family, name, value in tsv_rows("constants.tsv"):
        families.setdefault(family, {})[name] = int(value, 0)
    return families


def constants(family: str) -> dict[str, int]:
    """Returns the values of one family by name, in the order in which texts list them."""
    return _families()[family]


def families() -> frozenset[str]:
    """Returns the names of all families."""
    return frozenset(_families())


def _term(text: str, bits: int) -> Term:
    if text.endswith("="):
        return Term(text[:-1], (1 << bits) - 1)
    family, _, mask = text.partition("/")
    return Term(family, int(mask, 0) if mask else None)


def _decoder(row: tuple[str, ...]) -> Decoder:
    name, bits, terms, rest, comment = row
    selector, choices = "", {}
    if terms.startswith("by "):
        selector, _, pairs = terms.removeprefix("by ").partition(": ")
        choices = dict(pair.split("=") for pair in pairs.split())
        terms = "-"
    parsed = () if terms == "-" else tuple(_term(term, int(bits)) for term in terms.split())
    return Decoder(name, int(bits), parsed, selector, choices, rest, comment)


@cache
def decoders() -> dict[str, Decoder]:
    """Returns every decoder by name."""
    return {row[0]: _decoder(row) for row in tsv_rows("decoders.tsv")}


def _decoding(row: tuple[str, ...]) -> Decoding:
    _, argument, decoder, when, label = row
    decoder, _, selector = decoder.removesuffix(")").partition("(")
    condition = None
    if match := _WHEN.fullmatch(when):
        condition = Condition(match[1], match[2] == "!=", tuple(match[3].split(",")))
    return Decoding(argument, decoder, selector or None, condition, None if label == "-" else label)


@cache
def _rows() -> dict[str, dict[str, Decoding]]:
    rows: dict[str, dict[str, Decoding]] = {}
    for row in tsv_rows("decoding.tsv"):
        rows.setdefault(row[0], {})[row[1]] = _decoding(row)
    return rows


def decodings(call: Syscall) -> dict[str, Decoding]:
    """Returns the decodings of ``call`` by argument, in the order of ``decoding.tsv``; the result is :data:`RESULT`."""
    own = _rows().get(call.name, {})
    numbers = {argument.name for argument in call.arguments or () if not argument.is_pointer}
    common = {name: row for name, row in _rows()["*"].items() if name in numbers and name not in own}
    return own | common
