"""record/options/syscalls.py: -e means what it means to strace."""

from __future__ import annotations

import pytest

from bpfrec.bpf.selection import StackChoice
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.options.syscalls import parse_calls, parse_stack_on

EVERY = frozenset(syscalls())


@pytest.mark.parametrize(
    ("specs", "names", "unknown"),
    [
        ([], None, True),
        (["openat, read"], {"openat", "read"}, False),
        (["trace=openat"], {"openat"}, False),
        (["openat", "read"], {"openat", "read"}, False),
        (["!futex"], EVERY - {"futex"}, True),
        (["!futex", "!poll"], EVERY - {"futex", "poll"}, True),
        (["openat,read", "!read"], {"openat"}, False),
        (["all"], EVERY, True),
        (["!all"], set(), False),
        (["all", "!read"], EVERY - {"read"}, True),
    ],
)
def test_specs(specs: list[str], names: set[str] | None, unknown: bool) -> None:
    assert parse_calls(specs) == (names, unknown)


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("%file", {"stat64", "chown32", "umount", "utimensat_time64"}),
        ("%desc", {"_llseek", "fcntl64", "mmap2", "_newselect"}),
        ("%network", {"socketcall", "recvmmsg_time64"}),
        ("%process", {"waitpid"}),
        ("%signal", {"sigaction", "sigreturn"}),
        ("%ipc", {"ipc", "semtimedop_time64"}),
    ],
)
def test_classes_have_the_calls_of_32_bit_programs_too(spec: str, names: set[str]) -> None:
    chosen, _ = parse_calls([spec])
    assert chosen is not None
    assert names <= chosen


def test_classes() -> None:
    names, unknown = parse_calls(["%file"])
    assert names is not None
    assert {"openat", "execve", "rename"} <= names
    assert "read" not in names
    assert not unknown


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("opneat", ["'opneat'", "openat"]),
        ("%files", ["'%files'", "%file"]),
        ("", ["''"]),
        ("openat,,read", ["''"]),
        ("xyzzy-nothing", ["man 2 syscalls"]),
    ],
)
def test_what_is_no_call_is_refused_with_help(spec: str, words: list[str]) -> None:
    with pytest.raises(BpfrecError) as refused:
        parse_calls([spec])
    for word in words:
        assert word in str(refused.value), f"the message for -e '{spec}' does not help: {refused.value}"


def test_which_calls_have_stacks() -> None:
    assert parse_stack_on("failed,paths") == StackChoice()
    assert parse_stack_on("all").every
    assert not parse_stack_on("none")
    chosen = parse_stack_on("failed, read,%network")
    assert (chosen.failed, chosen.paths) == (True, False)
    assert {"read", "connect"} <= chosen.calls
    for wrong in ("none,failed", "opneat", "", "%files", "!read"):
        with pytest.raises(BpfrecError, match="--stack-on"):
            parse_stack_on(wrong)


def test_classes_have_the_calls_by_which_32_bit_programs_make_all_others() -> None:
    network, _ = parse_calls(["%network"])
    ipc, _ = parse_calls(["%ipc"])
    assert network is not None
    assert ipc is not None
    assert ("socketcall" in network, "ipc" in ipc) == (True, True)
