"""The least that tracing costs: raw tracepoints on sys_enter and sys_exit that only compare the pid.

Usage: empty_pair.py PID
"""

from __future__ import annotations

import signal
import sys

from bcc_program import compile_bpf

PROGRAM = """
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
    if (bpf_get_current_pid_tgid() >> 32 != PID)
        return 0;
    return 0;
}

int on_enter(struct bpf_raw_tracepoint_args *ctx)
{
    if (bpf_get_current_pid_tgid() >> 32 != PID)
        return 0;
    return 0;
}
"""

signal.signal(signal.SIGINT, lambda *_: sys.exit())
bpf = compile_bpf(PROGRAM.replace("PID", str(int(sys.argv[1]))))
bpf.attach_raw_tracepoint(tp=b"sys_exit", fn_name=b"on_exit")
bpf.attach_raw_tracepoint(tp=b"sys_enter", fn_name=b"on_enter")
print("attached", flush=True)
signal.pause()
