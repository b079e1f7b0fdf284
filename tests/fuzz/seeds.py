"""The corpus that fuzzing starts from: small real files of every kind, made or found on this machine."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from support import ring_bytes, trace_builder

from bpfrec.formats.arrow import parquet_writer, written_schema
from bpfrec.formats.schema import SYSCALLS
from bpfrec.formats.symbols.elf import ElfFile
from bpfrec.record.spool import SpoolWriter

_SOURCE = "int twice(int x)\n{\n    return x + x;\n}\nint main(int n, char **v)\n{\n    return twice(n) != 2 * n;\n}\n"
_BUILDS = (
    *(("-O0", "-g"), ("-O2", "-gdwarf-4"), ("-O1", "-gdwarf-2"), ("-O1", "-g", "-gdwarf64")),
    *(("-O2", "-g", "-gz=zlib"), ("-O0", "-static-pie", "-nostdlib", "-g")),
)
_PERF_MAP = b"401100 40 JS:~main /srv/a.js:1:2\n1100 80 py::f:/srv/a.py\n7f0000001000 10 LazyCompile:*g\nno line\n"
_EXPRESSIONS = (bytes((0x77, 8, 0x06, 0x23, 16)), bytes((0x31, 0x32, 0x22, 0x12, 0x1A)), bytes((0x2F, 0xFD, 0xFF)))
_CLI = Path(__file__).parents[1] / "cli"
LATE_COLUMNS = ("comm", "stack_id", "stack_status")
"""Columns of calls that may be cut off while the others are there."""
_GO = struct.Struct("<I2x2B7Q")


def seeds(target: str) -> list[bytes]:
    """Inputs to begin with."""
    return _MADE[target]()


def _manifests() -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(_trace())) as archive:
        return [archive.read("manifest.json"), b'{"format": "bpfrec", "format_version": 1}']


def _trace() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return trace_builder.lab1().write(Path(folder) / "t.bpfrec").read_bytes()


def _tables() -> list[bytes]:
    """The calls of a trace as three row groups, to be read with the footer, without, and with checksums alone."""
    with zipfile.ZipFile(io.BytesIO(_trace())) as archive:
        calls = pq.read_table(io.BytesIO(archive.read("syscalls.parquet")))
    made = io.BytesIO()
    with parquet_writer(SYSCALLS, made) as writer:
        for start in range(0, 3 * len(calls), len(calls)):
            numbers = pa.array(range(start, start + len(calls)), pa.int64())
            numbered = calls.set_column(calls.column_names.index("event_id"), "event_id", numbers)
            writer.write_table(numbered.cast(written_schema(SYSCALLS)))
    return [how + made.getvalue() for how in (b"\0", b"\x80", b"\xc0")]


def _logs() -> list[bytes]:
    """The log of the tests, and each of its lines with the first."""
    log = (_CLI / "strace.log").read_bytes()
    first, *others = log.splitlines(keepends=True)
    return [log, *(first + line for line in others)]


def _samples() -> list[bytes]:
    """The head of perf's text with some samples, and samples without it."""
    head, mark, samples = (_CLI / "perf.txt").read_bytes().partition(b"# ========\n#\n")
    some = b"\n\n".join(samples.strip(b"\n").split(b"\n\n")[:4]) + b"\n\n"
    return [head + mark + some, some]


def _records() -> bytes:
    return ring_bytes.sample(ring_bytes.call(), ring_bytes.call(ret=-2), ring_bytes.process(1))


def _spool() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        writer = SpoolWriter(path)
        for cpu in range(2):
            writer.write(cpu, 1000, [memoryview(_records())])
        writer.close()
        return path.read_bytes()


def _programs() -> list[bytes]:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.c").write_text(_SOURCE)
        for number, flags in enumerate(_BUILDS):
            program = Path(folder) / f"a{number}"
            source = ["-c"] if "-nostdlib" in flags else []
            command = ["gcc", *flags, *source, "-o", str(program), "a.c"]
            if (
                shutil.which("gcc")
                and not subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode
            ):
                found.append(program.read_bytes())
    return found or [Path("/bin/true").read_bytes()]


def _cfi() -> list[bytes]:
    """CIEs and programs of the C library: a byte for the length of the CIE, the CIE, a program."""
    found = []
    with Path("/lib/x86_64-linux-gnu/libc.so.6").open("rb") as file:
        elf = ElfFile(file)
        section = elf.section(".eh_frame")
        content = elf.read_at(section[0], 1 << 16) if section else b""
    at, cie = 0, b""
    while at + 8 <= len(content) and len(found) < 40:
        length, kind = struct.unpack_from("<2I", content, at)
        body = content[at + 8 : at + 4 + length]
        if kind == 0:
            cie = body
        elif 0 < len(cie) < 256:
            found.append(bytes((len(cie),)) + cie + body[17:])
        at += 4 + length
    return found


def _pclntab() -> bytes:
    """The table of a Go program of two functions, in the layout of Go 1.20."""
    head = _GO.size
    names = b"main.main\0runtime.goexit\0"
    files = b"/srv/a.go\0"
    values = b"\0\x02\x10\x04\x20\0"
    functions = struct.pack("<5I", 0, 40, 0x40, 100, 0x80) + bytes(20)
    record = struct.pack("<IiIIIIIIIBBBB", 0, 0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0) + bytes(16)
    offsets = (2, 1, 0x401000, head, head + len(names), head + len(names) + 4, head + len(names) + 4 + len(files))
    place = head + len(names) + 4 + len(files) + len(values)
    return (
        _GO.pack(0xFFFFFFF1, 1, 8, *offsets[:3], *offsets[3:7])
        + struct.pack("<Q", place)
        + names
        + bytes(4)
        + files
        + values
        + functions
        + record * 2
    )


def _btf() -> bytes:
    strings = b"\0task_struct\0pid\0tgid\0int\0"
    types = struct.pack("<4I", 22, 1 << 24, 4, 32) + struct.pack("<3I", 1, 4 << 24 | 2, 16)
    types += struct.pack("<3I", 13, 1, 0) + struct.pack("<3I", 17, 1, 32)
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


_MADE: dict[str, Callable[[], list[bytes]]] = {
    "zip": lambda: [_trace()],
    "salvage": lambda: [_trace()],
    "row-groups": _tables,
    "manifest": _manifests,
    "strace": _logs,
    "perf-script": _samples,
    "spool": lambda: [_spool()],
    "ring": lambda: [_records()],
    "perf-map": lambda: [_PERF_MAP],
    "elf": _programs,
    "dwarf": _programs,
    "eh-frame": _programs,
    "cfi": _cfi,
    "expression": lambda: [*_EXPRESSIONS],
    "pclntab": lambda: [_pclntab()],
    "btf": lambda: [_btf()],
}
