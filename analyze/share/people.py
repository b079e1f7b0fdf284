"""The names of users that a trace tells: the folders of their homes, and what programs are told about their user."""

from __future__ import annotations

from bpfrec.analyze.facade import Trace

_MOST = 10_000
_HOME = r"/(?:home|Users)/([^/\s:\x27\x22]+)"
_VARIABLE = r"(?:^|[\s\x27])(?:USER|LOGNAME|USERNAME|SUDO_USER)=([^\s\x27\x22]+)"
_COLUMNS = (
    *(("syscalls", "path"), ("syscalls", "path2"), ("processes", "cwd"), ("processes", "exe")),
    *(("processes", "cmdline"), ("descriptors", "target"), ("exec_args", "value"), ("strings", "value")),
    *(("mappings", "path"), ("frames", "file")),
)


def users(trace: Trace) -> list[str]:
    """The names, each once, at most some thousands.

    Raises:
        BpfrecError: a table is damaged.
    """
    found: set[str] = set()
    for pattern in (_HOME, _VARIABLE):
        parts = " UNION ALL ".join(
            f"SELECT unnest(regexp_extract_all({column}, '{pattern}', 1)) AS name FROM {table}"  # noqa: S608 - names of the format
            for table, column in _COLUMNS
        )
        rows = trace.sql(f"SELECT DISTINCT name FROM ({parts}) WHERE length(name) > 1 LIMIT {_MOST}").fetchall()  # noqa: S608
        found.update(name for (name,) in rows)
    return sorted(found)
