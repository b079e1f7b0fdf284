"""A recorder as one writes it with bcc: open_perf_buffer, a callback per record. Usage: bcc_recorder.py PID OUTPUT

Follows children; prints how many records it wrote and how many were lost when it is stopped by SIGINT.
"""

from __future__ import annotations

import ctypes
import re
import signal
import sys
from pathlib import Path
from typing import Any

from bcc_program import compile_bpf

PAGES = 1024
"""Pages of each CPU's ring: as many as perf trace record takes."""


def child_pid_offset() -> int:
    """Where sched_process_fork has the child's pid: it moved with kernel versions."""
    for root in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
        path = Path(root, "events/sched/sched_process_fork/format")
        if path.exists() and (found := re.search(r"child_pid;\s*offset:(\d+)", path.read_text())):
            return int(found[1])
    sys.exit("bcc_recorder: tracefs is not mounted")


def main() -> None:
    pid, output = int(sys.argv[1]), Path(sys.argv[2])
    stopped = False
    taken = lost = 0

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGINT, stop)
    text = Path(__file__).with_suffix(".c").read_text()
    bpf = compile_bpf(text.replace("CHILD_PID_OFFSET", str(child_pid_offset())))
    tgids = bpf[b"tgids"]
    tgids[ctypes.c_uint32(pid)] = ctypes.c_uint32(1)
    with output.open("wb") as file:

        def on_call(_cpu: int, data: Any, size: int) -> None:
            nonlocal taken
            taken += 1
            file.write(ctypes.string_at(data, size))

        def on_lost(_cpu: int, count: int) -> None:
            nonlocal lost
            lost += count

        bpf[b"events"].open_perf_buffer(on_call, page_cnt=PAGES, lost_cb=on_lost)
        bpf.attach_tracepoint(tp=b"sched:sched_process_fork", fn_name=b"on_fork")
        bpf.attach_raw_tracepoint(tp=b"sys_exit", fn_name=b"on_exit")
        bpf.attach_raw_tracepoint(tp=b"sys_enter", fn_name=b"on_enter")
        print("attached", flush=True)
        while not stopped:
            bpf.perf_buffer_poll(timeout=100)
        bpf.detach_raw_tracepoint(tp=b"sys_enter")
        bpf.detach_raw_tracepoint(tp=b"sys_exit")
        bpf.perf_buffer_poll(timeout=0)
    print(f"{taken} events, {lost} lost", flush=True)


main()
