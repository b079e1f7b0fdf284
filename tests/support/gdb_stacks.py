"""Run by gdb: where every call of openat that opens /nonexistent/... is made, and by whom, as JSON on a line each."""

import json
import os
from pathlib import Path

import gdb


def frames():
    frame = gdb.newest_frame()
    while frame is not None:
        # Neither is on the stack: gdb knows of both from debug information.
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            yield frame.pc(), frame.name()
        frame = frame.older()


def place(pc, maps):
    for start, end, offset, path in maps:
        if start <= pc < end:
            return [path, pc - start + offset]
    return None


def mappings(pid):
    with Path(f"/proc/{pid}/maps").open() as lines:
        for line in lines:
            addresses, _permissions, offset, _device, _inode, *path = line.split(None, 5)
            start, end = (int(word, 16) for word in addresses.split("-"))
            yield start, end, int(offset, 16), path[0].strip() if path else ""


for setting in ("pagination off", "confirm off", "debuginfod enabled off", "backtrace past-main on"):
    gdb.execute(f"set {setting}")
gdb.execute("handle all nostop noprint pass", to_string=True)
gdb.execute("catch syscall openat", to_string=True)
gdb.execute("run", to_string=True)
with Path(os.environ["STACKS"]).open("w") as out:
    entry = True
    while gdb.selected_inferior().pid:
        address = int(gdb.newest_frame().read_register("rsi")) & (1 << 64) - 1
        if entry:
            path = gdb.selected_inferior().read_memory(address, 64).tobytes().split(b"\0")[0].decode("latin-1")
            if path.startswith("/nonexistent/"):
                maps = list(mappings(gdb.selected_inferior().pid))
                found = [[name, place(pc, maps)] for pc, name in frames()]
                out.write(json.dumps([path, found]) + "\n")
        entry = not entry
        try:
            gdb.execute("continue", to_string=True)
        except gdb.error:
            break
