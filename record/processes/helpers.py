"""Helper processes, which do for the recorder what may hang: touching files and memory of the recorded processes.

A thread that waits for a file system that does not answer cannot always be killed, and its process with it. So a helper
waits, and the recorder goes on: it asks for the answer again later.
"""

from __future__ import annotations

import logging
import os
import pickle
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bpfrec.bpf import child_process

_log = logging.getLogger(__name__)

WAIT = 0.25
"""How many seconds the recorder waits for an answer before it goes on. A local disk needs less."""

PATIENCE = 2.0
"""How many seconds without any answer are enough at the end of a recording."""

MOST_HELPERS = 16
_MOST_WAITING = 10_000
_BLOCKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_LARGEST_MESSAGE = 1 << 16

Work = Callable[..., tuple[Any, int | None]]
"""What a helper does: a function of a module. It gives a value, and a descriptor to pass on or None."""


@dataclass(eq=False)
class Reply:
    """What became of a question. ``value``: the function's, None where it failed; ``descriptor``: for the caller to
    close; ``is_there``: whether the helper has answered.
    """

    keys: tuple[Hashable, ...]
    message: bytes
    is_there: bool = False
    value: Any = None
    descriptor: int | None = None


@dataclass(eq=False)
class _Helper:
    pid: int
    end: socket.socket
    reply: Reply | None = None


@dataclass
class Helpers:
    """Asks helpers, which are started when they are needed.

    Each question has keys, such as a process and a device. While one with a key is not answered, others with that key
    wait: what hangs takes one helper, not all.
    """

    wait: float = WAIT
    most: int = MOST_HELPERS
    _helpers: list[_Helper] = field(default_factory=list)
    _waiting: deque[Reply] = field(default_factory=deque)

    def ask(self, keys: Sequence[Hashable], work: Work, *arguments: Any) -> Reply:
        """Has ``work`` done with ``arguments``, and waits for a moment. The reply may come by a later :meth:`poll`."""
        reply = Reply(tuple(keys), pickle.dumps((work, arguments)))
        self.poll()
        if not self._started(reply):
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(reply)
            return reply
        deadline = time.monotonic() + self.wait
        while not reply.is_there and (left := deadline - time.monotonic()) > 0:
            self._receive(left)
        return reply

    def prepare(self) -> None:
        """Starts a helper that has nothing to do yet, so that the first answer comes soon."""
        if not self._helpers and self.most:
            self._helpers.append(_start())

    def busy(self, keys: Sequence[Hashable]) -> bool:
        """Whether a question with one of ``keys`` is not answered."""
        self.poll()
        waiting = (*(helper.reply for helper in self._helpers if helper.reply), *self._waiting)
        return any(set(keys).intersection(reply.keys) for reply in waiting)

    def poll(self) -> None:
        """Takes in the answers that there are."""
        while self._receive(0):
            pass

    def settle(self, patience: float = PATIENCE) -> None:
        """Waits for all answers, as long as there is one every ``patience`` seconds."""
        while any(helper.reply for helper in self._helpers) and self._receive(patience):
            pass

    def close(self) -> None:
        """Ends the helpers; those that hang are left to the kernel."""
        for helper in self._helpers:
            helper.end.close()
            if helper.reply is not None:
                with suppress(ProcessLookupError):
                    os.kill(helper.pid, signal.SIGKILL)
                child_process.reap(helper.pid, os.WNOHANG)
            else:
                child_process.reap(helper.pid)
        self._helpers.clear()
        self._waiting.clear()

    def renew(self) -> None:
        """Ends helpers that have nothing to do; the next question starts others.

        The BPF program knows helpers by their birth: those that are older than it would be recorded.
        """
        for helper in [one for one in self._helpers if one.reply is None]:
            helper.end.close()
            child_process.reap(helper.pid)
            self._helpers.remove(helper)

    def leave(self) -> None:
        """Has nothing to do with the helpers any more, which go on: for a process that was forked, and may less."""
        for helper in self._helpers:
            helper.end.close()
        self._helpers.clear()
        self._waiting.clear()
        self.most = 0

    def _started(self, reply: Reply) -> bool:
        """Gives a question to a helper, if one is free and no question with the same keys is open."""
        open_keys = {key for helper in self._helpers if helper.reply for key in helper.reply.keys}
        if open_keys.intersection(reply.keys):
            return False
        helper = next((one for one in self._helpers if one.reply is None), None)
        if helper is None:
            if len(self._helpers) >= self.most:
                return False
            helper = _start()
            self._helpers.append(helper)
        helper.reply = reply
        with suppress(OSError):
            # If the helper has gone, its end of the socket is at its end too, which is an answer.
            helper.end.send(reply.message)
        return True

    def _receive(self, timeout: float) -> bool:
        """Takes in one round of answers; whether there were any."""
        busy = {helper.end.fileno(): helper for helper in self._helpers if helper.reply}
        poll = select.poll()
        for number in busy:
            poll.register(number, select.POLLIN)
        ready = poll.poll(timeout * 1000) if busy else []
        for number, _ in ready:
            self._take(busy[number])
        for _ in range(len(self._waiting)) if ready else ():
            reply = self._waiting.popleft()
            if not self._started(reply):
                self._waiting.append(reply)
        return bool(ready)

    def _take(self, helper: _Helper) -> None:
        reply, message, descriptors = helper.reply, b"", list[int]()
        with suppress(OSError):
            message, descriptors, *_ = socket.recv_fds(helper.end, _LARGEST_MESSAGE, 1)
        helper.reply = None
        if not message:
            _log.info("a helper has ended")
            self._helpers.remove(helper)
            helper.end.close()
            child_process.reap(helper.pid, os.WNOHANG)
        if reply is not None:
            reply.is_there = True
            reply.value = pickle.loads(message) if message else None  # noqa: S301 - of our own process
            reply.descriptor = descriptors[0] if descriptors else None


def _start() -> _Helper:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # A terminal sends its signals to the whole group; the recorder says when to end.
    pid = child_process.start(lambda: _serve(theirs), _BLOCKED)
    theirs.close()
    _log.debug("helper %d was started", pid)
    return _Helper(pid, ours)


def _serve(end: socket.socket) -> None:
    """The helper: answers questions until the recorder closes its end."""
    logging.disable()
    # Who waits for the end of our output must not wait for this process, which also must keep nothing open.
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    kept = os.dup2(end.fileno(), 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    place = socket.socket(fileno=kept)
    while message := place.recv(_LARGEST_MESSAGE):
        work, arguments = pickle.loads(message)  # noqa: S301 - of our own process
        value, descriptor = None, None
        with suppress(Exception):
            value, descriptor = work(*arguments)
        socket.send_fds(place, [pickle.dumps(value)], [descriptor] if descriptor is not None else [])
        if descriptor is not None:
            os.close(descriptor)
