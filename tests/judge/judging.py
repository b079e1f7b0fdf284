"""Runs a program and makes all comparisons."""

from __future__ import annotations

from pathlib import Path

from judge.comparing import Form, compare_same_run
from judge.findings import Findings
from judge.other_run import compare_other_run
from judge.programs import Program
from judge.recorded import read_recording
from judge.strace_log import read_log
from judge.watching import Stage


def judge(program: Program, folder: Path) -> Findings:
    """Runs a program under strace and bpfrec, in ``folder``, and compares what they say.

    Raises:
        WatchError: the program cannot be run.
        NotationError: strace wrote something that the judge does not understand.
        RecordingError: the recording lacks events.
    """
    stage = Stage(folder, program.prepare, program.cwd, program.may_fail)
    findings = Findings(program.name)
    for form in Form:
        written, trace = stage.together(form, program.command)
        log = read_log(written)
        recording = read_recording(trace, log.threads if form is Form.VERBOSE else ())
        findings.add(compare_same_run(program.name, form, log, recording))
    if program.repeats:
        path = stage.program(program.command)
        alone = read_recording(stage.recorded_alone(program.command))
        for form in Form:
            log = read_log(stage.straced_alone(form, program.command))
            findings.add(compare_other_run("in two runs", path, form, log, alone))
    return findings
