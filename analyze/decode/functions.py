"""The SQL functions that make text of raw numbers: a macro for each decoder of :mod:`bpfrec.formats.kernel.decoding`.

They take any integer, as a call has it or as a view's C type shows it: each begins by masking the bits that count,
which makes the same number of both. Of what has no name, all bits are shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial

from bpfrec.analyze.decode.memory import (
    limit_expression,
    sigset_expression,
    sockaddr_expression,
    wait_status_expression,
)
from bpfrec.analyze.decode.texts import (
    bytes_text_expression,
    failed_expression,
    quoted_expression,
    result_expression,
)
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.formats.kernel.decoding import Decoder, Term, decoders

_WORD = re.compile(r"\w+")
_SOCKADDR = ("family", "address", "port", "extra", "status")


@dataclass(frozen=True)
class Function:
    """A SQL macro: its parameters, what it gives, the macros it calls, and what makes its expression."""

    name: str
    parameters: tuple[str, ...]
    comment: str
    needs: tuple[str, ...]
    expression: Callable[[], str]

    @property
    def signature(self) -> str:
        """As it is called."""
        return f"{self.name}({', '.join(self.parameters)})"

    def create(self) -> str:
        """The statement that makes the macro."""
        return f"CREATE OR REPLACE MACRO {self.signature} AS {self.expression()}"


@cache
def functions() -> dict[str, Function]:
    """Every function by name, each after those that it calls."""
    made = [_of_decoder(decoder) for decoder in decoders().values()]
    made.sort(key=lambda function: len(function.needs) > 0)
    return {function.name: function for function in (*made, *_AROUND)}


def named_in(text: str) -> list[Function]:
    """The functions whose names stand in SQL, and those that they call, each after what it calls."""
    words = {word.lower() for word in _WORD.findall(text)}
    needed = words.union(*(functions()[word].needs for word in words if word in functions()))
    return [function for name, function in functions().items() if name in needed]


def _of_decoder(decoder: Decoder) -> Function:
    parameters = ("selector", "value") if decoder.choices else ("value",)
    expression = partial(_chosen if decoder.choices else _decoded, decoder)
    return Function(decoder.name, parameters, decoder.comment, tuple(sorted(set(decoder.choices.values()))), expression)


_AROUND = (
    Function(
        "quoted_text",
        ("path", "status"),
        "path and its status as a C string: quoted, with escapes",
        (),
        partial(quoted_expression, "path", "status"),
    ),
    Function(
        "bytes_text",
        ("bytes",),
        "contents as a C string: quoted, with escapes",
        (),
        partial(bytes_text_expression, "bytes"),
    ),
    Function(
        "result_text",
        ("value",),
        "result of a call: a number, or an error and what it means",
        (),
        partial(result_expression, "value"),
    ),
    Function(
        "failed",
        ("ret",),
        "whether a result says that the call failed; one that the kernel makes again (ERESTARTSYS ...) has not",
        (),
        partial(failed_expression, "ret"),
    ),
    Function(
        "sockaddr_text",
        _SOCKADDR,
        "socket address, by the columns of sockaddrs",
        ("address_family", "quoted_text"),
        partial(sockaddr_expression, *_SOCKADDR),
    ),
    Function(
        "wait_status_text",
        ("value",),
        "status of a child, as wait4(2) gives it",
        ("ptrace_event_name", "signal_name"),
        partial(wait_status_expression, "(value & 4294967295)"),
    ),
    Function(
        "sigset_text",
        ("value",),
        "set of signals, as a mask of 64 bits",
        (),
        partial(sigset_expression, "(value & 18446744073709551615::UBIGINT)"),
    ),
    Function("limit_text", ("value",), "resource limit", (), partial(limit_expression, "value")),
)


def _chosen(decoder: Decoder) -> str:
    selector = decoders()[decoder.selector]
    tests: dict[tuple[int, str], list[int]] = {}
    for name, chosen in decoder.choices.items():
        mask, value = selector.named(name)
        tests.setdefault((mask, chosen), []).append(value)
    whens = " ".join(
        f"WHEN selector & {number(mask)} IN {literal(values)} THEN {chosen}(value)"
        for (mask, chosen), values in tests.items()
    )
    return f"CASE {whens} ELSE {_rest(decoder, f'(value & {number(decoder.width)})')} END"


def _decoded(decoder: Decoder) -> str:
    value = f"(value & {number(decoder.width)})"
    if decoder.name == "errno_name":
        value = "abs(CAST(value AS HUGEINT))"
    match decoder.terms:
        case ():
            return _rest(decoder, value)
        case (Term(mask=mask) as whole,) if mask == decoder.width:
            return f"coalesce({_name(whole, value)}, {_rest(decoder, value)})"
    joined = f"concat_ws('|', {', '.join([*_term_texts(decoder), *_unnamed(decoder)])})"
    if (nothing := _nothing(decoder)) is None:
        return f"CASE WHEN value IS NOT NULL THEN {joined} END"
    return f"CASE WHEN {value} = 0 THEN {literal(nothing)} WHEN value IS NOT NULL THEN {joined} END"


def _nothing(decoder: Decoder) -> str | None:
    """What is written where no bit is set; None where a term has its own text for that."""
    if decoder.rest == "octal":
        return None
    zeros = [(t, name) for t in decoder.terms for name, value in t.values.items() if value == 0]
    if any(term.mask is not None for term, _ in zeros):
        return None
    return zeros[0][1] if zeros else "0"


def _name(field: Term, value: str) -> str:
    first: dict[int, str] = {}
    for name, known in field.values.items():
        first.setdefault(known, name)
    return looked_up(first, value)


def looked_up(texts: Mapping[int, str], value: str) -> str:
    """SQL for the text of a number; NULL for one that is not among them.

    It is searched in a constant list: a CASE takes as long to run, and longer to prepare, since it copies ``value``.
    """
    numbers, names = ", ".join(map(str, texts)), ", ".join(map(literal, texts.values()))
    return f"list_extract([{names}], list_position([{numbers}]::UBIGINT[], CAST({value} AS UBIGINT)))"


def _term_texts(decoder: Decoder) -> Iterator[str]:
    for term in decoder.terms:
        if term.mask is not None:
            field = f"value & {number(term.mask)}"
            yield f"coalesce({_name(term, field)}, {_prefixed(f'nullif({field}, 0)')})"
            continue
        wider: list[int] = []
        for name, bits in term.values.items():
            if bits:
                # What a name of several bits said is not said again.
                said = [w for w in wider if w & bits == bits]
                tests = [f"value & {number(bits)} = {bits}", *(f"value & {number(w)} != {w}" for w in said)]
                yield f"CASE WHEN {' AND '.join(tests)} THEN {literal(name)} END"
                wider.append(bits)


def _unnamed(decoder: Decoder) -> Iterator[str]:
    """SQL for the bits that no term names."""
    rest = decoder.width
    for term in decoder.terms:
        for bits in (term.mask,) if term.mask is not None else term.values.values():
            rest &= ~bits
    permissions = 0o777 if decoder.rest == "octal" else 0
    yield _prefixed(f"nullif(value & {number(rest & ~permissions)}, 0)")
    if permissions:
        yield written("octal", f"(value & {permissions})", 16)


def _rest(decoder: Decoder, value: str) -> str:
    return written(decoder.rest, value, decoder.bits)


def written(how: str, value: str, bits: int) -> str:
    """SQL that writes ``value``, a number of so many ``bits`` without a sign, as strace does; ``how`` names the way."""
    return _WAYS[how](value, bits)


def _prefixed(value: str) -> str:
    # printf() and format() take four times as long.
    return f"'0x' || lower(to_hex({value}))"


def _hex(value: str, _bits: int = 64) -> str:
    return f"if({value} = 0, '0', {_prefixed(value)})"


def _address(value: str, _bits: int) -> str:
    return f"if({value} = 0, 'NULL', {_prefixed(value)})"


def _octal(value: str, _bits: int) -> str:
    return f"'0' || to_base(CAST({value} AS BIGINT), 8, 2)"


def _unsigned(value: str, _bits: int) -> str:
    return f"CAST({value} AS VARCHAR)"


def _signed(value: str, bits: int) -> str:
    wide = f"CAST({value} AS HUGEINT)"
    return f"CAST({wide} - ({wide} & {number(1 << (bits - 1))}) * 2 AS VARCHAR)"


def _device(value: str, _bits: int) -> str:
    # include/linux/kdev_t.h, new_decode_dev
    major, minor = f"(({value} >> 8) & 4095)", f"(({value} & 255) | (({value} >> 12) & 1048320))"
    return f"('makedev(' || {_hex(major)} || ', ' || {_hex(minor)} || ')')"


def _request(value: str, _bits: int) -> str:
    # include/uapi/asm-generic/ioctl.h
    direction = f"(['_IOC_NONE', '_IOC_WRITE', '_IOC_READ', '_IOC_READ|_IOC_WRITE'])[CAST({value} >> 30 AS BIGINT) + 1]"
    parts = (f"(({value} >> 8) & 255)", f"({value} & 255)", f"(({value} >> 16) & 16383)")
    return f"('_IOC(' || {direction} || concat_ws(', ', '', {', '.join(map(_hex, parts))}) || ')')"


_WAYS: dict[str, Callable[[str, int], str]] = {
    "address": _address,
    "device": _device,
    "hex": _hex,
    "int": _signed,
    "ioc": _request,
    "octal": _octal,
    "uint": _unsigned,
}


def number(mask: int) -> str:
    """A mask as SQL."""
    # DuckDB takes a literal above 2^63 for a HUGEINT, which is slow.
    return f"{mask}::UBIGINT" if mask >= 1 << 63 else str(mask)
