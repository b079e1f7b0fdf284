"""The floor: raw tracepoints on sys_enter and sys_exit that compare the pid and do nothing. Usage: empty_pair.py PID"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import bpfrec.bpf
from bpfrec.bpf.bcc_module import load_bcc

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

os.environ["BCC_KERNEL_SOURCE"] = str(Path(bpfrec.bpf.__file__).parent / "programs" / "shim")
bpf = load_bcc().BPF(text=PROGRAM.replace("PID", str(int(sys.argv[1]))).encode())
bpf.attach_raw_tracepoint(tp=b"sys_exit", fn_name=b"on_exit")
bpf.attach_raw_tracepoint(tp=b"sys_enter", fn_name=b"on_enter")
print("attached", flush=True)
time.sleep(600)
