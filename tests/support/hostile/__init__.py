"""Traces that somebody made to harm whoever opens them.

``HOSTILE`` has all of them by name; ``HOSTILE[name](folder)`` makes one in an empty folder and gives its path. To add
one, write a function with ``@of_tables`` (it changes the tables of a good trace), ``@of_manifest`` (it changes the
manifest) or ``@of_file`` (it makes the file from a good one) in a module of this package. ``tests/cli/test_hostile.py``
asks each everything.
"""

from __future__ import annotations

from support.hostile import files, manifests, tables
from support.hostile.making import HOSTILE

__all__ = ["HOSTILE", "files", "manifests", "tables"]
