"""One run seen by strace and bpfrec: the trace imported from the log has the rows of the one that was recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from judge.comparing import Form
from judge.programs import PROGRAMS
from judge.watching import Stage
from support.live import rows
from support.program import run_bpfrec

CALLS = """
SELECT tid, pid, syscall, ret, errno, path, path2, unfinished FROM syscalls
WHERE tid IN (SELECT tid FROM threads) ORDER BY tid, ts_ns, event_id
"""
# What strace does not see, or sees in another way: its own execve of the program stands before the log's first line.
SIDE = {
    "sockaddrs": "syscall, arg, family, address, port",
    "strings": "syscall, arg, value",
    "exec_args": "syscall, arg, position, value",
    "timespecs": "syscall, arg, tv_sec, tv_nsec",
    "arrays": "syscall, arg, kind, phase, position, word1",
    "structs": "syscall, arg, kind, word0",
}


@pytest.mark.spread
@pytest.mark.parametrize("name", ["structs", "contents", "python"])
def test_the_same_rows(tmp_path: Path, name: str) -> None:
    program = PROGRAMS[name]
    stage = Stage(tmp_path, program.prepare, program.cwd, program.may_fail)
    log, recorded = stage.together(Form.VERBOSE, program.command)
    imported = tmp_path / "imported.bpfrec"
    done = run_bpfrec("import", log, "-o", imported)
    assert done.returncode == 0, done.stderr
    assert rows(imported, "SELECT * FROM losses WHERE severity = 'data_loss'") == []

    ours, theirs = _by_thread(recorded), _by_thread(imported)
    assert len(theirs) > 0
    for tid, calls in theirs.items():
        seen = ours[tid]
        # bpfrec records strace's child from its fork on, the log begins with its execve.
        begin = next(i for i, call in enumerate(seen) if call[1:] == calls[0][1:])
        for of_log, of_recorder in zip(calls, seen[begin:], strict=True):
            # strace does not see the result of a call by which a thread kills itself.
            compared = 2 if of_log[2] is None else None
            assert of_log[:compared] == of_recorder[:compared], f"thread {tid}"

    threads = ", ".join(map(str, theirs))
    for table, columns in SIDE.items():
        query = f"SELECT tid, {columns} FROM {table} JOIN syscalls USING (event_id) "
        # Of an address that strace decoded, the log has no number.
        query += f"WHERE tid IN ({threads}) AND status IS NULL AND {columns.rpartition(', ')[2]} IS NOT NULL"
        of_log, of_recorder = Counter(rows(imported, query)), Counter(rows(recorded, query))
        missing = of_log - of_recorder
        assert not missing, f"{table}: only in the log: {list(missing)[:5]}"


def _by_thread(trace: Path) -> dict[int, list[tuple[object, ...]]]:
    found: dict[int, list[tuple[object, ...]]] = {}
    for tid, *call in rows(trace, CALLS):
        assert isinstance(tid, int)
        found.setdefault(tid, []).append(tuple(call))
    return found
