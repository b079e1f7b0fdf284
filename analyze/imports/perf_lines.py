"""Lines of the text that ``perf script`` writes: the head of a sample, its frames, what the head of the file says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# Runs are bounded or possessive (++): a line of anybody's may not take more time than its length.
_HEAD = re.compile(
    r"(?P<comm>\S.{0,63}?|)\s{1,64}(?:(?P<pid>-?\d{1,9})/)?(?P<tid>-?\d{1,9})\s{1,64}(?:\[(?P<cpu>\d{1,4})\]\s{1,64})?"
    r"(?P<seconds>\d{1,9})\.(?P<fraction>\d{1,9}):\s{1,64}(?:(?P<period>\d{1,18})\s{1,64})?(?P<event>\S++)(?:\s.*)?"
)
_LOST = re.compile(r".*\sPERF_RECORD_LOST(?:_SAMPLES)?\s{1,64}(?:lost\s{1,64})?(?P<count>\d{1,18})\b.*")
_RECORD = re.compile(r".*\sPERF_RECORD_\w+.*")
_FRAME = re.compile(
    r"\s++(?P<address>[0-9a-f]{1,16})\s++(?P<symbol>.*?)(?:\+0x(?P<offset>[0-9a-f]{1,12}))?"
    r"(?: \((?P<module>[^()]*+(?:\([^()]*+\)[^()]*+)?)\))?"
)
_TRACEPOINT = re.compile(r"[a-z_][\w-]*:(?![ukhGHpPSDIWeb]+$)[\w-]+")
_FACT = re.compile(r"# (?P<name>[\w ]{1,64}?)\s{0,64}:\s++(?P<value>.*)")
_KERNEL_FILE = re.compile(r"(?:.*/)?(?P<name>[\w-]+)\.ko(?:\.\w+)?")
_KERNEL = ("[kernel.kallsyms]", "[kernel]", "[kernel.vmlinux]", "[guest.kernel.kallsyms]")
_NOT_KERNEL = ("[vdso]", "[vsyscall]", "[unknown]", "[heap]", "[stack]", "[anon]", "[uprobes]")
_FIRST_KERNEL_ADDRESS = 1 << 63
_LARGEST_IN_FILE = 1 << 40
_NANOSECONDS = 9


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a sample. ``ts_ns`` is on perf's clock; ``pid`` is None where the text has the thread alone."""

    comm: str
    pid: int | None
    tid: int
    cpu: int | None
    ts_ns: int
    event: str

    @property
    def is_tracepoint(self) -> bool:
        """Whether it tells of something that happened, and not of what was running."""
        return _TRACEPOINT.fullmatch(self.event) is not None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: its columns in the table of frames, and whether it is the kernel's."""

    is_kernel: bool
    symbol: str | None
    offset: int | None
    module: str | None
    address: int
    is_in_file: bool

    def row(self, stack: int, depth: int) -> dict[str, Any]:
        """The row of ``frames``. perf does not say by which way it found the callers."""
        return {
            "stack_id": stack,
            "depth": depth,
            "ip": None if self.is_in_file else self.address,
            "symbol": self.symbol,
            "symbol_offset": self.offset,
            "module": self.module,
            "module_address": self.address if self.is_in_file else None,
            "source": "kernel" if self.is_kernel else "ip" if depth == 0 else None,
        }


def parse_head(text: str) -> Head | None:
    """Parses the first line of a sample; None: it is none."""
    match = _HEAD.fullmatch(text)
    if match is None or text[:1] == "#" or "PERF_RECORD_" in match["event"]:
        return None
    pid, cpu = match["pid"], match["cpu"]
    ts_ns = int(match["seconds"]) * 10**_NANOSECONDS + int(match["fraction"].ljust(_NANOSECONDS, "0"))
    return Head(
        match["comm"].strip(),
        None if pid is None else int(pid),
        int(match["tid"]),
        None if cpu is None else int(cpu),
        ts_ns,
        match["event"].rstrip(":"),
    )


def parse_lost(text: str) -> int | None:
    """How many records were lost, as ``--show-lost-events`` says; 0 for other records of perf, None for no record."""
    if match := _LOST.fullmatch(text):
        return int(match["count"])
    return 0 if _RECORD.fullmatch(text) else None


def parse_fact(text: str) -> tuple[str, str] | None:
    """A line of the head of the file (``--header``): name and value."""
    match = _FACT.fullmatch(text)
    return (match["name"], match["value"]) if match else None


def parse_frame(text: str) -> Frame | None:
    """Parses a line of a call stack; None: it is none."""
    match = _FRAME.fullmatch(text)
    if match is None:
        return None
    address, module = int(match["address"], 16), match["module"]
    kernel_file = _KERNEL_FILE.fullmatch(module or "")
    is_kernel = (
        kernel_file is not None
        or address >= _FIRST_KERNEL_ADDRESS
        or (module is not None and module[:1] == "[" and module not in _NOT_KERNEL)
    )
    if module == "[unknown]":
        module = None
    if is_kernel:
        if kernel_file:
            module = f"[{kernel_file['name']}]"
        elif module is None or module in _KERNEL or module.endswith("/vmlinux"):
            module = "[kernel]"
    elif module and module.startswith("/tmp/perf-") and module.endswith(".map"):  # noqa: S108 - a name, not a file
        module = module.removeprefix("/tmp/")  # noqa: S108
    symbol = match["symbol"].strip()
    offset = match["offset"]
    # Newer versions of perf write where an address is in its file, older ones where it was in the process.
    is_in_file = not is_kernel and module is not None and module[:1] == "/" and address < _LARGEST_IN_FILE
    named = None if symbol in ("", "[unknown]") else symbol
    return Frame(is_kernel, named, int(offset, 16) if offset else None, module, address, is_in_file)


def is_perf_script(head: str) -> bool:
    """Whether ``head``, the beginning of a file, is of ``perf script``'s text."""
    lines = head.splitlines()
    if "# ========" in lines[:3] and any(line.startswith("# perf version") for line in lines):
        return True
    first = next((i for i, line in enumerate(lines) if line.strip() and line[:1] != "#"), None)
    if first is None or parse_head(lines[first]) is None:
        return False
    return first + 1 == len(lines) or not lines[first + 1].strip() or parse_frame(lines[first + 1]) is not None
