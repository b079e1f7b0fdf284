"""record/decode/text.py: what user memory holds becomes what bytes.decode() makes of it, row for row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.record.decode.text import string_array

TEXTS = st.one_of(
    st.binary(max_size=8), st.text(max_size=6).map(str.encode), st.sampled_from([b"\xc3", b"\xa9", b"/tmp/\xff"])
)
ROWS = st.lists(st.tuples(TEXTS, st.booleans()), max_size=8)


@given(ROWS, st.binary(max_size=3))
def test_same_as_decoding_each(rows: list[tuple[bytes, bool]], gap: bytes) -> None:
    memory = bytearray()
    starts = []
    for text, _ in rows:
        memory += gap
        starts.append(len(memory))
        memory += text
    array, odd = string_array(
        np.frombuffer(bytes(memory) + b"\xff", np.uint8),
        np.array(starts, np.int64),
        np.array([len(text) for text, _ in rows], np.int64),
        np.array([valid for _, valid in rows], bool),
    )
    array.validate(full=True)
    expected = [text.decode("utf-8", "backslashreplace") if valid else None for text, valid in rows]
    assert array.to_pylist() == expected, "a string differs from the bytes that the program passed"

    def is_odd(text: bytes) -> bool:
        return text.decode("utf-8", "ignore").encode() != text

    assert odd.tolist() == [valid and is_odd(text) for text, valid in rows], "the mark 'not-utf8' is on the wrong rows"
