"""bpf/maps.py: many values are set at once, or one after the other where the kernel cannot do that."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bpfrec.bpf import bpf_calls
from bpfrec.bpf.maps import Map

VALUES = [b"\1\2\3\4", b"\5\6\7\0"]


def array() -> Map:
    found = Map.__new__(Map)
    found.definition, found.descriptor = cast("Any", SimpleNamespace(name="plans", value_size=4)), 7
    return found


@pytest.mark.parametrize("number", [0, errno.EINVAL, 524, errno.EPERM])
def test_an_array_is_filled(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    commands = []

    def bpf(command: int, _request: object) -> int:
        commands.append(command)
        if command == bpf_calls._MAP_UPDATE_BATCH and number:
            raise OSError(number, os.strerror(number))
        return 0

    monkeypatch.setattr(bpf_calls, "_bpf", bpf)
    if number == errno.EPERM:
        with pytest.raises(PermissionError):
            array().fill(VALUES)
    else:
        array().fill(VALUES)
    one_by_one = [bpf_calls._MAP_UPDATE] * 2 if number in (errno.EINVAL, 524) else []
    assert commands == [bpf_calls._MAP_UPDATE_BATCH, *one_by_one]


def test_the_kernel_gets_no_value_of_another_size() -> None:
    with pytest.raises(ValueError, match="4 bytes"):
        array().fill([b"\1\2\3\4", b"\5"])
