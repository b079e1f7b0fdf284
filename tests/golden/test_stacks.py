"""What is made of stacks, byte for byte; ``UPDATE_GOLDEN=1 pytest tests/golden`` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.program import run_bpfrec
from support.stack_traces import stacked

HERE = Path(__file__).parent
CASES = {
    "stacks.txt": "report stacks",
    "stacks-time.txt": "report stacks --by time -l -T 3 -p 4242",
    "stacks.json": "report stacks --by failures --format json",
    "flame.folded": "flamegraph",
    "flame.svg": "flamegraph --format svg",
    "flame.speedscope.json": "flamegraph --format speedscope --by time",
    "flame-samples.folded": "flamegraph --samples",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("golden")
    stacked().write(made / "trace.bpfrec")
    return made


@pytest.mark.parametrize("file", CASES)
def test_golden(folder: Path, file: str) -> None:
    done = run_bpfrec("analyze", *CASES[file].split(), cwd=folder)
    assert done.returncode == 0, done.stderr
    golden = HERE / file
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(done.stdout, "utf-8")
    assert done.stdout == golden.read_text("utf-8")
