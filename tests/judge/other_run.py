"""Compares a recording with a log of another run of the same program.

Some values must differ between two runs: ids of processes, names drawn at random, and the addresses that the first
execve got from the process that started the program. Processes and threads are paired by their place in the tree: the
nth child of one is the nth child of the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from judge.comparing import Comparison, Form, SameRun
from judge.findings import Findings
from judge.recorded import WHOLE, Recorded, Recording
from judge.strace_log import StraceCall, StraceLog
from judge.strace_values import Value

FORKS = ("clone", "clone3", "fork", "vfork")
DRAWN = re.compile(r"(/tmp/cc|tmp_obj_)\w{6}")


class OtherRun(SameRun):
    """Rules for two runs: an id may differ. ``ids`` maps strace's processes and threads to ours."""

    def __init__(self, ids: dict[int, int]) -> None:
        self.ids = ids

    def number(self, theirs: int, ours: int, call: StraceCall, findings: Findings) -> bool:
        if super().number(theirs, ours, call, findings):
            return True
        if self.ids.get(theirs) == ours:
            findings.explain("another pid")
            return True
        return False

    def single(self, call: StraceCall | Recorded) -> str | None:
        return "another draw" if call.name == "getrandom" else super().single(call)

    def problem(self, problem: str, theirs: Value, ours: Recorded, index: int, findings: Findings) -> str | None:
        copied = ours.data.get(index)
        if copied and copied.contents is not None and theirs.string and len(theirs.string[0]) == ours.ret:
            findings.explain("other contents")
            return None
        path, _ = ours.paths.get(index, (None, None))
        if path is None or theirs.string is None:
            return problem
        told = theirs.string[0].decode("utf-8", "backslashreplace")
        if re.sub(r"\d+", lambda match: str(self.ids.get(int(match[0]), match[0])), told) == path:
            findings.explain("another pid")
            return None
        return problem


def compare_other_run(name: str, program: str, form: Form, log: StraceLog, recording: Recording) -> Findings:
    """Compares ``recording`` of one run with ``log`` of another; ``program`` is the path that was executed.

    Names that are drawn at random are taken out of both, so that the recording can be compared with a further log.
    """
    ours_of = dict(recording.threads)
    root = ours_of[recording.command]
    first = next(i for i, call in enumerate(root) if call.name == "execve" and call.paths[0][0] == program)
    ours_of[recording.command] = root[first:]
    ids = dict(_pairs(log.root, recording.command, log.threads, ours_of))
    comparison = Comparison(name, form, OtherRun(ids))
    findings = comparison.findings
    findings.explain("before the first execve", first)
    if form is Form.RAW:
        log.threads[log.root][0].args = [Value(hex(arg)) for arg in root[first].args]
        findings.explain("addresses in the starter", len(root[first].args))
    for call in log.calls():
        findings.explain("another temporary name", sum(DRAWN.search(value.text) is not None for value in call.args))
        call.args = [Value(_undrawn(value.text)) for value in call.args]
    for calls in ours_of.values():
        for recorded in calls:
            _undraw(recorded)
    for tid, theirs in log.threads.items():
        comparison.thread(tid, theirs, ours_of.pop(ids.get(tid, 0), []))
    for tid, ours in ours_of.items():
        comparison.thread(tid, [], ours)
    findings.gaps.clear()
    return findings


def _undrawn(text: str) -> str:
    return DRAWN.sub(r"\1", text)


def _undraw(call: Recorded) -> None:
    """Removes names drawn at random, and the text of the whole call, which can hold ids."""
    call.texts.pop(WHOLE, None)
    call.texts = {index: text and _undrawn(text) for index, text in call.texts.items()}
    call.paths = {index: (path and _undrawn(path), status) for index, (path, status) in call.paths.items()}
    for index, data in call.data.items():
        call.data[index] = replace(data, strings=tuple(map(_undrawn, data.strings)))


def _pairs(
    theirs: int, ours: int, strace: dict[int, list[StraceCall]], recorded: dict[int, list[Recorded]]
) -> Iterator[tuple[int, int]]:
    yield theirs, ours
    for left, right in zip(_children(strace.get(theirs, [])), _children(recorded.get(ours, [])), strict=False):
        yield from _pairs(left, right, strace, recorded)


def _children(calls: list[StraceCall] | list[Recorded]) -> list[int]:
    return [call.ret for call in calls if call.name in FORKS and call.ret is not None and call.ret > 0]
