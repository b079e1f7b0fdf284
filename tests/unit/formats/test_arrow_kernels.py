"""formats/arrow_kernels.py: what pyarrow.compute gives, without importing it."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bpfrec.formats.arrow_kernels import cast_to, counts_of, filled, is_one_value, taken

NUMBERS = pa.chunked_array([[3, None, 3], [1]], pa.int64())
TEXTS = pa.chunked_array([["open", None], ["open", "read"]])
ROWS = pa.table({"number": NUMBERS, "text": TEXTS})
ALL = "cast_to(rows, rows.schema), counts_of(column), filled(column, 0), is_one_value(column), taken(rows, order)"


def test_each_gives_what_pyarrow_compute_gives() -> None:
    order = pa.array([3, 0, 0])
    assert taken(ROWS, order).equals(ROWS.take(order))
    assert taken(TEXTS, order).equals(TEXTS.take(order))
    assert filled(NUMBERS, 0).equals(pc.fill_null(NUMBERS, 0))
    assert counts_of(TEXTS) == {"open": 2, "read": 1, None: 1}
    assert not is_one_value(NUMBERS)
    assert is_one_value(NUMBERS.slice(0, 3))
    schema = pa.schema([("number", pa.int16()), ("text", pa.dictionary(pa.int32(), pa.string()))])
    assert cast_to(ROWS, schema).equals(ROWS.cast(schema))
    with pytest.raises(ValueError, match="cannot become"):
        cast_to(ROWS, pa.schema([("text", pa.string()), ("number", pa.int64())]))
    with pytest.raises(ValueError, match="not in range"):
        cast_to(pa.table({"number": [1 << 40]}), pa.schema([("number", pa.int16())]))


def test_none_of_them_imports_pyarrow_compute() -> None:
    script = (
        "import sys, pyarrow as pa; from bpfrec.formats.imports import refuse_import; refuse_import('pandas');"
        "from bpfrec.formats.arrow_kernels import *;"
        "column = pa.chunked_array([[1, None]], pa.int64()); rows = pa.table({'a': column}); order = pa.array([0]);"
        f"{ALL}; print('pyarrow.compute' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "False\n"
