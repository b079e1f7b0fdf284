"""demangled(): names of C++ and Rust as their sources have them, in SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

import bpfrec

NAMES = {
    "_ZN4deep7descendILi0EEEiRKSt8functionIFiiEE.isra.0": (
        "int deep::descend<0>(std::function<int (int)> const&) [clone .isra.0]"
    ),
    "_ZN4core3fmt5write17h0123456789abcdefE": "core::fmt::write",
    "_RNvCskwGfYPst2Cb_3foo16example_function": "foo::example_function",
    "_ZThn8_N4node4Task3RunEv": "non-virtual thunk to node::Task::Run()",
    "_ZTv0_n24_NSt9strstreamD1Ev": "virtual thunk to std::strstream::~strstream()",
    "_ZThn8_": "_ZThn8_",
    "main": "main",
    "_Z": "_Z",
    "JS:~handler /srv/app.js:12:7": "JS:~handler /srv/app.js:12:7",
}


@pytest.mark.parametrize("name", NAMES)
def test_names(lab1_trace: Path, name: str) -> None:
    with bpfrec.open(lab1_trace) as trace:
        assert trace.sql(f"SELECT Demangled('{name}'), demangled(NULL)").fetchall() == [(NAMES[name], None)]


def test_names_that_are_made_to_hurt(lab1_trace: Path) -> None:
    nested = "_Z1f" + "P" * 100_000 + "i"
    with bpfrec.open(lab1_trace) as trace:
        [(shown,)] = trace.sql(f"SELECT demangled('{nested}')").fetchall()
    assert shown
