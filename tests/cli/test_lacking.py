"""Traces that lack what the recorder always writes: every command answers or says what is wrong."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.program import run_bpfrec

SAMPLE = Path(__file__).parents[2] / "sample_traces" / "build.bpfrec"
KEPT = ("event_id", "syscall", "stack_id", "nr", "depth")
ROWS = 100


def nulls(table: pa.Table) -> pa.Table:
    """As many rows, and no value in any."""
    return pa.table({name: pa.nulls(table.num_rows, table.schema.field(name).type) for name in table.column_names})


def no_more_than_numbers(table: pa.Table) -> pa.Table:
    """Values only in the columns that join tables."""
    return pa.table({c: table[c] if c in KEPT else nulls(table)[c] for c in table.column_names})


def one_column(table: pa.Table) -> pa.Table:
    """The first column alone."""
    return table.select(table.column_names[:1])


@pytest.fixture(scope="module", params=[nulls, no_more_than_numbers, one_column], ids=lambda change: change.__name__)
def trace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lacking")
    with zipfile.ZipFile(SAMPLE) as archive:
        archive.extractall(folder)
    for file in folder.glob("*.parquet"):
        pq.write_table(request.param(pq.read_table(file).slice(0, ROWS)), file)
    return folder


@pytest.mark.grid
@pytest.mark.parametrize(
    "asked",
    [
        "report summary",
        "report syscount -L",
        "report syscount -P",
        "report opensnoop -T -U -e",
        "report opensnoop --format json",
        "report failed-opens",
        "report failures",
        "report latency",
        "report files",
        "report network",
        "report processes",
        "report stacks --by time",
        "report argdist -C p:c:openat(int_d,char_*p):char*:p",
        "report trace p:c:openat",
        "flamegraph -o OUT.svg",
        "flamegraph -o OUT.html",
        "flamegraph -o OUT.folded",
        "info",
        "sql FROM/**/syscalls",
        "sql --format csv FROM/**/execs",
        "sql SELECT/**/call_text,stack_text(stack_id)FROM/**/sys.openat",
    ],
)
def test_what_is_not_there_is_no_traceback(trace: Path, tmp_path: Path, asked: str) -> None:
    arguments = [part.replace("_", " ") if "(" in part else part for part in asked.split()]
    arguments = [part.replace("OUT", str(tmp_path / "out")) for part in arguments]
    if asked.startswith("sql"):
        arguments = asked.split()
    done = run_bpfrec("analyze", "-i", trace, *arguments)
    assert done.returncode in (0, 1), done.stderr
    if done.returncode:
        assert done.stderr.startswith("bpfrec: "), done.stderr
    shutil.rmtree(tmp_path)
