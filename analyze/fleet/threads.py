"""Many small tasks that wait for stores and disks, in threads that do not keep the program from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue
from typing import TypeVar

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


def in_threads(
    function: Callable[[_Item], _Made], items: Iterable[_Item], threads: int
) -> Generator[_Made, None, None]:
    """What ``function`` makes of each of ``items``, as soon as it is there; what it raises is raised here.

    When this generator is closed, tasks that have not begun are dropped, and those that have go on in the background.
    A pool of the standard library would wait for them, also when the program ends, and a server may be silent for a
    minute.
    """
    waiting = list(reversed(list(items)))
    done: SimpleQueue[tuple[_Made | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while waiting:
            try:
                item = waiting.pop()
            except IndexError:
                return
            try:
                done.put((function(item), None))
            except BaseException as error:
                done.put((None, error))

    left = len(waiting)
    for _ in range(min(threads, left)):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in range(left):
            made, error = done.get()
            if error is not None:
                raise error
            yield made  # type: ignore[misc]
    finally:
        waiting.clear()
