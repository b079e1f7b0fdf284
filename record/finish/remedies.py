"""What a user can change to lose less, as far as a recording did not do so already."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bpfrec.record.options.phrases import one_of
from bpfrec.record.request import Request


@dataclass(frozen=True)
class _Remedy:
    """``less``: what to give to record less, with it; or else ``text``: a sentence of its own."""

    helps: Callable[[Request], bool]
    less: str = ""
    text: str = ""


_REMEDIES = {
    "processes": _Remedy(lambda request: not (request.pids or request.tids or request.command), less="-p PID"),
    "calls": _Remedy(lambda request: request.calls is None, less="-e SYSCALLS"),
    "failed": _Remedy(lambda request: not request.failed_only, less="-x"),
    "data": _Remedy(lambda request: request.data_bytes > 64, less="--data 64"),
    "stack-on": _Remedy(
        lambda request: request.stack_on.every or request.stack_on.paths or bool(request.stack_on.calls),
        less="--stack-on failed",
    ),
    "fp": _Remedy(lambda request: request.stacks == "full", less="--stacks fp"),
    "profile": _Remedy(lambda request: request.profile > 1, less="--profile with a lower rate"),
    "room": _Remedy(lambda _: True, text="Make room on the disk that holds the trace, or name another with -o."),
    "jvm-frames": _Remedy(lambda _: True, text="Start Java with -XX:+PreserveFramePointer."),
    "jit-names": _Remedy(
        lambda _: True,
        text="node writes one with --perf-basic-prof --interpreted-frames-native-stack, Java when it is asked while it "
        "is recorded: jcmd PID Compiler.perfmap",
    ),
    "open-files": _Remedy(lambda _: True, text="Allow more open files with: ulimit -n"),
    "symbols": _Remedy(lambda _: True, text="Ask with: analyze --symbols DIR"),
}


def remedy_text(names: Iterable[str], request: Request) -> str:
    """Sentences that offer those of the remedies ``names`` that would change something; empty where none would."""
    chosen = [remedy for name in names if (remedy := _REMEDIES[name]).helps(request)]
    less = one_of([remedy.less for remedy in chosen if remedy.less])
    return " ".join([*(remedy.text for remedy in chosen if remedy.text), *([f"Record less: {less}."] if less else [])])
