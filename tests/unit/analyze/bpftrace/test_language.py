"""What scripts print that need no trace, as bpftrace 0.17 and 0.27 themselves printed it.

The texts beside the scripts are bpftrace's own output; ``tests/kernel/test_bpftrace_replay.py`` compares them with the
bpftrace of this machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.bpftrace_scripts import run

EXPECTED = sorted((Path(__file__).parent / "language").glob("*.txt"))


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.stem)
def test_a_script_prints_what_bpftrace_printed(expected: Path):
    name, _, like = expected.stem.partition(".")
    script = expected.with_name(f"{name}.bt")
    printed = expected.read_text()
    assert run(script.read_text(), "17", like=like) == printed
