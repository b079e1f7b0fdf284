"""Asks many traces with processes of this machine.

A process that takes too long is killed, one that dies is replaced, and both are a status. A pool of the standard
library can do neither.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from bpfrec.analyze.engine.session import MEMORY_VARIABLE, MOST_BYTES
from bpfrec.analyze.fleet.question import DIED, TIMED_OUT, Answer, Question, Status, ask
from bpfrec.formats.remote.uri import trace_place

_LEAST_BYTES = 256 << 20
_END_S = 2.0


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    trace: str = ""
    since: float = 0.0


def run_local(traces: Sequence[str], question: Question, *, jobs: int, time_limit_s: float) -> Iterator[Answer]:
    """The answers of ``traces``, each as soon as it is there, so in no particular order.

    ``jobs``: how many are asked at a time. ``time_limit_s``: how long one may take. Memory is shared among them.
    """
    waiting = list(reversed(traces))
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.trace for worker in workers):
            while waiting and len(workers) < min(jobs, len(traces)):
                workers.append(_start(question, jobs))
            for worker in workers:
                if waiting and not worker.trace:
                    _give(worker, waiting.pop())
            busy = [worker for worker in workers if worker.trace]
            left = min(worker.since for worker in busy) + time_limit_s - time.monotonic()
            wait([worker.pipe for worker in busy], max(left, 0))
            for worker in busy:
                answer = _taken(worker, time_limit_s)
                if answer is not None:
                    worker.trace = ""
                    if answer.status.status in (DIED, TIMED_OUT):
                        workers.remove(worker)
                        _end(worker)
                    yield answer
    finally:
        for worker in workers:
            _end(worker)


def _start(question: Question, jobs: int) -> _Worker:
    # Forking would take the threads of Arrow and its connections along, half.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, question, _memory(jobs)), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, trace: str) -> None:
    worker.trace, worker.since = trace, time.monotonic()
    # If it has died, there is no answer, which is seen next.
    with suppress(OSError):
        worker.pipe.send(trace)


def _taken(worker: _Worker, time_limit_s: float) -> Answer | None:
    """The answer of a worker, or what stands in its place; None if it is still at it."""
    seconds = time.monotonic() - worker.since
    shown = str(trace_place(worker.trace))
    if worker.pipe.poll():
        try:
            answer: Answer = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(_END_S)
            message = f"its process ended with {worker.process.exitcode}; it may have needed too much memory"
            return Answer(Status(shown, DIED, message, seconds=seconds))
        return answer
    if seconds >= time_limit_s:
        return Answer(Status(shown, TIMED_OUT, f"no answer within {time_limit_s:g} s", seconds=seconds))
    return None


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.terminate()
    worker.process.join(_END_S)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()


def _memory(jobs: int) -> str:
    """What each process may take, if the user has not said it."""
    own = os.environ.get(MEMORY_VARIABLE)
    if own:
        return own
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else MOST_BYTES
    return f"{min(max(whole // 2 // jobs, _LEAST_BYTES), MOST_BYTES) >> 20}MiB"


def _serve(pipe: Connection, question: Question, memory: str) -> None:
    # Ctrl-C is for the process that asked, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _quit)
    os.environ[MEMORY_VARIABLE] = memory
    with suppress(EOFError, OSError):
        while True:
            pipe.send(ask(pipe.recv(), question))


def _quit(*_: object) -> None:
    # It unwinds, so that temporary folders go away.
    raise SystemExit(143)
