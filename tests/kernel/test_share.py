"""A live recording, redacted: no byte of the copy tells what the recorded program did in secret."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.live import WORKLOADS, record_command
from support.plain_bytes import plain_bytes

import bpfrec

PLANTED = (
    *("plantedcwd", "plantedfile", "plantedcontents", "plantedsocket", "plantedabstract", "plantedmemory"),
    *("plantedthread", "plantedmissing", "plantedargv0", "plantedargument", "plantedenvironment", "planted_function"),
    *("plantedinside", "plantedoutput", "plantedfolder", "plantedprogram", "203.0.113.77"),
)


def test_no_byte_of_a_redacted_recording_tells_what_was_planted(programs: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "plantedfolder"
    (folder / "plantedcwd").mkdir(parents=True)
    program = folder / "plantedprogram"
    program.write_bytes(programs("secretive").read_bytes())
    program.chmod(0o755)
    trace, ticket = tmp_path / "trace.bpfrec", tmp_path / "ticket.bpfrec"
    options = ("--data", "256", "--env", "--save-binaries", "--profile", "99")
    done = record_command(trace, sys.executable, WORKLOADS / "secretive.py", program, folder, options=options)
    assert done.returncode == 0, done.stderr
    before = plain_bytes(trace)
    assert [secret for secret in PLANTED if secret.encode() not in before] == []

    command = [sys.executable, "-m", "bpfrec", "share", trace, "-o", ticket, "--redact"]
    shared = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert shared.returncode == 0, shared.stderr
    after = plain_bytes(ticket)
    assert [secret for secret in PLANTED if secret.encode() in after] == []
    assert str(tmp_path.name).encode() not in after
    with bpfrec.open(trace) as whole, bpfrec.open(ticket) as redacted:
        for report in ("syscount", "failed-opens", "stacks", "files", "network", "processes", "summary"):
            assert len(redacted.report(report)) == len(whole.report(report)), report
