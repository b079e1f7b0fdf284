"""``bpfrec analyze flamegraph`` as users call it: what is written where, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.program import run_bpfrec
from support.stack_traces import stacked

from bpfrec.analyze.commands.files import output_file
from bpfrec.formats.errors import BpfrecError

BEGINNINGS = {
    "t.svg": "<?xml",
    "T.SVG": "<?xml",
    "t.html": "<!DOCTYPE html>",
    "t.folded": "node;_start",
    "t.json": '{"$schema": "https://www.speedscope.app/file-format-schema.json"',
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stacked().write(tmp_path_factory.mktemp("flame") / "t.bpfrec")


@pytest.mark.parametrize("name", BEGINNINGS)
def test_the_suffix_says_what_is_written(trace: Path, tmp_path: Path, name: str) -> None:
    done = run_bpfrec("analyze", "-i", trace, "flamegraph", "-o", tmp_path / name)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == (
        "bpfrec: no stack was recorded with 5 of 68 calls, which are not counted: capped 3, none was asked for 2\n"
        "bpfrec: to have these stacks too: record --stack-on failed,paths,read\n"
    )
    assert (tmp_path / name).read_text().startswith(BEGINNINGS[name])


def test_standard_output_has_folded_stacks(trace: Path) -> None:
    done = run_bpfrec("analyze", "-i", trace, "flamegraph", "-p", "99", "--no-call")
    assert done.returncode == 0
    assert [line.rpartition(" ")[2] for line in done.stdout.splitlines()] == ["10"]
    title = json.loads(run_bpfrec("analyze", "-i", trace, "flamegraph", "--format", "speedscope").stdout)["name"]
    assert title == "System calls of t.bpfrec: 63 calls"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-o", "x.bpfrec"), 2, "--format"),
        (("--samples", "--syscall", "read"), 2, "--syscall is about system calls"),
        (("--samples", "--path", "*"), 2, "--path is about system calls"),
        (("--samples", "-x"), 2, "-x is about system calls"),
        (("--samples", "--by", "failures"), 2, "--by failures is about system calls"),
        (("--samples", "--by", "time"), 1, "how many samples a second"),
        (("-p", "1"), 1, "no system calls with a stack"),
        (("-o", "/nowhere/x.svg"), 1, "/nowhere/x.svg cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_refused(trace: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = run_bpfrec("analyze", "-i", trace, "flamegraph", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert not Path("x.bpfrec").exists()


def test_stack_text_is_printed_line_by_line(trace: Path) -> None:
    query = "SELECT count(*) AS n, stack_text(stack_id) AS path FROM syscalls WHERE stack_id = 4 GROUP BY ALL"
    done = run_bpfrec("analyze", "-i", trace, "sql", query)
    assert done.stdout.splitlines()[2:] == ["2  open+0x10 (libc.so.6)", "   stripped+0x1234"]
    (row,) = json.loads(run_bpfrec("analyze", "-i", trace, "sql", "--format", "json", query).stdout)
    assert row["path"] == "open+0x10 (libc.so.6)\nstripped+0x1234"


def test_a_file_that_somebody_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "t.svg"

    def write() -> None:
        with output_file(target, force=False) as file:
            file.write("ours")
            target.write_text("theirs")

    with pytest.raises(BpfrecError, match="exists"):
        write()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("t.svg", "theirs")]
    with output_file(target, force=True) as file:
        file.write("ours")
    with output_file(tmp_path / "new.svg", force=False) as file:
        file.write("new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"t.svg": "ours", "new.svg": "new"}
