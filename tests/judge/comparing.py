"""Compares a recording with a log of strace, thread by thread and call by call.

In a raw log all arguments are numbers; in a verbose log strace says what they mean. Each is compared with everything
that the recording has for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from bpfrec.formats.kernel.syscalls import syscalls
from judge.arguments import COMPARED, NOTHING, as_recorded, comparisons
from judge.findings import Difference, Findings
from judge.gaps import SIGNALS, TEXTS, gap_of
from judge.matching import pairs
from judge.recorded import RESULT, WHOLE, Recorded, Recording
from judge.strace_log import StraceCall, StraceLog
from judge.strace_values import Value, without_comments

NONE = "(no such call)"
UNKNOWN = re.compile(r"syscall_0x([0-9a-f]+)")
X32 = 0x40000000
ENDING = ("exit", "exit_group")
CLONE_ORDER = {"flags": 0, "child_stack": 1, "parent_tid": 2, "parent_tidptr": 2, "child_tidptr": 3, "tls": 4}


class Form(Enum):
    """How strace writes arguments."""

    RAW = "raw"
    VERBOSE = "verbose"


class SameRun:
    """Rules for one run that both sides watched: every number is the same on both sides."""

    def number(self, theirs: int, ours: int, call: StraceCall, findings: Findings) -> bool:
        """Tells whether two numbers agree; counts a difference that is explained."""
        del call, findings
        return (theirs - ours) % 2**64 == 0

    def single(self, call: StraceCall | Recorded) -> str | None:
        """Names the explained difference, if any, when only one side has a call."""
        if isinstance(call, StraceCall) and call.is_last and call.ret is None:
            return "killed at entry"
        if isinstance(call, Recorded) and call.entry_status == "refused" and call.errno == "ENOSYS":
            return "killed at entry"
        return None

    def problem(self, problem: str, theirs: Value, ours: Recorded, index: int, findings: Findings) -> str | None:
        """Returns ``problem``, or None if the rules explain it."""
        del theirs, ours, index, findings
        return problem


class Comparison:
    """Compares one log with one recording."""

    def __init__(self, program: str, form: Form, rules: SameRun) -> None:
        self.form = form
        self.rules = rules
        self.findings = Findings(program)

    def thread(self, tid: int, theirs: list[StraceCall], ours: list[Recorded]) -> None:
        """Compares the calls of one thread."""
        for left, right in pairs(theirs, ours, name_of, lambda call: call.name):
            if left and right:
                self.findings.calls += 1
                self._call(left, right)
                continue
            single = left or right
            explained = self.rules.single(single) if single else None
            if explained:
                self.findings.explain(explained)
            elif left:
                self._unexplained("missing in the recording", tid, left.text, NONE)
            else:
                self._unexplained("not shown by strace", tid, NONE, str(right))

    def signals(self, log: StraceLog) -> None:
        """Counts signals and exits, which are no calls."""
        for what, times in (("signals", log.signals), ("exits", log.ends)):
            self.findings.gaps[SIGNALS.title, what] += times if self.form is Form.VERBOSE else 0

    def _call(self, theirs: StraceCall, ours: Recorded) -> None:
        problems = list(self._result(theirs, ours))
        problems += self._numbers(theirs, ours) if self.form is Form.RAW else self._meanings(theirs, ours)
        for problem in problems:
            self._unexplained(problem, theirs.tid, theirs.text, str(ours))

    def _result(self, theirs: StraceCall, ours: Recorded) -> Iterator[str]:
        differ = theirs.errno != ours.errno or (not theirs.errno and theirs.ret != ours.ret)
        if theirs.is_last and theirs.name not in ENDING and differ:
            self.findings.explain("killed at exit")
        elif theirs.ret is None or ours.ret is None:
            if theirs.ret is not None or ours.ret is not None:
                yield "one of them never returned"
            else:
                self.findings.agreed["results"] += 1
        elif theirs.errno or ours.errno:
            if theirs.errno == ours.errno:
                self.findings.agreed["results"] += 1
            elif is_interruption(theirs, ours):
                self.findings.explain("interrupted by a signal")
            else:
                yield f"error: {theirs.errno} and {ours.errno}"
        elif self.rules.number(theirs.ret, ours.ret, theirs, self.findings):
            self.findings.agreed["results"] += 1
        else:
            yield f"result: {theirs.ret:#x} and {ours.ret:#x}"
        if theirs.detail and not theirs.errno and self.form is Form.VERBOSE:
            yield from self._meaning("=", RESULT, Value(theirs.detail.removeprefix("flags ")), theirs, ours)

    def _numbers(self, theirs: StraceCall, ours: Recorded) -> Iterator[str]:
        known = syscalls().get(theirs.name)
        if len(theirs.args) != len(ours.args) and known and known.arguments is not None:
            yield f"number of arguments: {len(theirs.args)} and {len(ours.args)}"
        for index, (value, recorded) in enumerate(zip(theirs.args, ours.args, strict=False)):
            number = value.number
            if number is not None and self.rules.number(number, recorded, theirs, self.findings):
                self.findings.agreed["raw arguments"] += 1
            else:
                yield f"argument {index}: {value.text} and {recorded:#x}"

    def _meanings(self, theirs: StraceCall, ours: Recorded) -> Iterator[str]:
        declared = syscalls()[theirs.name].arguments if theirs.name in syscalls() else None
        missing = self.findings.gaps.total()
        for index, value in placed(theirs):
            argument = declared[index].name if declared and index < len(declared) else f"arg{index}"
            yield from self._meaning(argument, index, value, theirs, ours)
        if theirs.whole and not theirs.is_last and missing == self.findings.gaps.total() and WHOLE in ours.texts:
            yield from self._whole(theirs, ours)

    def _whole(self, theirs: StraceCall, ours: Recorded) -> Iterator[str]:
        """Compares the text of the whole call, unless strace cut a string that is longer than a path can be."""
        if any(value.string and value.string[1] for value in theirs.args) or any(d.cut for d in ours.data.values()):
            return
        if is_interruption(theirs, ours):
            return
        told, said = as_recorded(without_comments(theirs.text)), as_recorded(ours.texts[WHOLE] or "")
        if said in (told, with_addresses(told, theirs, ours)):
            self.findings.agreed["whole calls"] += 1
            if said != told:
                self.findings.gaps[TEXTS.title, theirs.name] += 1
        else:
            yield from self._meaning("the whole call", WHOLE, Value(told), theirs, ours)

    def _meaning(self, argument: str, index: int, value: Value, theirs: StraceCall, ours: Recorded) -> Iterator[str]:
        known = comparisons(theirs.name, argument, index, value, ours)
        for what, compare in known.items():
            problem = compare(value, ours, index)
            if problem is not None:
                problem = self.rules.problem(problem, value, ours, index, self.findings)
            if problem is None:
                self.findings.agreed[what] += 1
            else:
                yield f"{argument}: {problem}"
        if not known and not value.is_number:
            yield from self._gap(f"{theirs.name}.{argument}")

    def _gap(self, argument: str) -> Iterator[str]:
        title = gap_of(argument)
        if title is None:
            yield f"{argument} is neither recorded nor listed as a gap"
        else:
            self.findings.gaps[title, argument] += 1

    def _unexplained(self, kind: str, tid: int, theirs: str, ours: str) -> None:
        self.findings.unexplained.append(Difference(kind, tid, theirs, ours))


def name_of(call: StraceCall) -> str:
    """The recording's name of a call: the kernel looks at 32 bits of its number, and one of them says x32."""
    unknown = UNKNOWN.fullmatch(call.name)
    if not unknown:
        return call.name
    number = int(unknown[1], 16) & 0xFFFFFFFF
    return f"unknown_{number & ~X32 if number < 2 * X32 else number - 2**32}"


