"""Where the trace goes. No file is replaced in silence, and none is left half written."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bpfrec.formats.errors import BpfrecError

DEFAULT = Path("trace.bpfrec")


class SpoolKind(StrEnum):
    """The spools of a recording: what four kinds of rings held, and what the learner told the BPF program."""

    CALLS = "calls"
    SIDE_BAND = "sideband"
    SNAPSHOTS = "snapshots"
    SAMPLES = "samples"
    LEARNED = "learned"


@dataclass(frozen=True)
class Output:
    """The file ``target``, and a working folder beside it, so that the finished trace can be renamed.

    ``keep_old``: a file that stands at the target is renamed and not replaced.
    """

    target: Path
    folder: Path
    keep_old: bool

    def spool(self, kind: SpoolKind) -> Path:
        """The file for the spool of ``kind``."""
        return self.folder / f"{kind}.spool"

    @property
    def old(self) -> Path:
        """The name that a file at the target gets."""
        return self.target.with_name(self.target.name + ".old")

    def make_way(self) -> Path | None:
        """Renames an existing file to ``NAME.old``, as perf does, unless it may be replaced. Returns the new name."""
        if not self.keep_old or not self.target.exists():
            return None
        return self.target.replace(self.old)

    def remove_folder(self) -> None:
        """Removes the working folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def prepare(named: Path | None, force: bool) -> Output:
    """The output for ``-o named``; None stands for :data:`DEFAULT`.

    Raises:
        BpfrecError: the target exists and ``force`` is not given, is a folder, or cannot be written.
    """
    target = named or DEFAULT
    try:
        if target.is_dir():
            raise BpfrecError(f"{target} is a folder", "Name a file with -o FILE.")
        if target.exists() and not target.is_file():
            raise BpfrecError(f"{target} is no regular file", "Name another with -o FILE.")
        if named is not None and target.exists() and not force:
            raise BpfrecError(f"{target} exists", "Add --force to replace it, or name another file with -o.")
        folder = tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise BpfrecError(
            f"cannot write {target}: {error.strerror}", "Name a file in a folder that you may write to with -o FILE."
        ) from None
    output = Output(target, Path(folder), keep_old=not force)
    if output.old.is_dir():
        output.remove_folder()
        raise BpfrecError(f"{output.old} is a folder, and {target} would be moved there", "Move one of them away.")
    return output
