"""Classes of calls beside strace, which prints the seccomp filter that it makes of a class."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache

import pytest

from bpfrec.formats.kernel.syscalls import CLASSES, by_number

# AUDIT_ARCH_X86_64 and AUDIT_ARCH_I386 of linux/audit.h.
ARCHITECTURES = {"x86_64": 0xC000003E, "i386": 0x40000003}
LAST_KNOWN = 450
"""The newest call that strace 6.1 of Debian 12 knows, in both ABIs."""

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


WORDS = {"data->arch": 0, "data->nr": 1, "SECCOMP_RET_ALLOW": 0, "SECCOMP_RET_TRACE": 1, "X": -1}


@cache
def strace_filter(chosen: str) -> list[tuple[str, list[int]]]:
    """The filter for ``-e trace=CHOSEN``: operations of classic BPF, with what stands in their brackets."""
    command = ["strace", "-d", "-f", "--seccomp-bpf", "-e", f"trace={chosen}", "true"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stderr
    found = re.findall(r"^strace: (?:STMT|JUMP)\((\w+)(?:, (.*))?\)$", shown, re.MULTILINE)
    return [(name, [WORDS[n] if n in WORDS else int(n, 0) for n in rest.split(", ") if n]) for name, rest in found]


def is_traced(chosen: str, abi: str, number: int) -> bool:
    """Runs the filter on one call."""
    program, place, a, x = strace_filter(chosen), 0, 0, 0
    while True:
        name, numbers = program[place]
        place += 1
        match name:
            case "BPF_RET":
                return bool(numbers[0])
            case "BPF_LDWABS":
                a = (ARCHITECTURES[abi], number)[numbers[0]]
            case "BPF_LDWIMM":
                a = numbers[0]
            case "BPF_TAX":
                x = a
            case "BPF_TXA":
                a = x
            case "BPF_AND":
                a &= numbers[0]
            case "BPF_LSH":
                a <<= x
            case "BPF_RSH":
                a >>= numbers[0]
            case "BPF_JA":
                place += numbers[0]
            case _:
                met = {"BPF_JGE": a >= numbers[2], "BPF_JEQ": a == numbers[2], "BPF_JSET": bool(a & numbers[2])}[name]
                place += numbers[0] if met else numbers[1]


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_holds_the_calls_that_strace_traces(name: str) -> None:
    # It traces execve, and multiplexers whose parts may be of the class, in any case.
    always = {"execve", "execveat", "socketcall", "ipc"}
    for abi in ARCHITECTURES:
        known = {n: call for n, call in by_number(abi).items() if n <= LAST_KNOWN and call.name not in always}
        of_strace = {call.name for n, call in known.items() if is_traced(f"%{name}", abi, n)}
        assert of_strace == {call.name for call in known.values() if name in call.classes}, abi
        assert of_strace
