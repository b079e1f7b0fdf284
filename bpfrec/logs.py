"""What ``-v`` and ``BPFREC_LOG`` show: log lines of bpfrec's modules, on standard error.

Modules log with the standard ``logging``, each by its own name. INFO says what was done and how long it took; DEBUG
adds details: views made, queries, ring levels, files opened. Without ``-v`` nothing is set up.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

import click

from bpfrec.analyze.render.escape import printable
from bpfrec.formats.errors import BpfrecError

VARIABLE = "BPFREC_LOG"
"""Names a level: debug, info, warning or error."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_PACKAGE = "bpfrec"


class _Lines(logging.Formatter):
    """Lines such as ``bpfrec: 0.412 s bpf.program: compiled``: seconds since the program was started, module, message.

    Messages can hold names from a trace or from a traced process, so what a terminal could obey is escaped.
    """

    def __init__(self) -> None:
        super().__init__()
        self._begin = time.time() - _age()

    def format(self, record: logging.LogRecord) -> str:
        module = record.name.removeprefix(f"{_PACKAGE}.")
        return printable(f"bpfrec: {record.created - self._begin:.3f} s {module}: {record.getMessage()}")


def _age() -> float:
    """Seconds since this process was started; 0 where the system does not say."""
    try:
        # proc_pid_stat(5): the 22nd field, in clock ticks since boot. The name, the second one, may hold anything.
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


def start_logging(level: int) -> None:
    """Writes what bpfrec's modules log at ``level`` or above to standard error, from now on."""
    logger = logging.getLogger(_PACKAGE)
    logger.setLevel(min(level, logger.level or level))
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Lines())
        logger.addHandler(handler)
        logger.propagate = False


def start_by_environment() -> None:
    """Starts logging if ``BPFREC_LOG`` names a level.

    Raises:
        BpfrecError: it names none.
    """
    wanted = os.environ.get(VARIABLE, "")
    if not wanted:
        return
    if wanted.lower() not in _LEVELS:
        raise BpfrecError(f"{VARIABLE} is {wanted!r}, which is no level", f"Levels are: {', '.join(_LEVELS)}")
    start_logging(_LEVELS[wanted.lower()])


def verbose_option() -> click.Option:
    """The option ``-v``: once for INFO, twice for DEBUG."""

    def start(_ctx: click.Context, _param: click.Parameter, count: int) -> None:
        if count:
            start_logging(logging.INFO if count == 1 else logging.DEBUG)

    return click.Option(
        ["-v", "--verbose"],
        count=True,
        is_eager=True,
        expose_value=False,
        callback=start,
        help=f"Show what bpfrec does and how long it takes, on standard error; -vv: more. [${VARIABLE}]",
    )
