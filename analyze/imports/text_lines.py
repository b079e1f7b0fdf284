"""The lines of a log, which may be anybody's: none of them is read whole where it is absurdly long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

LONGEST = 1 << 24
"""Characters. strace writes up to four for each byte, and shows no more of a string than was asked for with -s."""

_SHOWN = 100


def text_lines(path: Path) -> Iterator[str]:
    """The lines of the file at ``path`` without their newlines; bytes that are not UTF-8 as surrogates.

    In place of a line of more than :data:`LONGEST` characters comes a remark in brackets, which is no line of any tool.
    Only a newline ends a line: strings of programs may hold what else Python takes for one.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        while text := file.readline(LONGEST):
            if len(text) == LONGEST and text[-1] != "\n":
                while (rest := file.readline(LONGEST)) and rest[-1] != "\n":
                    pass
                text = f"[a line of more than {LONGEST:,} characters, which begins with: {text[:_SHOWN]}]"
            yield text.rstrip("\r\n")
