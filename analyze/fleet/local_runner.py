"""Asks many traces with processes of this machine.

A process that takes too long is killed, one that dies is replaced, and both are a status. A pool of the standard
library can do neither.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from bpfrec.analyze.engine.session import MEMORY_VARIABLE
from bpfrec.analyze.fleet.memory import MemoryBound, limit_of_each
from bpfrec.analyze.fleet.question import DIED, TIMED_OUT, Answer, Question, Status, ask
from bpfrec.formats.remote.uri import trace_place
from bpfrec.formats.temporary import TemporaryFolder, remove_abandoned

_END_S = 1.0
"""How long processes have for ending by themselves."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    trace: str = ""
    since: float = 0.0


@dataclass(frozen=True)
class _Said:
    """What a worker says: an ``answer``, None if it is ready for the first question; ``leaves``: it is its last."""

    answer: Answer | None = None
    leaves: bool = False


def run_local(
    traces: Sequence[str], question: Question, *, jobs: int, time_limit_s: float
) -> Generator[Answer, None, None]:
    """The answers of ``traces``, as :meth:`LocalPool.ask` gives them, of ``jobs`` processes that share the memory."""
    pool = LocalPool(min(jobs, len(traces)), limit_of_each(jobs))
    try:
        yield from pool.ask(traces, question, time_limit_s)
    finally:
        pool.close()


class LocalPool:
    """Processes that ask traces, at most ``jobs`` of them. ``memory``: what DuckDB may take in each, as ``500MB``."""

    def __init__(self, jobs: int, memory: str) -> None:
        self._jobs, self._memory = jobs, memory
        self._workers: list[_Worker] = []
        self._folder = TemporaryFolder()

    def ask(self, traces: Sequence[str], question: Question, time_limit_s: float) -> Generator[Answer, None, None]:
        """The answers of ``traces``, each as soon as it is there, so in no particular order.

        ``time_limit_s``: how long one may take. The rows of an answer are to be read before the next answer.
        """
        waiting = list(reversed(traces))
        try:
            while waiting or self._busy():
                while waiting and len(self._workers) < self._jobs:
                    self._workers.append(self._start())
                for worker in self._workers:
                    if waiting and not worker.trace:
                        _give(worker, waiting.pop(), question)
                busy = self._busy()
                left = min(worker.since for worker in busy) + time_limit_s - time.monotonic()
                wait([worker.pipe for worker in busy], max(left, 0))
                for worker in busy:
                    said = _said(worker, time_limit_s)
                    if said is None or said.answer is None:
                        continue
                    worker.trace = ""
                    if said.leaves:
                        self._end([worker])
                    yield said.answer
        finally:
            self._end(self._busy())

    def close(self) -> None:
        """Ends the processes."""
        self._end(list(self._workers))
        self._folder.cleanup()

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.trace]

    def _start(self) -> _Worker:
        # Forking would take the threads of Arrow and its connections along, half.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._memory, self._folder.name), daemon=True)
        with _held_back():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _end(self, workers: Sequence[_Worker]) -> None:
        for worker in workers:
            self._workers.remove(worker)
            worker.pipe.close()
            worker.process.terminate()
        until = time.monotonic() + _END_S
        for worker in workers:
            worker.process.join(max(until - time.monotonic(), 0))
        stubborn = [worker.process for worker in workers if worker.process.is_alive()]
        for process in stubborn:
            process.kill()
        for process in stubborn:
            process.join()
        if stubborn:
            # They had no time to remove their temporary folders.
            remove_abandoned()


@contextmanager
def _held_back() -> Iterator[None]:
    """Ctrl-C comes after the block, and not at all to processes that are started in it: who asked ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _give(worker: _Worker, trace: str, question: Question) -> None:
    worker.trace, worker.since = trace, time.monotonic()
    # If it has died, there is no answer, which is seen next.
    with suppress(OSError):
        worker.pipe.send((trace, question))


def _said(worker: _Worker, time_limit_s: float) -> _Said | None:
    """What a worker says, or what stands in its place; None if it is still at it."""
    seconds = time.monotonic() - worker.since
    shown = str(trace_place(worker.trace))
    if worker.pipe.poll():
        try:
            said: _Said = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(_END_S)
            message = f"its process ended with {worker.process.exitcode}; it may have needed too much memory"
            return _Said(Answer(Status(shown, DIED, message, seconds=seconds)), leaves=True)
        if said.answer is None:
            # Starting a process is no part of the question.
            worker.since = time.monotonic()
        return said
    if seconds >= time_limit_s:
        message = f"no answer within {time_limit_s:g} s"
        return _Said(Answer(Status(shown, TIMED_OUT, message, seconds=seconds)), leaves=True)
    return None


def _serve(pipe: Connection, memory: str, folder: str) -> None:
    # Ctrl-C is for the process that asked, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _quit)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ[MEMORY_VARIABLE] = memory
    bound = MemoryBound(memory)
    # DuckDB makes an interrupt of a signal that ends a query.
    with suppress(EOFError, OSError, KeyboardInterrupt):
        pipe.send(_Said())
        while True:
            trace, question = pipe.recv()
            answer = ask(trace, question, lambda: Path(folder))
            leaves = bound.is_half_used()
            pipe.send(_Said(answer, leaves))
            if leaves:
                return


def _end_with_parent() -> None:
    """Ends this process when the one that asked is gone, which may have been killed, also in the midst of a query."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_END_S)
        os._exit(1)


def _quit(*_: object) -> None:
    # It unwinds, so that temporary folders go away.
    raise SystemExit(143)
