"""Answers for programs that read in place of people: DuckDB's convention for AI agents.

With ``AI_AGENT`` set and standard output piped, listings are compact Markdown of bounded size, and errors are JSON.
``BPFREC_AGENT_MODE=0`` turns this off, ``1`` on; so does a ``--format`` for one answer.
"""

from __future__ import annotations

import json
import os
import sys

VARIABLE = "BPFREC_AGENT_MODE"
MOST_ROWS = 200
MOST_BYTES = 48 << 10
MOST_CELL = 1_000
"""Bounds of an answer: some 15,000 tokens. A longer one would push everything else out of an agent's memory."""


def for_agent() -> bool:
    """Whether an agent reads the answer."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted:
        return wanted != "0"
    return bool(os.environ.get("AI_AGENT")) and not sys.stdout.isatty()


def error_line(message: str, hint: str, code: int) -> str:
    """An error as one object of JSON."""
    return json.dumps({"error": message, "hint": hint or None, "exit_code": code})
