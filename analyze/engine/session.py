"""The DuckDB session of a trace: how much memory it takes, where it puts what does not fit, what ends its queries."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bpfrec.analyze.engine.remote_tables import serve_tables
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.remote.remote_reader import RemoteTraceReader
from bpfrec.formats.temporary import TemporaryFolder

if TYPE_CHECKING:
    import duckdb

MEMORY_VARIABLE = "BPFREC_MEMORY_LIMIT"

_ENDING = frozenset(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU") if hasattr(signal, name)
)
MOST_BYTES = 4 << 30
"""The most that DuckDB takes unless the variable says otherwise."""
FREE_SETTINGS = ("threads", "TimeZone", "default_order", "default_null_order", "preserve_insertion_order")
"""What a query may set in any session."""
_SIZE = re.compile(r"([\d.]+) (Ki|Mi|Gi|Ti)B")
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


class Scratch:
    """A private temporary folder, made when it is asked for."""

    def __init__(self) -> None:
        self._folder: TemporaryFolder | None = None

    def path(self) -> str:
        """The folder; '' where none can be made."""
        if self._folder is None:
            try:
                self._folder = TemporaryFolder()
            except OSError:
                return ""
        return self._folder.name

    def remove(self) -> None:
        """Removes it with what is in it."""
        if self._folder:
            self._folder.cleanup()
            self._folder = None


def connect(
    scratch: Scratch,
    readable: Iterable[str] = (),
    *,
    allow_files: bool = False,
    remote: RemoteTraceReader | None = None,
) -> duckdb.DuckDBPyConnection:
    """A session in memory that takes at most half of the memory it may have, and at most 4 GiB.

    ``BPFREC_MEMORY_LIMIT`` (``500MB``, ``8GB``) says otherwise. What needs more goes to ``scratch``, but not more than
    half of what is free there.

    The session opens no file but those of ``readable`` (as DuckDB is given their names) and those in ``scratch``, loads
    no extension, and keeps its configuration, except for :data:`FREE_SETTINGS`. ``allow_files``: the user trusts the
    queries, which may do all of this. ``remote``: a trace that is elsewhere, whose tables can be opened by address.

    Raises:
        BpfrecError: the variable is no size.
    """
    import duckdb  # noqa: PLC0415

    folder = scratch.path()
    # Others want to write, too, and what a stranger's trace claims to hold has no end.
    room = shutil.disk_usage(folder).free // 2 if folder else 0
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": folder,
            "max_temp_directory_size": f"{room}B",
        },
    )
    # DuckDB draws it on standard output, in the midst of the answer.
    connection.execute("SET enable_progress_bar = false")
    # Where DuckDB expects few rows it compares each with all others, and it is often wrong by a factor of a million.
    connection.execute("SET asof_loop_join_threshold = 0")
    wanted = os.environ.get(MEMORY_VARIABLE, "")
    try:
        connection.execute(f"SET memory_limit = '{_limit(connection, wanted)}'")
    except duckdb.Error:
        connection.close()
        raise BpfrecError(f"{MEMORY_VARIABLE} is {wanted!r}, which is no size", "Say it as 500MB or 8GB.") from None
    if remote is not None:
        serve_tables(connection, remote)
    if not allow_files:
        _lock(connection, readable)
    return connection


@contextmanager
def interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Lets Ctrl-C, and other signals that have a handler, end the query inside: it raises duckdb.InterruptException.

    DuckDB looks for signals in the thread that asks, and that one may sleep while others work.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        ours, theirs = socket.socketpair()
    except PermissionError:
        # A process that shows calls while they are recorded may have no sockets, and has these signals blocked.
        yield
        return
    theirs.setblocking(False)

    def watch() -> None:
        while received := ours.recv(1):
            if received[0] in _ENDING:
                connection.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        theirs.close()
        watcher.join()
        ours.close()


def _lock(connection: duckdb.DuckDBPyConnection, readable: Iterable[str]) -> None:
    connection.execute(f"SET allowed_paths = [{', '.join(map(literal, readable))}]")
    connection.execute(f"SET allowed_configs = [{', '.join(map(literal, FREE_SETTINGS))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _limit(connection: duckdb.DuckDBPyConnection, wanted: str) -> str:
    """``wanted``, or what DuckDB takes by itself (most of the machine's memory, or of the container's) brought down."""
    if wanted:
        return wanted.replace("'", "''")
    rows = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    size = _SIZE.fullmatch(rows[0][0])
    own = int(float(size[1]) * _UNITS[size[2]]) if size else MOST_BYTES
    return f"{min(own * 5 // 8, MOST_BYTES) >> 20}MiB"
