"""``bpfrec analyze compare`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from support.program import run_bpfrec
from support.trace_builder import TraceBuilder, hostile

SAMPLES = Path(__file__).parents[2] / "sample_traces"
LAB1, LAB2 = SAMPLES / "lab1-server.bpfrec", SAMPLES / "lab2-node.bpfrec"


def test_both_traces_may_be_named_where_one_may() -> None:
    for arguments in (("compare", LAB1, LAB2), ("-i", LAB1, "compare", LAB2), (LAB1, "compare", LAB2)):
        done = run_bpfrec("analyze", *arguments, "--format", "json")
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)
        assert ("clock_nanosleep", 6370, 0) in [(row["what"], row["a_calls"], row["b_calls"]) for row in rows]
        assert {row["section"] for row in rows} == {"failures", "files", "calls"}
    for arguments, count in (((LAB1,), 1), ((), 0), ((LAB1, LAB2, LAB1), 3)):
        done = run_bpfrec("analyze", "compare", *arguments)
        assert (done.returncode, f"{count} given" in done.stderr) == (2, True), done.stderr


def test_a_table_is_cut_and_says_so() -> None:
    done = run_bpfrec("analyze", "compare", LAB1, LAB2, "--limit", "2")
    lines = done.stdout.splitlines()
    assert "System calls:" in lines
    assert any(line.startswith("... and ") for line in lines)


def test_the_same_trace_twice_says_that_nothing_differs() -> None:
    done = run_bpfrec("analyze", "compare", LAB1, LAB1)
    assert (done.returncode, "nothing differs" in done.stderr) == (0, True)


def test_names_of_strangers_are_printable(tmp_path: Path) -> None:
    trace = hostile().write(tmp_path / "a.bpfrec")
    other = TraceBuilder().write(tmp_path / "b.bpfrec")
    for form in ("table", "markdown"):
        done = run_bpfrec("analyze", "compare", trace, other, "--format", form)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
