from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from judge.arguments import COMPARED
from judge.findings import EXPLAINED
from judge.gaps import GAPS, documented, gap_of

from bpfrec.formats.kernel.syscalls import syscalls

PAGE = Path(__file__).parents[3] / "docs" / "beside-strace.md"
PARTS = {
    ("<!-- gaps: from tests/judge/gaps.py -->\n\n", "\n<!-- end of gaps -->"): documented(),
    ("<!-- explained: from tests/judge/findings.py -->\n\n", "\n<!-- end of explained -->"): "".join(
        f"- **{kind}**: {reason}.\n" for kind, reason in EXPLAINED.items()
    ),
}
DECLARED = {f"{call.name}.{argument.name}" for call in syscalls().values() for argument in call.arguments or ()}
UNDECLARED = ("rt_sigreturn.*", "*.=")
"""A call without arguments that strace finds some for, and what stands behind results."""


def test_the_page_lists_what_is_explained_and_what_is_not_recorded() -> None:
    now = PAGE.read_text()
    for (begin, end), part in PARTS.items():
        assert begin in now
        assert end in now
        before, _, rest = now.partition(begin)
        _, _, after = rest.partition(end)
        now = before + begin + part + end + after
    if os.environ.get("BPFREC_UPDATE_DOCS") == "1":
        PAGE.write_text(now)
    assert PAGE.read_text() == now, f"out of date; run: BPFREC_UPDATE_DOCS=1 pytest {Path(__file__).name}"


@pytest.mark.parametrize("pattern", [pattern for gap in GAPS for pattern in gap.arguments if pattern not in UNDECLARED])
def test_a_pattern_is_of_an_argument_there_is(pattern: str) -> None:
    assert any(fnmatchcase(argument, pattern) for argument in DECLARED)


def test_what_is_compared_is_no_gap() -> None:
    for call, argument in COMPARED:
        assert argument == "=" or gap_of(f"{call}.{argument}") is None
    for call in syscalls().values():
        for capture in call.captures:
            if capture.kind == "path" and call.arguments:
                assert gap_of(f"{call.name}.{call.arguments[capture.index].name}") is None
