"""Where a Linux distribution has bcc's Python module: what to install, and the command for it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bpfrec.formats.kernel.fact_tables import tsv_rows


@dataclass(frozen=True)
class Distribution:
    """A row of ``distributions.tsv``, whose head says what the columns are."""

    id: str
    name: str
    python: str
    bcc: str
    package: str
    command: str


@cache
def distributions() -> tuple[Distribution, ...]:
    """Returns the distributions of ``distributions.tsv``, in its order."""
    return tuple(Distribution(*row) for row in tsv_rows("distributions.tsv"))


def how_to_install(release: Mapping[str, str] | None = None) -> str:
    """Says in a sentence how bcc is installed here.

    ``release``: the fields of os-release(5), by default those of this system. A distribution that is not in the table
    is taken for the first that it says it is like.
    """
    ids = _ids(_release() if release is None else release)
    known = {row.id: row for row in reversed(distributions())}
    found = next((known[name] for name in ids if name in known), None)
    if found is not None:
        return f"Install it with: {found.command}"
    packages = ", ".join(f"{row.package} on {row.id}" for row in known.values())
    return f"Install the package of its Python module, which is called: {packages}"


def _release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _ids(release: Mapping[str, str]) -> list[str]:
    return [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
