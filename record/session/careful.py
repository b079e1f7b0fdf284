"""Keeping what one process, name or file makes fail from ending a recording of all others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec

from bpfrec.formats.errors import BpfrecError

_log = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")


class Careful:
    """Runs what reads about processes while they run, and counts its ``failures`` instead of passing them on.

    What has a message for the user (:class:`BpfrecError`) is passed on.
    """

    def __init__(self) -> None:
        self.failures = 0

    @contextmanager
    def about(self, what: str) -> Iterator[None]:
        """For a block of code about ``what``, a phrase for the log."""
        try:
            yield
        except BpfrecError:
            raise
        except Exception:
            self.failures += 1
            _log.info("%s failed", what, exc_info=True)

    def wrapped(self, what: str, function: Callable[Parameters, None]) -> Callable[Parameters, None]:
        """``function``, run in that way."""

        def run(*arguments: Parameters.args, **named: Parameters.kwargs) -> None:
            with self.about(what):
                function(*arguments, **named)

        return run
