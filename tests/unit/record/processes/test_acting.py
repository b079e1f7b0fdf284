"""record/processes/acting.py: another user's rights hold for a while, and then the own ones again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.users import NOBODY

from bpfrec.record.processes.acting import acting_as

IS_ROOT = os.geteuid() == 0


def ids() -> tuple[int, int, list[int]]:
    return os.geteuid(), os.getegid(), os.getgroups()


@pytest.mark.skipif(not IS_ROOT, reason="only root can act as another user")
def test_only_what_the_user_may_is_done_meanwhile(tmp_path: Path) -> None:
    before = ids()
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    with acting_as(NOBODY, NOBODY, [NOBODY]):
        assert ids() == (NOBODY, NOBODY, [NOBODY])
        with pytest.raises(PermissionError):
            secret.read_bytes()
    assert ids() == before


@pytest.mark.skipif(not IS_ROOT, reason="only root can act as another user")
def test_who_may_not_stays_who_they_are() -> None:
    with acting_as(NOBODY, NOBODY, []):
        before = ids()
        with pytest.raises(PermissionError), acting_as(0, 0, [0]):
            pytest.fail("nobody became root")
        assert ids() == before
