"""The command of ``record -- COMMAND``: forked first, held until recording has begun, then executed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import NoReturn

from bpfrec.formats.errors import BpfrecError
from bpfrec.record.session.sudo_user import User

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit statuses for a command that cannot be started, as a shell has them."""


class CommandError(BpfrecError):
    """A command that cannot be started; ``exit_code`` is the status that a shell would exit with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Child:
    """A child process that waits for :meth:`release` and then executes ``argv``, as ``user`` if one is given.

    ``ignored``: signals that the command has to ignore, as bpfrec did when it was started. ``is_released``: it was let
    go.

    Raises:
        CommandError: there is no such program.
    """

    def __init__(self, argv: Sequence[str], user: User | None, ignored: Collection[int] = ()) -> None:
        self.argv = list(argv)
        program = shutil.which(argv[0])
        if program is None:
            exists = os.sep in argv[0] and os.path.exists(argv[0])  # noqa: PTH110
            raise CommandError(
                f"{argv[0]}: {'not executable' if exists else 'command not found'}",
                NOT_EXECUTABLE if exists else NOT_FOUND,
            )
        # With SIGCHLD ignored, as bpfrec may have been started, the kernel keeps no exit status.
        ends_ignored = signal.signal(signal.SIGCHLD, signal.SIG_DFL) == signal.SIG_IGN
        self._ignored = {*ignored, signal.SIGCHLD} if ends_ignored else set(ignored)
        self._go, self._failed = os.pipe(), os.pipe()
        self._status: int | None = None
        self.is_released = False
        self.pid = os.fork()
        if self.pid == 0:
            self._become(program, user)
        os.close(self._go[0])
        os.close(self._failed[1])

    def release(self) -> None:
        """Lets the command start, and returns when it has.

        Raises:
            CommandError: it cannot be executed.
        """
        self.is_released = True
        with suppress(BrokenPipeError):
            # Somebody may have killed it meanwhile.
            os.write(self._go[1], b"g")
        os.close(self._go[1])
        code = os.read(self._failed[0], 16)
        os.close(self._failed[0])
        if code:
            self._reap(0)
            number = int(code)
            raise CommandError(
                f"{self.argv[0]}: {os.strerror(number)}", NOT_FOUND if number == errno.ENOENT else NOT_EXECUTABLE
            )

    def ended(self) -> bool:
        """Whether the command has ended."""
        return self._status is not None or self._reap(os.WNOHANG)

    def signal(self, number: int) -> None:
        """Sends the command a signal, unless it has ended."""
        if not self.ended():
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Asks the command to end."""
        self.signal(signal.SIGTERM)

    def is_in_group_of_recorder(self) -> bool:
        """Whether a signal to the process group of bpfrec reaches the command."""
        try:
            return os.getpgid(self.pid) == os.getpgrp()
        except ProcessLookupError:
            return True

    def wait(self, seconds: float) -> bool:
        """Waits at most ``seconds`` for the command to end. True: it has."""
        deadline = time.monotonic() + seconds
        while not self.ended() and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.ended()

    @property
    def exit_code(self) -> int:
        """Its exit status as a shell gives it: 128 + N if signal N killed it; 0 while it runs."""
        if self._status is None:
            return 0
        code = os.waitstatus_to_exitcode(self._status)
        return 128 - code if code < 0 else code

    @property
    def outcome(self) -> str:
        """How it ended, as the end of a sentence."""
        if self._status is None:
            return "is still running"
        code = os.waitstatus_to_exitcode(self._status)
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"

    def abandon(self) -> None:
        """Ends a command that was never released."""
        self.signal(signal.SIGKILL)
        self.wait(5)

    def _reap(self, flags: int) -> bool:
        pid, status = os.waitpid(self.pid, flags)
        if pid == self.pid:
            self._status = status
        return self._status is not None

    def _become(self, program: str, user: User | None) -> NoReturn:
        """In the child: waits, drops privileges, executes. Calls before execve are not recorded."""
        code = errno.EPERM
        try:
            os.close(self._go[1])
            os.close(self._failed[0])
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                # Python ignores these, and an ignored signal stays ignored through execve.
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
                stays = number in self._ignored or signal.getsignal(number) == signal.SIG_IGN
                signal.signal(number, signal.SIG_IGN if stays else signal.SIG_DFL)
            if os.read(self._go[0], 1):
                environment = dict(os.environ)
                if user is not None:
                    environment |= {"HOME": user.home, "USER": user.name, "LOGNAME": user.name}
                    os.initgroups(user.name, user.gid)
                    os.setgid(user.gid)
                    os.setuid(user.uid)
                os.execve(program, self.argv, environment)
        except OSError as error:
            code = error.errno or code
        finally:
            os.write(self._failed[1], str(code).encode())
            os._exit(NOT_FOUND)
