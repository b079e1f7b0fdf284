"""The table of what system calls do."""

from __future__ import annotations

import pytest

from bpfrec.formats.kernel.descriptors import makers
from bpfrec.formats.kernel.roles import all_roles, calls_that
from bpfrec.formats.kernel.syscalls import syscalls


@pytest.mark.parametrize("role", all_roles())
def test_every_role_is_of_system_calls_each_named_once(role):
    calls = calls_that(role)
    assert calls
    assert len(set(calls)) == len(calls)
    assert set(calls) <= set(syscalls())


def test_several_roles_are_in_the_order_of_the_table_without_repetition():
    assert calls_that("connects", "addresses") == ("connect", "accept", "accept4", "socket", "bind")


def test_a_role_that_is_not_there_is_an_error():
    with pytest.raises(KeyError):
        calls_that("juggles")


def test_calls_that_give_a_descriptor_are_in_one_table_alone():
    assert not {maker.syscall for maker in makers()} & set(calls_that("makes_descriptors"))


def test_who_moves_bytes_names_descriptors():
    moving = calls_that("reads", "writes", "copies", "copies_back", "sends", "receives")
    assert all("desc" in syscalls()[call].classes or "network" in syscalls()[call].classes for call in moving)
