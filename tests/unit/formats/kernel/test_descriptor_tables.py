"""descriptor_uses.tsv and descriptor_makers.tsv: every call that deals with descriptors is spoken for."""

from __future__ import annotations

import pytest

from bpfrec.formats.kernel.descriptors import keeps_to_itself, makers, role, uses
from bpfrec.formats.kernel.fact_tables import tsv_rows
from bpfrec.formats.kernel.syscalls import syscalls

MADE_IN_PAIRS = {"pipe", "pipe2", "socketpair"}
ROLES = {"fd", "fd?", "mapped", "dir", "text", "-"}


def described():
    return [call for call in syscalls().values() if call.arguments is not None]


@pytest.mark.parametrize("call", [c for c in described() if c.classes & {"desc", "network"}], ids=lambda c: c.name)
def test_a_call_of_straces_desc_and_network_names_or_makes_descriptors_or_is_excepted(call) -> None:
    made = {maker.syscall for maker in makers()} | MADE_IN_PAIRS
    assert uses(call.name) or call.name in made or keeps_to_itself(call)


def test_arguments_called_fd_are_descriptors_or_excepted_by_name() -> None:
    spoken_for = {(call, argument) for call, argument, _ in tsv_rows("descriptor_uses.tsv")}
    for call in described():
        for argument in call.arguments:
            if not argument.is_pointer and (argument.name.endswith("fd") or "fd_" in argument.name):
                named = {("*", argument.name), (call.name, argument.name)}
                assert named & spoken_for, f"{call.name} {argument.name}"


def test_rows_name_calls_and_arguments_there_are() -> None:
    for name, argument, what in tsv_rows("descriptor_uses.tsv"):
        assert what in ROLES
        calls = described() if name == "*" else [syscalls()[name]]
        assert argument == "-" or any(call.argument(argument) for call in calls), f"{name} {argument}"
    for maker in makers():
        assert maker.syscall in syscalls()


def test_paths_start_at_the_directory_before_them() -> None:
    shown = {
        name: [(u.role, u.fd, u.path) for u in uses(name)] for name in ("renameat", "execveat", "inotify_add_watch")
    }
    assert shown == {
        "renameat": [("path", 0, 1), ("path", 2, 3)],
        "execveat": [("path", 0, 1)],
        "inotify_add_watch": [("path", None, 1)],
    }
    assert [(u.role, u.fd) for u in uses("splice")] == [("fd", 0), ("fd", 2)]
    assert uses("pidfd_getfd")[0].fd == 0
    assert len(uses("pidfd_getfd")) == 1
    assert role(syscalls()["pipe"], "fildes") is None, "a pointer is no descriptor"


def test_the_bits_that_say_close_on_exec() -> None:
    known = {maker.syscall: (maker.argument, maker.mask, maker.open_how) for maker in makers()}
    assert known["openat"] == (2, 0o2000000, False)
    assert known["openat2"] == (None, 0, True)
    assert known["fanotify_init"] == (0, 1, False)
    assert known["pidfd_open"] == (None, -1, False)
    assert known["accept"] == (None, 0, False)
