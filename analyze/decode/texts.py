"""SQL for what stands around the arguments: strings as C writes them, and results."""

from __future__ import annotations

from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.formats.kernel.errnos import MAX_ERRNO, RESTARTS, errno_names, errno_texts

_MARK = "\ue000"
"""Stands for the backslash of an octal escape; a path's own is escaped, as all that is not ASCII."""

_NAMED = {"\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in _NAMED:
        return _NAMED[character]
    return character if 0x20 <= byte < 0x7F else f"{_MARK}{byte:03o}"


def bytes_expression(bytes_of: str) -> str:
    """SQL for what a list of bytes, each as two capital hex digits, is between quotes, but for its backslashes."""
    table = "[" + ", ".join(literal(_escaped(byte)) for byte in range(256)) + "]"
    joined = f"array_to_string([{table}[CAST('0x' || h AS INTEGER) + 1] FOR h IN {bytes_of}], '')"
    padded = literal(f"{_MARK}(?:00([0-7])|0([1-7][0-7]))([^0-7]|$)")
    shorter, backslash = literal(r"\\\1\2\3"), literal("\\")
    for _ in range(2):  # an escape right behind another is found the second time
        joined = f"regexp_replace({joined}, {padded}, {shorter}, 'g')"
    return f"replace({joined}, {literal(_MARK)}, {backslash})"


def bytes_text_expression(contents: str) -> str:
    """SQL for contents between quotes."""
    return f"""('"' || {bytes_expression(f"regexp_extract_all(hex({contents}), '..')")} || '"')"""


def quoted_expression(text: str, status: str) -> str:
    r"""SQL for a path as strace quotes it; ``status`` is the path's status of the trace.

    Escapes have as few octal digits as what follows allows. In a path that was not UTF-8, ``\xNN`` is a byte.
    """
    token = literal(r"(?s)\\x[89a-f][0-9a-f]|.")
    bytes_of = (
        f"CASE WHEN {status} = 'not-utf8' THEN flatten([CASE WHEN length(t) = 4 THEN [upper(t[3:4])]"
        f" ELSE regexp_extract_all(hex(encode(t)), '..') END FOR t IN regexp_extract_all({text}, {token})])"
        f" ELSE regexp_extract_all(hex(encode({text})), '..') END"
    )
    special = literal(r"[^ !#-\[\]-~]")
    quoted = f"CASE WHEN regexp_matches({text}, {special}) THEN {bytes_expression(bytes_of)} ELSE {text} END"
    return f"""('"' || {quoted} || '"' || CASE WHEN {status} = 'truncated' THEN '...' ELSE '' END)"""


def result_expression(value: str) -> str:
    """SQL for a result: a plain number, or the error's name and what it means; ``?`` where there is none."""
    texts = errno_texts()
    failures = ", ".join(
        literal(f"{'?' if name in RESTARTS else '-1'} {name} ({texts[number]})")
        for number, name in errno_names().items()
    )
    numbers = ", ".join(map(str, errno_names()))
    failure = f"list_extract([{failures}], list_position([{numbers}], CAST(-{value} AS INTEGER)))"
    return (
        f"CASE WHEN {value} BETWEEN -{MAX_ERRNO} AND -1 THEN coalesce({failure}, concat('-1 (errno ', -{value}, ')'))"
        f" ELSE coalesce(CAST({value} AS VARCHAR), '?') END"
    )


def failed_expression(value: str) -> str:
    """SQL for whether a result says that the call failed; NULL where there is none."""
    restarts = ", ".join(str(-number) for number, name in errno_names().items() if name in RESTARTS)
    return f"({value} BETWEEN -{MAX_ERRNO} AND -1 AND {value} NOT IN ({restarts}))"
