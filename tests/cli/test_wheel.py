"""The built wheel, alone in a clean environment: no checkout, no bcc, and every analyze command answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.wheel import install_wheel

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_traces" / "lab1-server.bpfrec"
ARGUMENTS = {
    "argdist": ["-C", "r:c:open():int:$retval"],
    "trace": ["-M", "3", "-U", "SyS_open"],
}

OF_OTHER_CALLS = {
    "bindsnoop",
    "denied",
    "execsnoop",
    "exitsnoop",
    "filelife",
    "fileslower",
    "filetop",
    "killsnoop",
    "leaks",
    "locks",
    "mountsnoop",
    "netstat",
    "network",
    "offcpu",
    "pidstat",
    "shmsnoop",
    "solisten",
    "statsnoop",
    "stream",
    "syncsnoop",
    "tcpaccept",
    "tcpconnect",
}
"""The sample's server makes none of the calls that these reports are about."""

SERVER = """
import contextlib, io, json, sys
from bpfrec.__main__ import main

for line in sys.stdin:
    sys.argv = json.loads(line)
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, *(stream.buffer.getvalue().decode() for stream in (out, err))]), flush=True)
"""
"""Answers command lines, one a line, with exit code, standard output and standard error."""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment that has the wheel and what it depends on, and of a trace."""
    folder = tmp_path_factory.mktemp("wheel")
    install_wheel(folder)
    shutil.copy(SAMPLE, folder / "trace.bpfrec")
    return folder


@pytest.fixture(scope="module")
def answer(installed: Path) -> Iterator[Callable[..., str]]:
    """Asks the installed program; one process answers everything, for each would import DuckDB anew."""
    command = [installed / "environment" / "bin" / "python", "-I", "-c", SERVER]
    with subprocess.Popen(
        command, cwd=installed, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin"}
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def ask(*arguments: str) -> str:
            print(json.dumps(["bpfrec", "analyze", *arguments]), file=server.stdin, flush=True)
            code, out, err = json.loads(server.stdout.readline())
            assert code == 0, f"{arguments}: {err}"
            return str(out)

        yield ask
        server.stdin.close()


@pytest.mark.slow
def test_every_analyze_command_answers(installed: Path, answer: Callable[..., str]) -> None:
    listed = run(installed / "environment" / "bin" / "bpfrec", "analyze", "report", cwd=installed)
    reports = [line.split()[0] for line in listed.stdout.splitlines()]
    assert len(reports) >= 8, listed.stderr
    commands = [["report", name, *ARGUMENTS.get(name, [])] for name in reports]
    commands += [["sql", "SELECT count(*) AS calls FROM sys.openat"], ["info"], ["schema"]]
    for command in commands:
        rows = json.loads(answer(*command, "--format", "json"))
        assert rows or command[-1] in OF_OTHER_CALLS, f"{command} answers nothing"


@pytest.mark.slow
def test_flame_graphs_have_their_templates(answer: Callable[..., str]) -> None:
    for form, beginning in (("svg", "<?xml"), ("html", "<!DOCTYPE html>"), ("speedscope", "{")):
        assert answer("flamegraph", "--format", form).startswith(beginning)


def test_recording_says_what_is_missing(installed: Path) -> None:
    done = run(
        "/usr/bin/env",
        "BPFREC_BCC_PATH=/nonexistent",
        installed / "environment" / "bin" / "bpfrec",
        "record",
        "-p",
        "1",
        cwd=installed,
    )
    assert done.returncode == 1
    assert any(how in done.stderr for how in ("Install it with: ", "is called: ", "needs root"))
    assert "Traceback" not in done.stderr


def test_the_bpf_programs_and_their_headers_are_in_the_wheel(installed: Path) -> None:
    [programs] = (installed / "environment").glob("lib/python3*/site-packages/bpfrec/bpf/programs")
    present = {str(p.relative_to(programs)) for p in programs.rglob("*") if p.is_file()}
    source = ROOT / "bpf" / "programs"
    assert present == {str(p.relative_to(source)) for p in source.rglob("*") if p.is_file()}
