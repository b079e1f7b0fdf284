"""Compiling the BPF program with bcc: the parts in ``programs/`` as one file, without kernel headers."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from bpfrec.bpf.permission import why_refused
from bpfrec.bpf.quiet import quiet

SOURCES = (
    "counters.c",
    "plans.c",
    "targets.c",
    "slots.c",
    "batches.c",
    "processes.c",
    "reading.c",
    "captures.c",
    "results.c",
    "stacks.c",
    "samples.c",
    "uring.c",
    "signals.c",
    "sched.c",
    "recorder.c",
)
"""The parts of the program in ``programs/``, in the order in which they are compiled as one."""

PROGRAMS = Path(__file__).parent / "programs"
"""The folder of the program's sources."""

HALVES = ("ONLY_CALLS", "ONLY_REST")
"""Defines of ``programs/halves.h``: either compiles half of the functions, and all maps."""

HEADERS_VARIABLE = "BCC_KERNEL_SOURCE"
"""Environment variable of bcc: the folder with the headers of this kernel."""

# clang leaves optimizing to bcc, which does it in any case.
_ONCE = ("-Xclang", "-disable-llvm-passes")

_MODULES = Path("/lib/modules")

_log = logging.getLogger(__name__)


def compile_program(bcc: ModuleType, defines: list[str], *, is_thorough: bool = False) -> Any:
    """The program compiled with ``defines`` (``NAME`` or ``NAME=value``) and its maps made: a ``bcc.BPF``.

    The headers in ``programs/shim`` are used, and those of the kernel only where that fails and they are installed.
    ``is_thorough``: it is optimized twice, as bcc does; else once, in three quarters of the time.
    bcc takes the folder of headers from the environment and writes to standard error, so both are changed meanwhile.

    Raises:
        BpfrecError: it does not compile, or the kernel refuses the maps.
    """
    _log.info("defines: %s", " ".join(defines))
    # Nobody reads information for debuggers, which takes a quarter of the time.
    flags = [
        "-g0",
        *([] if is_thorough else _ONCE),
        f"-I{PROGRAMS}",
        "-Wno-unused-function",
        *(f"-D{d}" for d in defines),
    ]
    # bcc rewrites the map accesses of one file alone: what #include brings in stays as it is.
    source = "".join(f'#line 1 "{part}"\n{(PROGRAMS / part).read_text()}' for part in SOURCES).encode()
    said = ""
    for headers in (str(PROGRAMS / "shim"), _kernel_headers()):
        if headers is None:
            continue
        begin, program, failure = time.monotonic(), None, ""
        with quiet() as output:
            try:
                with _headers_in(headers):
                    program = bcc.BPF(text=source, cflags=flags)
            except Exception as error:  # bcc raises bare Exception; the reason is in what it writes
                failure = str(error)
        _log.info("compiled in %.2f s with the headers in %s %s", time.monotonic() - begin, headers, failure)
        if program is not None:
            return program
        said += output.text() or f"{failure}\n"
        _log.debug("bcc wrote: %s", output.text())
    raise why_refused("the BPF program cannot be compiled and its maps made", said)


def _kernel_headers() -> str | None:
    """Where bcc finds the headers of this kernel: $BCC_KERNEL_SOURCE, or "" for where distributions install them.

    None where there are none: bcc would then load a kernel module, and run a shell as root that removes and unpacks
    folders in /tmp.
    """
    named = os.environ.get(HEADERS_VARIABLE)
    if named is None and "BCC_KERNEL_MODULES_SUFFIX" in os.environ:
        return None
    installed = _MODULES / os.uname().release
    both = (installed / "build").is_dir() and (installed / "source").is_dir()
    folder = Path(named) if named is not None else installed / ("source" if both else "build")
    return (named or "") if (folder / "include/linux/kconfig.h").is_file() else None


@contextmanager
def _headers_in(folder: str) -> Iterator[None]:
    """Makes bcc look for kernel headers in ``folder``; "" is where distributions install them."""
    before = os.environ.get(HEADERS_VARIABLE)
    if folder:
        os.environ[HEADERS_VARIABLE] = folder
    else:
        os.environ.pop(HEADERS_VARIABLE, None)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(HEADERS_VARIABLE, None)
        else:
            os.environ[HEADERS_VARIABLE] = before
