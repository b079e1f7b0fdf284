"""The manifest of a recording that has stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from bpfrec.formats.manifest import Host, Manifest
from bpfrec.record.request import Request
from bpfrec.record.session import Recorded


def manifest_of(
    request: Request, recorded: Recorded, counters: dict[str, int], per_syscall: Mapping[str, int]
) -> Manifest:
    """What the trace says about its own making; ``per_syscall`` counts rows by syscall name."""
    host = os.uname()
    child = recorded.child
    configuration: dict[str, Any] = {
        "pids": list(request.pids),
        "tids": list(request.tids),
        "comm": None if request.comm is None else _text(request.comm),
        "uid": request.uid,
        "events": None if request.calls is None else sorted(request.calls),
        "failed_only": request.failed_only,
        "seconds": request.seconds,
        "stacks": "fp" if request.stacks else "off",
        "data_bytes": request.data_bytes,
        "environment": request.environment,
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


def _text(argument: str) -> str:
    """An argument of a command line, whose bytes need not be UTF-8, as text that can be stored."""
    return os.fsencode(argument).decode("utf-8", "backslashreplace")
