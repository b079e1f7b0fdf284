"""What the columns ``ARGUMENT_text`` and ``call_text`` of a sys view hold: SQL over a row ``s`` of ``syscalls``."""

from __future__ import annotations

from bpfrec.analyze.decode.argument_types import argument_type
from bpfrec.analyze.decode.captures.kinds import capture_view
from bpfrec.analyze.decode.captures.waits import result_remark
from bpfrec.analyze.decode.number_texts import masked, number_text, ubigint
from bpfrec.analyze.decode.sql_parts import listed, sql
from bpfrec.analyze.engine.sqltemplate import Fragment, literal
from bpfrec.analyze.engine.view import Join
from bpfrec.formats.kernel.decoding import RESULT, Condition, Decoding, decoders, decodings
from bpfrec.formats.kernel.errnos import MAX_ERRNO
from bpfrec.formats.kernel.syscalls import Argument, Syscall

_BITS = {"INTEGER": 32, "UINTEGER": 32, "USMALLINT": 16}
_RET = Fragment("s.ret")


def argument_text(call: Syscall, argument: Argument) -> tuple[Fragment, tuple[Join, ...]] | None:
    """SQL for the text of one argument, and what that needs; None where its number says it all."""
    decoding = decodings(call).get(argument.name)
    shown = capture_view(call, argument.index)
    if shown and shown.text:
        return _value(call, argument, decoding), shown.joins
    decoded = _decoded(call, decoding, _raw(argument)) if decoding else None
    return (decoded, ()) if decoded else None


def return_text(call: Syscall) -> Fragment | None:
    """SQL for the text of the result where it worked; None where its number says it all."""
    decoding = decodings(call).get(RESULT)
    decoded = _decoded(call, decoding, _RET) if decoding else None
    return sql("calls.where_worked", failed=_failed(), text=decoded) if decoded else None


def call_text(call: Syscall | None, name: str) -> tuple[Fragment, tuple[Join, ...]]:
    """SQL for the whole call as strace writes it, and what it needs; ``call`` is None for one that no table knows."""
    joins: tuple[Join, ...] = ()
    if call is None or call.arguments is None:
        arguments = [number_text("hex", sql("calls.argument", index=index), 64) for index in range(6)]
        result = sql("calls.result")
    else:
        known = decodings(call)
        labelled = [d.argument for d in known.values() if d.label]
        order = [a for n in labelled if (a := call.argument(n))] or list(call.arguments)
        arguments = [text for a in order if (text := _argument(call, a, known.get(a.name)))]
        result = _result(call, known.get(RESULT))
        shown = (view for a in call.arguments if (view := capture_view(call, a.index)) and view.text)
        joins = tuple(needed for view in shown for needed in view.joins)
        if remark := result_remark(call):
            result = sql("calls.result_with_remark", result=result, remark=remark[0])
            joins += remark[1]
    texts = sql("calls.arguments", texts=listed(arguments)) if arguments else literal("")
    return sql("calls.call", opening=f"{name}(", arguments=texts, result=result), joins


def _failed() -> Fragment:
    return sql("calls.failed", lowest=-MAX_ERRNO)


def _raw(argument: Argument) -> Fragment:
    return sql("calls.argument", index=argument.index)


def _raw_of(call: Syscall, name: str | None) -> Fragment:
    argument = call.argument(name or "")
    if argument is None:
        raise ValueError(f"decoding.tsv: {call.name} has no argument {name}")
    return _raw(argument)


def _decoded(call: Syscall, decoding: Decoding, value: Fragment) -> Fragment | None:
    """``value`` read by its decoder; None where it has none."""
    decoder = decoders().get(decoding.decoder)
    if decoder is None:
        return None
    name = Fragment(decoder.name)
    if decoder.choices:
        return sql("calls.chosen", decoder=name, selector=_raw_of(call, decoding.selector), value=value)
    return sql("calls.decoded", decoder=name, value=value)


def _argument(call: Syscall, argument: Argument, decoding: Decoding | None) -> Fragment | None:
    """SQL for an argument of the call; NULL where it is left out, None where it always is."""
    if decoding and decoding.decoder == "omit":
        return None
    text = _value(call, argument, decoding)
    if decoding and decoding.label:
        text = sql("calls.labelled", label=f"{decoding.label}=", text=text)
    if decoding and decoding.when:
        return sql("calls.where_it_counts", test=_test(call, decoding.when), text=text)
    return text


def _value(call: Syscall, argument: Argument, decoding: Decoding | None) -> Fragment:
    raw = _raw(argument)
    if argument.index in call.paths[:2]:
        column = ("path", "path2")[call.paths.index(argument.index)]
        return sql("calls.path", column=Fragment(column), address=number_text("address", raw, 64))
    text = _number(call, argument, decoding)
    shown = capture_view(call, argument.index)
    if shown is None or shown.text is None:
        return text
    copied = sql("calls.copied_or_number", copied=shown.text, number=text)
    if decoding and (decoder := decoders().get(decoding.decoder)) and decoder.choices:
        number_says = _test(call, Condition(decoding.selector or "", False, tuple(decoder.choices)))
        return sql("calls.number_or_copied", number_says=number_says, number=text, copied=copied)
    return copied


def _number(call: Syscall, argument: Argument, decoding: Decoding | None) -> Fragment:
    raw = _raw(argument)
    if decoding and (text := _decoded(call, decoding, raw)):
        return text
    form = decoding.decoder if decoding and not argument.is_pointer else _form_of_type(argument)
    bits = 32 if form == "fd" else 64 if argument.is_pointer else _BITS.get(argument_type(argument.ctype).sql_type, 64)
    return number_text("int" if form == "fd" else form, masked(raw, bits), bits)


def _form_of_type(argument: Argument) -> str:
    """How a number of this C type is written."""
    if argument.is_pointer:
        return "address"
    return "int" if argument_type(argument.ctype).sql_type in ("INTEGER", "BIGINT") else "uint"


def _test(call: Syscall, when: Condition) -> Fragment:
    decoder = decoders()[decodings(call)[when.argument].decoder]
    raw = _raw_of(call, when.argument)
    named = map(decoder.named, when.names)
    tests = (sql("calls.has_value", argument=raw, mask=ubigint(mask), value=value) for mask, value in named)
    either = sql("calls.either", tests=listed(tests, " OR "))
    return sql("calls.not", test=either) if when.negated else either


def _result(call: Syscall, decoding: Decoding | None) -> Fragment:
    if decoding is None:
        return sql("calls.result")
    if flags := _decoded(call, decoding, _RET):
        names = tuple(decoders()[decoding.decoder].choices)
        says = _test(call, Condition(decoding.selector or "", False, names))
        hex_text = number_text("hex", _RET, 64)
        worked = sql("calls.result_with_flags", says=says, flags=flags, hex=hex_text)
    else:
        worked = number_text(decoding.decoder, _RET, 64)
    return sql("calls.result_or_error", failed=_failed(), worked=worked)
