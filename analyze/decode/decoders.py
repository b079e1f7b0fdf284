"""The bodies of the macros that ``decoders.tsv`` describes, one for each decoder.

They take any integer, as a call has it or as a view's C type shows it: each begins by masking the bits that count, so
that both give the same text. Of what has no name, all bits are shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from bpfrec.analyze.decode.number_texts import number_text, ubigint
from bpfrec.analyze.decode.sql_parts import listed, sql
from bpfrec.analyze.engine.sqltemplate import Fragment
from bpfrec.formats.kernel.decoding import Decoder, Term, decoders


def decoder_body(decoder: Decoder) -> Fragment:
    """SQL over the parameters of the macro: ``value``, and ``selector`` where another argument decides."""
    value = sql("decoders.masked", width=ubigint(decoder.width))
    if decoder.choices:
        return sql("decoders.chosen", tests=listed(_choices(decoder), " "), rest=_rest(decoder, value))
    if decoder.name == "errno_name":
        value = sql("decoders.magnitude")
    match decoder.terms:
        case ():
            return _rest(decoder, value)
        case (Term(mask=mask) as whole,) if mask == decoder.width:
            return sql("decoders.name_or_rest", name=_name(whole, value), rest=_rest(decoder, value))
    texts = listed([*_term_texts(decoder), *_unnamed(decoder)])
    if (nothing := _nothing(decoder)) is None:
        return sql("decoders.flags", texts=texts)
    return sql("decoders.flags_or_nothing", value=value, nothing=nothing, texts=texts)


def _choices(decoder: Decoder) -> Iterator[Fragment]:
    """A WHEN for each decoder that can be chosen, and each mask of the selector."""
    selector = decoders()[decoder.selector]
    tests: dict[tuple[int, str], list[int]] = {}
    for name, chosen in decoder.choices.items():
        mask, value = selector.named(name)
        tests.setdefault((mask, chosen), []).append(value)
    for (mask, chosen), values in tests.items():
        yield sql("decoders.choice", mask=ubigint(mask), values=values, decoder=Fragment(chosen))


def _nothing(decoder: Decoder) -> str | None:
    """What is written where no bit is set; None where a term has its own text for that."""
    if decoder.rest == "octal":
        return None
    zeros = [(t, name) for t in decoder.terms for name, value in t.values.items() if value == 0]
    if any(term.mask is not None for term, _ in zeros):
        return None
    return zeros[0][1] if zeros else "0"


def _name(field: Term, value: Fragment) -> Fragment:
    """SQL for the name of a number; NULL where it has none. Of several names the first counts."""
    first: dict[int, str] = {}
    for name, known in field.values.items():
        first.setdefault(known, name)
    return sql("decoders.looked_up", texts=listed(first.values()), numbers=listed(first), value=value)


def _term_texts(decoder: Decoder) -> Iterator[Fragment]:
    for term in decoder.terms:
        if term.mask is not None:
            field = sql("decoders.bits", mask=ubigint(term.mask))
            yield sql("decoders.field", name=_name(term, field), field=field)
            continue
        wider: list[int] = []
        for name, bits in term.values.items():
            if bits:
                # A name of several bits stands for all of them: names of single ones are not written beside it.
                covering = [w for w in wider if w & bits == bits]
                tests = [sql("decoders.is_set", bits=ubigint(bits))]
                tests += [sql("decoders.is_not_set", bits=ubigint(w)) for w in covering]
                yield sql("decoders.flag", tests=listed(tests, " AND "), name=name)
                wider.append(bits)


def _unnamed(decoder: Decoder) -> Iterator[Fragment]:
    """SQL for the bits that no term names."""
    rest = decoder.width
    for term in decoder.terms:
        for bits in (term.mask,) if term.mask is not None else term.values.values():
            rest &= ~bits
    permissions = 0o777 if decoder.rest == "octal" else 0
    yield sql("decoders.unnamed", bits=ubigint(rest & ~permissions))
    if permissions:
        yield number_text("octal", sql("decoders.masked", width=permissions), 16)


def _rest(decoder: Decoder, value: Fragment) -> Fragment:
    return number_text(decoder.rest, value, decoder.bits)
