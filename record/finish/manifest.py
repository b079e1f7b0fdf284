"""The manifest of a recording that has stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpfrec.bpf.selection import StackChoice
from bpfrec.formats.manifest import Manifest
from bpfrec.record.journal import text_of_argument
from bpfrec.record.request import Request
from bpfrec.record.session.recorded import Recorded


def manifest_of(
    request: Request, recorded: Recorded, counters: dict[str, int], per_syscall: Mapping[str, int]
) -> Manifest:
    """The manifest of the trace: how it was made. ``per_syscall``: rows by name of the system call."""
    begun = recorded.begun
    child = recorded.child
    configuration: dict[str, Any] = {
        "pids": list(request.pids),
        "follow": request.follow or bool(request.command),
        "tids": list(request.tids),
        "comm": None if request.comm is None else text_of_argument(request.comm),
        "uid": request.uid,
        "cgroup": None if request.cgroup is None else text_of_argument(str(request.cgroup)),
        "events": None if request.calls is None else sorted(request.calls),
        "failed_only": request.failed_only,
        "seconds": request.seconds,
        "max_seconds": request.max_seconds,
        "max_bytes": request.max_bytes,
        "last_seconds": request.last.seconds if request.last else None,
        "last_bytes": request.last.size if request.last else None,
        "until": [text_of_argument(condition.text) for condition in request.until] or None,
        "after_seconds": request.after if request.until else None,
        "stacks": request.stacks,
        "stack_on": _stack_on(request.stack_on),
        "data_bytes": request.data_bytes,
        "environment": request.environment,
        "save_binaries": request.save_binaries,
        "profile_hz": request.profile or None,
        "sched": request.sched or request.kernel_stacks is not None,
        "kernel_stacks_s": request.kernel_stacks,
        "command": list(map(text_of_argument, request.command)) or None,
        "ring_bytes_per_cpu": recorded.ring_bytes,
        "follows_uring": recorded.follows_uring,
        "uring": recorded.has_requests,
    }
    return Manifest(
        tool_version=begun.tool_version,
        command_line=begun.command_line,
        configuration=configuration,
        host=begun.host,
        clock=recorded.clock,
        start_ns=recorded.start_ns,
        recording_start_ns=recorded.recording_start_ns,
        stop_ns=recorded.stop_ns,
        stopped=text_of_argument(recorded.stopped),
        finished=not recorded.is_unfinished,
        counters=counters,
        syscalls=dict(sorted(per_syscall.items())),
        command={
            "argv": list(map(text_of_argument, child.argv)),
            "pid": child.pid,
            "exit_code": child.exit_code,
            "outcome": child.outcome,
        }
        if child
        else None,
    )


def _stack_on(choice: StackChoice) -> list[str]:
    words = {"all": choice.every, "failed": choice.failed, "paths": choice.paths}
    return [*(word for word, chosen in words.items() if chosen), *sorted(choice.calls)]
