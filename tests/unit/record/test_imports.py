"""What a recording imports before its program is loaded: a start does not wait for what it needs later."""

from __future__ import annotations

import subprocess
import sys

LATER = ("numpy", "pyarrow", "pyarrow.compute", "duckdb", "rich", "elftools", "elftools.elf", "bcc", "urllib.request")


def imported(statement: str) -> set[str]:
    """Which of LATER are imported by ``statement`` in a new process."""
    # As bpfrec/__main__.py does: Arrow asks for it where it is installed, and gets pyarrow.compute with it.
    refused = "from bpfrec.formats.imports import refuse_import; refuse_import('pandas')"
    script = f"import sys; {refused}; {statement}; print(*(name for name in {LATER} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_a_program_begins_to_load_before_slow_imports() -> None:
    assert imported("import bpfrec.record.command, bpfrec.record.run") == set()


def test_recording_begins_before_what_only_writing_needs() -> None:
    assert imported("import bpfrec.record.session.session") & {"pyarrow", "duckdb", "rich", "bcc"} == set()


def test_writing_does_without_what_takes_longer_than_a_short_recording() -> None:
    found = imported("import bpfrec.program, bpfrec.record.finish.apart, bpfrec.formats.symbols.elf")
    assert found & {"pyarrow.compute", "duckdb", "rich", "elftools.elf", "urllib.request"} == set()
