"""A trace made to take all memory makes `bpfrec analyze` fail with a message."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.trace_builder import TraceBuilder

from bpfrec.analyze.commands.memory import bounded_memory

ROWS = 3000
TEXT_BYTES = 16 << 20
LIMIT = "200MB"
MOST_MEMORY = 1 << 30

# The peak of a process is at least that of the one that started it, whose memory it shares until it executes a program:
# so a small one starts it. Prints the exit status and the peak in KiB.
MEASURED = """
import os, sys
null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[null])
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 GB of paths in a few kilobytes: one text, and thousands of calls that have it."""
    folder = tmp_path_factory.mktemp("bomb")
    builder = TraceBuilder()
    for i in range(ROWS):
        builder.call("openat", i, -100, 0, 0, 0, ret=3)
    trace = builder.write(folder.parent / "bomb.bpfrec")
    with zipfile.ZipFile(trace) as archive:
        archive.extractall(folder)
    calls = pq.read_table(folder / "syscalls.parquet")
    path = pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int32()), pa.array(["/" + "x" * TEXT_BYTES]))
    calls = calls.set_column(calls.schema.get_field_index("path"), "path", path)
    pq.write_table(calls, folder / "syscalls.parquet", compression="zstd")
    assert (folder / "syscalls.parquet").stat().st_size < 1 << 20
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        ("report", "files"),
        ("report", "opensnoop"),
        ("sql", "FROM syscalls"),
        ("sql", "--format", "csv", "FROM syscalls"),
        ("sql", "--format", "json", "SELECT path FROM syscalls, range(100)"),
    ],
)
def test_texts_that_need_more_than_the_memory_are_an_error(bomb: Path, asked: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "bpfrec", "analyze", "-i", str(bomb), *asked]
    environment = os.environ | {"BPFREC_MEMORY_LIMIT": LIMIT}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        env=environment, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    status, most_kib = map(int, done.stdout.split())
    assert status == 1, done.stderr
    assert "memory" in done.stderr
    assert "BPFREC_MEMORY_LIMIT" in done.stderr
    assert "Traceback" not in done.stderr
    assert most_kib << 10 < MOST_MEMORY


@pytest.mark.parametrize(
    ("wanted", "limit"), [("1GB", 10**9), ("1GiB", 1 << 30), ("500mb", 5 * 10**8), ("1.5 GB", 15 * 10**8)]
)
def test_the_bound_follows_the_variable_and_goes_away(monkeypatch, wanted: str, limit: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    monkeypatch.setenv("BPFREC_MEMORY_LIMIT", wanted)
    with bounded_memory():
        bound = resource.getrlimit(resource.RLIMIT_DATA)[0]
        assert limit < bound < limit * 3 // 2 + (8 << 30)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_size_that_only_duckdb_reads_sets_no_bound(monkeypatch) -> None:
    monkeypatch.setenv("BPFREC_MEMORY_LIMIT", "80%")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with bounded_memory():
        assert resource.getrlimit(resource.RLIMIT_DATA) == before
