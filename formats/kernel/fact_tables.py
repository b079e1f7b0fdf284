"""Reading the tab-separated fact tables that ship with the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_FOLDER = Path(__file__).parent


def tsv_rows(name: str, folder: Path = _FOLDER) -> Iterator[tuple[str, ...]]:
    """Yields the rows of the table ``name`` in ``folder``, without comments (``#``) and blank lines."""
    for line in (folder / name).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield tuple(line.split("\t"))
