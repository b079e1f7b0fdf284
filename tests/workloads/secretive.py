"""Does what may be secret: names files, talks to addresses, passes arguments; then runs a program of private code."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
from pathlib import Path

program, folder = sys.argv[1], Path(sys.argv[2])
os.chdir(folder / "plantedcwd")
Path("plantedfile.conf").write_text("plantedcontents " * 3)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.connect(("203.0.113.77", 9))
with socket.socket(socket.AF_UNIX) as server:
    server.bind("plantedsocket")
with socket.socket(socket.AF_UNIX) as server:
    server.bind("\0plantedabstract")
os.memfd_create("plantedmemory")
ctypes.CDLL(None).prctl(15, b"plantedthread", 0, 0, 0)
with contextlib.suppress(FileNotFoundError):
    os.open("plantedmissing", os.O_RDONLY)
os.execve(program, ["plantedargv0", "--password=plantedargument"], {"PLANTED": "plantedenvironment"})
