"""Stacks through runtimes that make code while they run: names by their perf maps, and an end where the way is lost."""

from __future__ import annotations

from pathlib import Path

from support.live import record_command, rows

BURN = """
function hot(n) { let sum = 0; for (let i = 0; i < n; i++) sum += Math.sin(i); return sum }
function middle() { return hot(3000) }
const end = Date.now() + 1500; while (Date.now() < end) middle()
"""


def test_samples_of_node_have_names_though_no_call_was_made_there(node: str, tmp_path: Path) -> None:
    trace, script = tmp_path / "trace.bpfrec", tmp_path / "burn.js"
    script.write_text(BURN)
    options = ["--profile", "199", "-e", "getppid"]
    done = record_command(
        trace, node, "--perf-basic-prof", "--interpreted-frames-native-stack", script, options=options
    )
    assert done.returncode == 0, done.stderr
    [(frames, named)] = rows(
        trace,
        "SELECT count(*), count(symbol) FROM samples JOIN frames USING (stack_id) WHERE module LIKE 'perf-%.map'",
    )
    assert isinstance(frames, int)
    assert frames > 200
    assert frames == named
    [(samples, whole)] = rows(
        trace,
        "SELECT count(*), count(*) FILTER (symbols LIKE '%/burn.js:%') FROM samples JOIN "
        "(SELECT stack_id, string_agg(symbol, ';') symbols FROM frames GROUP BY 1) USING (stack_id)",
    )
    assert isinstance(samples, int)
    assert isinstance(whole, int)
    assert whole > samples / 2, "the functions of the script are not on the stacks"
