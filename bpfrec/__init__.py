"""Record a process's system calls once; ask every question about them later, offline.

>>> import bpfrec
>>> with bpfrec.open("trace.bpfrec") as trace:
...     trace.sql("SELECT syscall, count(*) FROM syscalls GROUP BY ALL").fetchall()
...     trace.report("syscount", top=3).dicts()
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfrec.formats.errors import BpfrecError

if TYPE_CHECKING:
    from bpfrec.analyze.facade import Trace

__all__ = ["BpfrecError", "__version__", "open"]


def open(  # noqa: A001 - as promised
    path: str | Path = "trace.bpfrec", symbols: Iterable[str | Path] = (), *, allow_files: bool = False
) -> Trace:
    """The trace at ``path``: a ``.bpfrec`` file, the folder one was unzipped to, or the address of a file that is
    elsewhere (http, https, s3, gs, abfs), of which only what a question needs is read; a context manager.

    ``symbols``: folders with debug files, as of ``analyze --symbols``. ``allow_files``: queries may use other files
    than the trace, as with ``analyze sql --allow-files``; a query from a stranger then has all rights of this user.

    Raises:
        BpfrecError: missing, not a trace, damaged, or of a newer format.
    """
    from bpfrec.analyze.facade import Trace  # noqa: PLC0415

    return Trace(path, symbols, allow_files=allow_files)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from bpfrec.formats.version import VERSION  # noqa: PLC0415

        return VERSION
    raise AttributeError(f"module 'bpfrec' has no attribute {name!r}")
