"""formats/kernel/syscalls.tsv and errnos.tsv against the kernel's headers and the running kernel's own descriptions."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from bpfrec.formats.kernel.captures import ELEMENTS
from bpfrec.formats.kernel.errnos import errno_names, errno_numbers
from bpfrec.formats.kernel.syscalls import ABIS, CLASSES, by_number, syscalls
from bpfrec.record.decode.captures import KINDS

HEADERS = Path("/usr/include/x86_64-linux-gnu/asm")
FORMATS = Path("/sys/kernel/tracing/events/syscalls")


@pytest.mark.parametrize(("abi", "header"), [("x86_64", "unistd_64.h"), ("i386", "unistd_32.h")])
def test_numbers_are_those_of_the_headers(abi: str, header: str) -> None:
    path = HEADERS / header
    if not path.exists():
        pytest.skip(f"{path} is not here")
    expected = {name: int(n) for name, n in re.findall(r"^#define __NR_(\w+) (\d+)$", path.read_text(), re.MULTILINE)}
    known = {name: call.numbers.get(abi) for name, call in syscalls().items()}
    wrong = {name: (number, known.get(name)) for name, number in expected.items() if known.get(name) != number}
    assert not wrong, f"{header} has {wrong} (expected, ours)"


@pytest.mark.parametrize("abi", ABIS)
def test_a_number_means_one_call(abi: str) -> None:
    with_number = [call for call in syscalls().values() if abi in call.numbers]
    assert len(by_number(abi)) == len(with_number), f"two calls have the same number on {abi}"


def test_rows_hold_together() -> None:
    for call in syscalls().values():
        assert re.fullmatch(r"[a-z_0-9]+", call.name), f"{call.name!r} cannot name a view"
        assert call.numbers, f"{call.name} has no number anywhere"
        assert call.classes <= set(CLASSES), f"{call.name}: {call.classes - set(CLASSES)} are no classes of strace's"
        assert len(call.arguments or ()) <= 6, f"{call.name}: the kernel passes six arguments"
        for argument in call.arguments or ():
            assert re.fullmatch(r"\w+", argument.name), f"{call.name}: argument {argument} has no name"
            assert argument.ctype, f"{call.name}: argument {argument.name} has no type"
            assert call.argument(argument.name) == argument, f"{call.name} has two arguments called {argument.name}"


def test_arguments_of_32_bit_programs_differ_where_the_table_says_so() -> None:
    differing = {name: call for name, call in syscalls().items() if call.i386_arguments is not None}
    assert {"mmap", "select", "pread64", "pwrite64", "readahead", "fanotify_mark"} <= set(differing)
    for name, call in differing.items():
        assert "i386" in call.numbers, f"{name} is no call of 32-bit programs"
        assert call.i386_arguments != call.arguments, f"{name} is the same in both"
        assert call.arguments_for("x86_64") == call.arguments_for("x32") == call.arguments
        for argument in call.arguments_for("i386") or ():
            assert argument.is_pointer == argument.ctype.endswith("*")
    read = syscalls()["read"]
    assert read.arguments_for("i386") == read.arguments
    (path,) = (c for c in syscalls()["fanotify_mark"].captures_for("i386") if c.kind == "path")
    assert path.index == 5
    assert syscalls()["select"].captures_for("i386") == ()


def test_every_capture_names_a_pointer() -> None:
    captured = [(call, capture) for call in syscalls().values() for capture in call.captures]
    assert len(captured) > 50, "captures got lost in reading the table"
    for call, capture in captured:
        argument = (call.arguments or ())[capture.index]
        assert argument.is_pointer or capture.when is not None, f"{call.name}: {argument.name} is no pointer"
        assert capture.kind in (*KINDS, "buffers"), f"{call.name}: nobody reads a {capture.kind}"
        assert capture.length is not None or capture.kind != "sockaddr", f"{call.name}: how long is it?"
        if capture.kind in ("path", "strings", "environment"):
            assert "char" in argument.ctype, f"{call.name}: {argument} is no {capture.kind}"
        elif capture.kind in (*ELEMENTS, "timespec", "sockaddr", "msghdr", "buffers"):
            assert "char" not in argument.ctype, f"{call.name}: {argument} is no {capture.kind}"
        if capture.kind == "data" and not capture.at_exit:
            assert capture.length == 2, f"{call.name}: record/decode/contents.py takes the size of data from argument 2"


def test_every_call_of_class_file_with_a_name_argument_has_its_path() -> None:
    named = re.compile(r"(file|path|old|new|dir|dev|special)?_?(name|pathname|filename)|path")
    for call in syscalls().values():
        if "file" not in call.classes:
            continue
        names = [a for a in call.arguments or () if a.ctype == "const char *" and named.fullmatch(a.name)]
        assert not names or call.paths, f"{call.name} takes {names} and no path is recorded"


def test_arguments_are_those_of_the_running_kernel() -> None:
    try:
        folders = sorted(FORMATS.glob("sys_enter_*"))
    except OSError:
        folders = []
    if not folders:
        pytest.skip("tracefs is not readable here")
    # tracefs names some calls by their entry point.
    renamed = {
        "newstat": "stat",
        "newlstat": "lstat",
        "newfstat": "fstat",
        "sendfile64": "sendfile",
        "newuname": "uname",
        "umount": "umount2",
    }
    wrong = []
    compared = 0
    for folder in folders:
        name = folder.name.removeprefix("sys_enter_")
        call = syscalls().get(renamed.get(name, name))
        if call is None or call.arguments is None:
            continue
        compared += 1
        fields = re.findall(r"field:(.+?)(\w+);\toffset:(\d+)", (folder / "format").read_text())
        # Argument words lie from offset 16 on; newer kernels append copies of user memory, 4 bytes at a time.
        args = [
            (ctype.strip(), arg)
            for ctype, arg, offset in fields
            if int(offset) >= 16 and not ctype.startswith("__data_loc")
        ]
        ours = [(a.ctype, a.name) for a in call.arguments]
        if args != ours:
            wrong.append(f"{call.name}: kernel {args}, ours {ours}")
    assert compared > 250, f"only {compared} calls could be compared"
    assert not wrong, "\n".join(wrong)


def test_error_numbers_are_linuxs() -> None:
    for number, name in errno.errorcode.items():
        assert errno_numbers().get(name) == number, f"{name} is {number} on Linux"
    assert errno_names()[512] == "ERESTARTSYS", "calls that a signal interrupted show kernel-internal numbers"
    assert len(set(errno_names().values())) == len(errno_names()), "a name stands for two numbers"
