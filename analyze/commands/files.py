"""Files that commands write: a regular file appears when it is complete, and replaces another only with ``--force``."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from bpfrec.analyze.commands.patience import Patience
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.new_trace import IF_IT_EXISTS, publish


@contextmanager
def output_file(path: Path, *, force: bool, binary: bool = False) -> Iterator[IO[Any]]:
    """The file at ``path``, open for writing text in UTF-8, or bytes.

    It is written beside its place and gets its name at the end, so that a failure leaves nothing half, and a file that
    somebody made meanwhile is not replaced. Meanwhile the terminal says that it goes on. What is no regular file, as a
    pipe or a device, is written to directly.

    Raises:
        BpfrecError: there is such a file and ``force`` is not given, or it cannot be written.
    """
    mode, encoding = ("wb", None) if binary else ("w", "utf-8")
    try:
        kind = path.stat().st_mode if path.exists() else None
        if kind is not None and not stat.S_ISREG(kind):
            with path.open(mode, encoding=encoding) as file:
                yield file
            return
        if kind is not None and not force:
            raise BpfrecError(f"{path} exists", IF_IT_EXISTS)
        target = path.resolve()
        with (
            Patience(),
            NamedTemporaryFile(
                mode, encoding=encoding, dir=target.parent, prefix=f".{target.name}.", delete=False
            ) as file,
        ):
            try:
                yield file
                file.flush()
                os.chmod(file.name, _permissions(kind))  # noqa: PTH101 - Path has the same
                publish(Path(file.name), target, force)
            finally:
                # It is still there after a failure, and where its file has two names now.
                with suppress(OSError):
                    Path(file.name).unlink()
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise BpfrecError(f"{path} cannot be written: {error.strerror or error}") from None


def _permissions(before: int | None) -> int:
    """Those of the file that is replaced, or of a new one."""
    if before is not None:
        return stat.S_IMODE(before)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def has_text(path: Path, text: str) -> bool:
    """Whether ``path`` is a file with ``text`` in it."""
    try:
        return path.is_file() and text in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
