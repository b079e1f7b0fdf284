"""The name of a function made to fit: what stands in its brackets is the first to go."""

from __future__ import annotations

_CLOSING = {"(": ")", "<": ">"}
_LEAST = 3


def fitted(frame: str, room: int) -> str:
    """``frame``, a function and its module; if it is wider than ``room``, with ``...`` for what is in its brackets.

    The longest arguments and template arguments go first, and no more than is needed. What is too wide without them
    stays so.
    """
    while len(frame) > room:
        begin, end = _longest(frame)
        if end - begin <= _LEAST:
            return frame
        frame = f"{frame[:begin]}...{frame[end:]}"
    return frame


def _longest(frame: str) -> tuple[int, int]:
    """Where the contents of the longest pair of brackets begin and end; equal where there is none."""
    best, open_ = (0, 0), []
    for place, char in enumerate(frame):
        if char in _CLOSING:
            open_.append((char, place + 1))
        elif open_ and char == _CLOSING[open_[-1][0]] and not frame[:place].endswith(("-", "operator")):
            _, begin = open_.pop()
            # The outermost pair can be all of the name, as in "(anonymous namespace)::run(int)".
            if place - begin > best[1] - best[0] and frame[begin:place] not in ("anonymous namespace", "..."):
                best = (begin, place)
    return best
