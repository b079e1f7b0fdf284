"""The manifest of a recording that has stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from bpfrec.bpf.selection import StackChoice
from bpfrec.formats.manifest import Host, Manifest
from bpfrec.record.request import Request
from bpfrec.record.session.recorded import Recorded


def manifest_of(
    request: Request, recorded: Recorded, counters: dict[str, int], per_syscall: Mapping[str, int]
) -> Manifest:
    """The manifest of the trace: how it was made. ``per_syscall``: rows by name of the system call."""
    host = os.uname()
    child = recorded.child
    configuration: dict[str, Any] = {
        "pids": list(request.pids),
        "follow": request.follow or bool(request.command),
        "tids": list(request.tids),
        "comm": None if request.comm is None else _text(request.comm),
        "uid": request.uid,
        "cgroup": None if request.cgroup is None else _text(str(request.cgroup)),
        "events": None if request.calls is None else sorted(request.calls),
        "failed_only": request.failed_only,
        "seconds": request.seconds,
        "stacks": request.stacks,
        "stack_on": _stack_on(request.stack_on),
        "data_bytes": request.data_bytes,
        "environment": request.environment,
        "save_binaries": request.save_binaries,
        "profile_hz": request.profile or None,
        "command": list(map(_text, request.command)) or None,
        "ring_bytes_per_cpu": recorded.ring_bytes,
    }
    return Manifest(
        tool_version=version("bpfrec"),
        command_line=["bpfrec", *map(_text, sys.argv[1:])],
        configuration=configuration,
        host=Host(
            name=host.nodename,
            kernel=host.release,
            arch=host.machine,
            page_size=os.sysconf("SC_PAGE_SIZE"),
            cpus=os.cpu_count() or 1,
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        ),
        clock=recorded.clock,
        start_ns=recorded.start_ns,
        stop_ns=recorded.stop_ns,
        stopped=_text(recorded.stopped),
        counters=counters,
        syscalls=dict(sorted(per_syscall.items())),
        command={
            "argv": list(map(_text, child.argv)),
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


def _text(argument: str) -> str:
    """An argument of a command line as text that can be stored; bytes that are not UTF-8 are escaped."""
    return os.fsencode(argument).decode("utf-8", "backslashreplace")
