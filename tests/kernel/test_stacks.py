"""User stacks, resolved from what the file holds after the process, its map and its binary are gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.live import Recorder, Waiting, rows


def test_jit_code_is_named_after_its_map_is_gone(programs: Callable[..., Path], tmp_path: Path) -> None:
    program = tmp_path / "jitted"
    program.write_bytes(programs("jitted").read_bytes())
    program.chmod(0o755)
    workload = Waiting([program])
    recorder = Recorder(tmp_path / "trace.bpfrec", "-p", str(workload.pid))
    program.unlink()
    workload.go()
    recorder.wait()
    assert not Path(f"/tmp/perf-{workload.pid}.map").exists()
    frames = rows(
        recorder.output,
        "SELECT symbol, module, file, line, source FROM frames "
        "WHERE stack_id = (SELECT stack_id FROM syscalls WHERE path = '/nonexistent/jitted') ORDER BY depth",
    )
    js = "JS:~readConfiguration /app/config.js:12:34"
    assert frames[0] == (js, f"perf-{workload.pid}.map", "/app/config.js", 12, "ip")
    assert [frame[0] for frame in frames[1:3]] == ["call_it", "main"]
    assert [frame[4] for frame in frames[1:3]] == ["fp", "cfi"]
    assert rows(recorder.output, "SELECT name FROM jit_symbols") == [(js,)]
    assert rows(
        recorder.output,
        "SELECT count(*) FROM frames JOIN mappings USING (build_id) "
        "WHERE symbol = 'main' AND ip BETWEEN start_addr AND end_addr "
        "AND stack_id = (SELECT stack_id FROM syscalls WHERE path = '/nonexistent/jitted')",
    ) == [(1,)]