def placed(call: StraceCall) -> Iterator[tuple[int, Value]]:
    """The arguments of a verbose call with the index they have in the kernel."""
    for place, value in enumerate(call.args):
        if call.name == "futex" and "_BITSET" in call.args[1].text and place > 2 and place == len(call.args) - 1:
            yield 5, value
        elif call.name == "clone":
            label, _, rest = value.text.partition("=")
            yield CLONE_ORDER[label], Value(rest)
        else:
            yield place, value


def with_addresses(told: str, theirs: StraceCall, ours: Recorded) -> str:
    """Returns strace's text with addresses in place of captures, and without the remark behind the result."""
    for index, value in placed(theirs):
        copied = index in ours.data or value.text in NOTHING
        if copied and value.is_pointed and index < len(ours.args) and value.text not in (ours.texts[WHOLE] or ""):
            told = told.replace(value.text, hex(ours.args[index]), 1)
    if (theirs.name, "=") in COMPARED and theirs.detail:
        told = told.removesuffix(f" ({theirs.detail})")
    return told


def compare_same_run(program: str, form: Form, log: StraceLog, recording: Recording) -> Findings:
    """Compares what both sides saw of the same run; strace was started by the recorder."""
    comparison = Comparison(program, form, SameRun())
    findings = comparison.findings
    for tid in log.threads.keys() | recording.threads.keys():
        ours = recording.threads.get(tid, [])
        if tid not in log.threads and ours[0].pid in {recording.command, *recording.children}:
            findings.explain("strace's own calls", len(ours))
            continue
        if tid == log.root:
            first = next((i for i, call in enumerate(ours) if call.name == "execve"), 0)
            findings.explain("before the first execve", first)
            ours = ours[first:]
        comparison.thread(tid, log.threads.get(tid, []), ours)
    comparison.signals(log)
    return findings


def is_interruption(theirs: StraceCall, ours: Recorded) -> bool:
    """Tells whether a signal interrupted the call: the program saw EINTR, which rt_sigreturn hands on."""
    handed_on = theirs.name == "rt_sigreturn" and theirs.errno == "EINTR" and ours.errno is None
    return handed_on or (ours.errno == "EINTR" and (theirs.errno or "").startswith("ERESTART"))
