"""Reading the tab-separated fact tables that ship with the package."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files


def tsv_rows(name: str, package: str = "bpfrec.formats.kernel") -> Iterator[tuple[str, ...]]:
    """Yields the rows of the table ``name`` in ``package``, without comments (``#``) and blank lines."""
    for line in files(package).joinpath(name).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield tuple(line.split("\t"))
