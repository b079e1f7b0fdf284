"""What scripts print that need no trace, as bpftrace 0.17 and 0.27 themselves printed it.

The texts beside the scripts are bpftrace's own output; ``tests/kernel/test_bpftrace_replay.py`` compares them with the
bpftrace of this machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.bpftrace_scripts import run

SCRIPTS = sorted((Path(__file__).parent / "language").glob("*.bt"))


@pytest.mark.parametrize("like", ["0.17", "latest"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_prints_what_bpftrace_printed(script: Path, like: str):
    expected = script.with_suffix(f".{like}.txt").read_text()
    assert run(script.read_text(), "17", like=like) == expected
