"""Programs of every day under strace and bpfrec: what the judge of tests/judge cannot explain is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from judge.judging import judge
from judge.programs import PROGRAMS


@pytest.mark.spread
@pytest.mark.parametrize("name", PROGRAMS)
def test_strace_says_the_same(tmp_path: Path, name: str) -> None:
    findings = judge(PROGRAMS[name], tmp_path)
    assert not findings.unexplained, "\n".join(findings.lines())
    assert findings.calls > 100
    assert findings.agreed["results"] > 100
    assert findings.agreed["raw arguments"] > 100
    assert findings.agreed["paths"] > 0
