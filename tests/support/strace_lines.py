"""Asks strace how it prints system calls with given arguments. strace refuses each call itself: nothing is done.

The program that makes the calls has no C library, so it makes no others. It ends with an illegal instruction.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from bpfrec.formats.kernel.syscalls import syscalls

TEXT = 0xABCDEF01 << 32
"""An argument ``TEXT + n`` becomes a pointer to the nth of the strings."""

_SOURCE = """
static const char *texts[] = {%s};
static const unsigned long calls[][7] = {%s};

static void call(const unsigned long *c)
{
    unsigned long a[6], ret;
    for (int i = 0; i < 6; i++)
        a[i] = c[i + 1] >> 32 == 0xabcdef01 ? (unsigned long)texts[c[i + 1] & 0xffff] : c[i + 1];
    register unsigned long r10 __asm__("r10") = a[3];
    register unsigned long r8 __asm__("r8") = a[4];
    register unsigned long r9 __asm__("r9") = a[5];
    __asm__ volatile("syscall" : "=a"(ret) : "a"(c[0]), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
}

void _start(void)
{
    for (unsigned long i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        call(calls[i]);
    __asm__("ud2");
}
"""


def strace_works() -> bool:
    """Whether strace 6.1 or later and gcc are here, and one process may trace another."""
    if not (shutil.which("strace") and shutil.which("gcc")):
        return False
    said = subprocess.run(["strace", "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    version = re.search(r"version (\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < (6, 1):
        return False
    return (
        subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, timeout=10, check=False).returncode
        == 0
    )


def strace_lines(
    folder: Path,
    calls: list[tuple[str, *tuple[int, ...]]],
    texts: tuple[bytes, ...] = (b"",),
    inject: str = "error=ENOSYS",
) -> list[str]:
    """A line for each call, without comments and remarks. ``inject``: what strace lets the calls return."""
    rows = []
    for name, *arguments in calls:
        numbers = [syscalls()[name].numbers["x86_64"], *arguments, *[0] * (6 - len(arguments))]
        rows.append("{" + ", ".join(f"{n % 2**64}UL" for n in numbers) + "}")
    quoted = ['"' + "".join(f"\\{byte:03o}" for byte in text) + '"' for text in texts]
    source, program, log = folder / "calls.c", folder / "calls", folder / "strace.log"
    source.write_text(_SOURCE % (", ".join(quoted), ",\n".join(rows)))
    build = ["gcc", "-O1", "-fno-stack-protector", "-nostdlib", "-static", "-o", program, source]
    subprocess.run(build, check=True, timeout=60)
    run = ["strace", "-o", log, "-a0", "-s4096", "-e", f"inject=!execve:{inject}", program]
    subprocess.run(run, capture_output=True, timeout=120, check=False)
    lines = [line for line in log.read_text().splitlines()[1:] if not line.startswith(("---", "+++"))]
    assert len(lines) == len(calls), "strace saw other calls than were to be made"
    return [re.sub(r" /\* .*? \*/", "", line).removesuffix(" (INJECTED)") for line in lines]
