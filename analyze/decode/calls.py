"""What the columns ``ARGUMENT_text`` and ``call_text`` of a sys view hold: SQL over a row ``s`` of ``syscalls``."""

from __future__ import annotations

from bpfrec.analyze.decode.arrays import remark
from bpfrec.analyze.decode.captured import copied_of
from bpfrec.analyze.decode.functions import number, written
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.engine.view import Late
from bpfrec.analyze.views.c_types import ctype
from bpfrec.formats.kernel.decoding import RESULT, Condition, Decoding, decoders, decodings
from bpfrec.formats.kernel.errnos import MAX_ERRNO
from bpfrec.formats.kernel.syscalls import Argument, Syscall

_BITS = {"INTEGER": 32, "UINTEGER": 32, "USMALLINT": 16}


def argument_text(call: Syscall, argument: Argument) -> tuple[str, tuple[Late, ...]] | None:
    """SQL for the text of one argument, and what that needs; None where its number says it all."""
    decoding = decodings(call).get(argument.name)
    shown = copied_of(call, argument.index)
    if shown and shown.text:
        return _value(call, argument, decoding), shown.late
    function = _function(call, decoding, f"s.arg{argument.index}") if decoding else None
    return (function, ()) if function else None


def return_text(call: Syscall) -> str | None:
    """SQL for the text of the result where it worked; None where its number says it all."""
    decoding = decodings(call).get(RESULT)
    function = _function(call, decoding, "s.ret") if decoding else None
    return f"CASE WHEN NOT ({_FAILED}) THEN {function} END" if function else None


def call_text(call: Syscall | None, name: str) -> tuple[str, tuple[Late, ...]]:
    """SQL for the whole call as strace writes it, and what it needs; ``call`` is None for one that no table knows."""
    late: tuple[Late, ...] = ()
    if call is None or call.arguments is None:
        arguments = [written("hex", f"s.arg{i}", 64) for i in range(6)]
        result = "result_text(s.ret)"
    else:
        known = decodings(call)
        labelled = [d.argument for d in known.values() if d.label]
        order = [a for n in labelled if (a := call.argument(n))] or list(call.arguments)
        arguments = [text for a in order if (text := _argument(call, a, known.get(a.name)))]
        result = _result(call, known.get(RESULT))
        shown = (copied for a in call.arguments if (copied := copied_of(call, a.index)) and copied.text)
        late = tuple(needed for copied in shown for needed in copied.late)
        if behind := remark(call):
            result = f"concat({result}, ' (' || {behind[0]} || ')')"
            late += behind[1]
    listed = f"concat_ws(', ', {', '.join(arguments)})" if arguments else "''"
    return f"concat({literal(name + '(')}, {listed}, ') = ', {result})", late


_FAILED = f"s.ret IS NULL OR s.ret BETWEEN -{MAX_ERRNO} AND -1"


def _raw(call: Syscall, name: str | None) -> str:
    argument = call.argument(name or "")
    if argument is None:
        raise ValueError(f"decoding.tsv: {call.name} has no argument {name}")
    return f"s.arg{argument.index}"


def _function(call: Syscall, decoding: Decoding, value: str) -> str | None:
    decoder = decoders().get(decoding.decoder)
    if decoder is None:
        return None
    return f"{decoder.name}({f'{_raw(call, decoding.selector)}, ' if decoder.choices else ''}{value})"


def _argument(call: Syscall, argument: Argument, decoding: Decoding | None) -> str | None:
    """SQL for an argument of the call; NULL where it is left out, None where it always is."""
    if decoding and decoding.decoder == "omit":
        return None
    text = _value(call, argument, decoding)
    if decoding and decoding.label:
        text = f"concat({literal(decoding.label + '=')}, {text})"
    return f"CASE WHEN {_test(call, decoding.when)} THEN {text} END" if decoding and decoding.when else text


def _value(call: Syscall, argument: Argument, decoding: Decoding | None) -> str:
    raw = f"s.arg{argument.index}"
    if argument.index in call.paths[:2]:
        path = ("path", "path2")[call.paths.index(argument.index)]
        return f"coalesce(quoted_text(s.{path}, s.{path}_status), {written('address', raw, 64)})"
    text = _number(call, argument, decoding, raw)
    shown = copied_of(call, argument.index)
    if shown is None or shown.text is None:
        return text
    copies = f"coalesce({shown.text}, {text})"
    if decoding and (decoder := decoders().get(decoding.decoder)) and decoder.choices:
        # Where another argument says that this one is a number, it points at nothing.
        number_says = _test(call, Condition(decoding.selector or "", False, tuple(decoder.choices)))
        return f"CASE WHEN {number_says} THEN {text} ELSE {copies} END"
    return copies


def _number(call: Syscall, argument: Argument, decoding: Decoding | None, raw: str) -> str:
    if decoding and (text := _function(call, decoding, raw)):
        return text
    how = decoding.decoder if decoding and not argument.is_pointer else _as_declared(argument)
    bits = 32 if how == "fd" else 64 if argument.is_pointer else _BITS.get(ctype(argument.ctype).sql_type, 64)
    return written("int" if how == "fd" else how, f"({raw} & {number((1 << bits) - 1)})", bits)


def _as_declared(argument: Argument) -> str:
    if argument.is_pointer:
        return "address"
    return "int" if ctype(argument.ctype).sql_type in ("INTEGER", "BIGINT") else "uint"


def _test(call: Syscall, when: Condition) -> str:
    decoder = decoders()[decodings(call)[when.argument].decoder]
    raw = _raw(call, when.argument)
    tests = (f"{raw} & {number(mask)} = {value}" for mask, value in map(decoder.named, when.names))
    either = f"({' OR '.join(tests)})"
    return f"NOT {either}" if when.negated else either


def _result(call: Syscall, decoding: Decoding | None) -> str:
    if decoding is None:
        return "result_text(s.ret)"
    if text := _function(call, decoding, "s.ret"):
        names = tuple(decoders()[decoding.decoder].choices)
        shown = f"concat({written('hex', 's.ret', 64)}, ' (flags ', {text}, ')')"
        speaks = _test(call, Condition(decoding.selector or "", False, names))
        worked = f"CASE WHEN {speaks} AND {text} != '0' THEN {shown} ELSE CAST(s.ret AS VARCHAR) END"
    else:
        worked = written(decoding.decoder, "s.ret", 64)
    return f"CASE WHEN {_FAILED} THEN result_text(s.ret) ELSE {worked} END"
