"""Stacks through runtimes that make code while they run: names by their perf maps, and an end where the way is lost."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.live import PATIENCE, cannot_run, record_command, rows

BURN = """
function hot(n) { let sum = 0; for (let i = 0; i < n; i++) sum += Math.sin(i); return sum }
function middle() { return hot(3000) }
while (process.cpuUsage().user < 1.5e6) middle()
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


JAVA = """
public class Opens {
    static int open(int depth) {
        if (depth > 0) return open(depth - 1);
        try (var file = new java.io.FileInputStream("/nonexistent/java")) { return file.read(); }
        catch (java.io.IOException error) { return 1; }
    }
    public static void main(String[] arguments) throws Exception {
        int found = 0;
        for (int i = 0; i < 30000; i++) found += open(5);
        var late = new Thread(() -> open(5)); late.start(); late.join();
        System.out.println(found);
    }
}
"""


@pytest.fixture(scope="module")
def opens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that opens a file in methods of which the most are compiled after a while."""
    if shutil.which("javac") is None or shutil.which("java") is None:
        cannot_run("java and javac are not installed: make setup-dev installs them")
    folder = tmp_path_factory.mktemp("java")
    (folder / "Opens.java").write_text(JAVA)
    subprocess.run(["javac", "Opens.java"], cwd=folder, check=True, timeout=2 * PATIENCE)
    return folder


def ends(trace: Path) -> dict[object, object]:
    """How many stacks of the calls that were made from Java end how."""
    return dict(
        rows(
            trace,
            "SELECT t.status, count(*) FROM syscalls s JOIN stacks t USING (stack_id) "
            "WHERE path = '/nonexistent/java' GROUP BY 1",
        )
    )  # type: ignore[arg-type]


def test_java_without_frame_pointers_says_where_the_way_is_lost(opens: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.bpfrec"
    done = record_command(trace, "java", "-cp", opens, "Opens")
    assert done.returncode == 0, done.stderr
    found = ends(trace)
    assert found.keys() == {"no-frame-pointer"}, "a stack that is cut calls itself whole"
    assert done.stderr.count("-XX:+PreserveFramePointer") == 1
    below = rows(
        trace,
        "SELECT DISTINCT list(symbol ORDER BY f.depth)[:3] FROM syscalls JOIN frames f USING (stack_id) "
        "WHERE path = '/nonexistent/java' AND source != 'fp' GROUP BY event_id",
    )
    assert all(symbols[1:] == ["handleOpen", "fileOpen"] for (symbols,) in below)  # type: ignore[index]


def test_java_with_frame_pointers_has_whole_stacks(opens: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.bpfrec"
    done = record_command(trace, "java", "-XX:+PreserveFramePointer", "-cp", opens, "Opens")
    assert done.returncode == 0, done.stderr
    assert ends(trace).keys() == {"root"}
    assert "-XX:+PreserveFramePointer" not in done.stderr
    # Seven methods of the program and four of the JDK, of which the compiler puts some into others.
    depths = rows(
        trace,
        "SELECT DISTINCT count(*) FILTER (module LIKE '//anon%') FROM syscalls JOIN frames USING (stack_id) "
        "WHERE path = '/nonexistent/java' GROUP BY event_id",
    )
    assert all(isinstance(depth, int) and depth >= 3 for (depth,) in depths)
