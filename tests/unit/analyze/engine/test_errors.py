"""analyze/engine/errors.py: what DuckDB says, said so that it helps."""

from __future__ import annotations

import duckdb
import pytest

from bpfrec.analyze.engine.errors import sql_errors
from bpfrec.formats.errors import BpfrecError


def test_a_disk_that_is_too_full_for_what_does_not_fit_into_memory() -> None:
    said = 'IO Error: Could not write file "/tmp/bpfrec-x/duckdb_temp_7_0_block-1.block": No space left on device'
    with pytest.raises(BpfrecError, match=r"more memory than is allowed, and .* has no room") as refused, sql_errors():
        raise duckdb.IOException(said)
    assert "TMPDIR" in refused.value.hint
    assert "BPFREC_MEMORY_LIMIT" in refused.value.hint
