"""A trace that is made of another file: where it is worked on, and how it gets its name when it is complete."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.remote.uri import Uri

IF_IT_EXISTS = "Add --force to replace it, or name another file with -o."
"""The remedy where a file is in the way."""


def work_folder(target: Path) -> TemporaryDirectory[str]:
    """Makes a private folder beside ``target``, on the same file system, which goes away with its context."""
    return TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent)


def check_target(source: Path | Uri, target: Path, force: bool) -> None:
    """Refuses a target before work is done for it.

    Raises:
        BpfrecError: it is a folder, the ``source`` itself, or exists and ``force`` is not given.
    """
    if target.is_dir():
        raise BpfrecError(f"{target} is a folder", "Name a file with -o FILE.")
    if os.path.lexists(target):
        with suppress(OSError):
            if not isinstance(source, Uri) and target.samefile(source):
                raise BpfrecError(f"{target} is the trace itself", "Name another file with -o FILE.")
        if not force:
            raise _exists(target)


def publish(made: Path, target: Path, force: bool) -> None:
    """Gives the complete file ``made`` the name ``target``, and replaces another file only with ``force``.

    Raises:
        BpfrecError: there is such a file by now.
        OSError: the folder cannot be written.
    """
    if force:
        made.replace(target)
        return
    try:
        # Unlike rename, it fails if somebody has made a file of that name meanwhile.
        os.link(made, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:
        # Not every file system has hard links.
        made.replace(target)


def _exists(target: Path) -> BpfrecError:
    return BpfrecError(f"{target} exists", IF_IT_EXISTS)
