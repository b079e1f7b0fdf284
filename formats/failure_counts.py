"""Failed calls by error, counted in the Parquet files of the calls when a trace is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bpfrec.formats.arrow_kernels import counts_of

MOST_ERRORS = 200
"""So many errors have a count of their own. Linux has 134; a seccomp filter can give any number up to 4095."""

OTHER = "other"
"""The name under which calls with all other errors are counted."""

_COLUMN = "errno"
_MOST_LETTERS = 32
_ROWS = 1 << 17


def failures_in(files: Iterable[Path | pa.NativeFile]) -> dict[str, int]:
    """Calls by error in Parquet files, in the order of the names. Files without a column ``errno`` are left out.

    The answer is part of the manifest, whose size has to be bounded: the rarest errors beyond :data:`MOST_ERRORS`, and
    those with names too long for one, are counted as :data:`OTHER`.
    """
    counts: Counter[str] = Counter()
    for named in files:
        # Arrow gets no path, for it refuses those that are not UTF-8.
        with named.open("rb") if isinstance(named, Path) else nullcontext(named) as file:
            metadata = pq.read_metadata(file)
            if _COLUMN in metadata.schema.names:
                counts += _counted(pq.ParquetFile(file, metadata=metadata, read_dictionary=[_COLUMN], pre_buffer=False))
    named = Counter({name: count for name, count in counts.items() if len(name) <= _MOST_LETTERS})
    kept = dict(sorted(named.most_common(MOST_ERRORS)))
    other = counts.total() - sum(kept.values())
    return kept | ({OTHER: other} if other else {})


def _counted(file: pq.ParquetFile) -> Counter[str]:
    counts: Counter[str] = Counter()
    for batch in file.iter_batches(batch_size=_ROWS, columns=[_COLUMN]):
        counts.update(counts_of(batch[_COLUMN]))
    # Calls that worked.
    del counts[None]
    return counts
