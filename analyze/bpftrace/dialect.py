"""Where versions of bpftrace differ in what a script means or prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """A version to be like: ``old`` is 0.17, else 0.27.

    ``string_bytes``: what str() gives at most; ``trailer`` stands behind what was cut.
    """

    old: bool
    string_bytes: int
    trailer: str

    @property
    def name(self) -> str:
        """What ``--like`` calls it."""
        return "0.17" if self.old else "latest"


OLD = Dialect(old=True, string_bytes=63, trailer="")
LATEST = Dialect(old=False, string_bytes=1023, trailer="..")
DIALECTS = {dialect.name: dialect for dialect in (OLD, LATEST)}
