"""The tables of docs/bpftrace.md are those of the code; BPFREC_UPDATE_DOCS=1 writes them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.bpftrace_scripts import checked, refusal

from bpfrec.analyze.bpftrace.check_calls import CallCheck
from bpfrec.analyze.bpftrace.features import tables
from bpfrec.analyze.bpftrace.functions import AGGREGATES, ARITY, REFUSED, UNSAFE
from bpfrec.analyze.bpftrace.generate_calls import CallSource

PAGE = Path(__file__).parents[4] / "docs" / "bpftrace.md"
BETWEEN = re.compile(r"(?<=<!-- tables: begin -->\n).*?(?=<!-- tables: end -->)", re.DOTALL)


def test_the_page_has_the_tables_of_the_code():
    text = PAGE.read_text()
    now = BETWEEN.sub(lambda _match: tables(), text)
    if os.environ.get("BPFREC_UPDATE_DOCS") == "1":
        PAGE.write_text(now)
        text = now
    assert BETWEEN.search(text)
    assert text == now


def test_every_function_is_checked_and_compiled():
    for name in set(ARITY) - AGGREGATES:
        assert hasattr(CallCheck, f"check_{name}"), name
        assert hasattr(CallSource, f"call_{name}"), name


@pytest.mark.parametrize("name", sorted({*REFUSED, *UNSAFE}))
def test_every_function_that_does_not_replay_is_refused_by_name(name: str):
    assert f"{name}()" in refusal(f"BEGIN {{ {name}(1); }}")


def test_scripts_of_the_page_are_accepted():
    for script in re.findall(r"```bpftrace\n(.*?)```", PAGE.read_text(), re.DOTALL):
        checked(script)
