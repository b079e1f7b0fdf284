"""The version of bpfrec.

It stands here and not only in what pip installs: to ask for that takes as long as all that a recording does to begin.
"""

from __future__ import annotations

VERSION = "0.1.0"
