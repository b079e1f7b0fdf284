"""Users that tests act as."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def as_nobody(action: Callable[[], object]) -> bool:
    """Whether ``action`` is permitted to a user without any rights."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            action()
        except PermissionError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1), "the action failed for another reason"
    return code == 0
