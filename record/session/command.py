"""The recorded command and the signals that are meant for it."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Sequence

from bpfrec.record.session.child import Child
from bpfrec.record.session.signals import GROUP_SECONDS, StopSignals, Witness
from bpfrec.record.session.sudo_user import User

_log = logging.getLogger(__name__)

_TICK = 0.05


class Command:
    """The command ``argv`` as a child process that waits to be released, and gets each signal once.

    It decides itself what a signal means to it: a recording goes on until it ends, as one by strace does. ``signals``
    is entered already.

    Raises:
        CommandError: there is no such program.
    """

    def __init__(self, argv: Sequence[str], user: User | None, signals: StopSignals) -> None:
        self._signals = signals
        self._passed_on = 0
        self._witness = Witness()
        try:
            self.child = Child(argv, user, signals.ignored)
        except BaseException:
            self._witness.close()
            raise

    def pass_on(self) -> None:
        """Passes on signals that bpfrec got and the command did not; to be called several times a second."""
        while self._passed_on < len(self._signals.received):
            number, when = self._signals.received[self._passed_on]
            if time.monotonic() - when < GROUP_SECONDS:
                return
            self._passed_on += 1
            has_it = self.child.is_in_group_of_recorder() and self._witness.saw(number, when)
            _log.info("%s: the command %s", signal.Signals(number).name, "has it already" if has_it else "gets it")
            if not has_it:
                self.child.signal(number)

    def wait(self) -> None:
        """Waits until the command has ended, and passes signals on meanwhile."""
        while not self.child.ended():
            self.pass_on()
            time.sleep(_TICK)

    def close(self) -> None:
        """Ends a command that was never released, and the watching of signals."""
        if not self.child.is_released:
            self.child.abandon()
        self._witness.close()
