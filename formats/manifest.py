"""``manifest.json``: how, when and where a trace was made, and what is in it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.schema import FORMAT_VERSION

MANIFEST = "manifest.json"

_INT64_END = 1 << 63
_TABLE_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""It becomes the name of a file."""
_MOST_COUNTERS = 10_000
"""A recording has less than a hundred. SQL takes kilobytes for each."""

_T = TypeVar("_T")


@dataclass
class Host:
    """The recording host, from uname(2); sizes in bytes; ``cpus``: how many there are."""

    name: str
    kernel: str
    arch: str
    page_size: int
    cpus: int
    memory_bytes: int


@dataclass
class Clock:
    """CLOCK_MONOTONIC and the wall clock, read together at the start.

    A time ``t`` in ns on CLOCK_MONOTONIC is ``t + wall_ns - monotonic_ns`` ns since the epoch (UTC);
    ``utc_offset_s``: local time of the host minus UTC, in seconds.
    """

    monotonic_ns: int
    wall_ns: int
    utc_offset_s: int


@dataclass
class TableEntry:
    """One Parquet file: number of rows, size in bytes, SHA-256 in hex.

    ``offset``: where it begins in the zip, in bytes; None in a trace of an older version.
    """

    rows: int
    bytes: int
    sha256: str
    offset: int | None = None


@dataclass
class Manifest:
    """The manifest of one trace.

    ``configuration`` holds the options of the recording; ``counters`` holds what was counted
    (``recorded``, ``lost`` and the raw counts behind them); ``syscalls`` the number of rows per syscall name;
    ``failures`` the number of failed calls per error, None in a trace of an older version or with calls cut off;
    ``stopped`` why the recording ended; ``command`` how a command started by it ended, where there was one;
    ``finished`` is false where the recorder itself was killed: then nothing is known after ``stop_ns``;
    ``recording_start_ns`` when the recorder began, where the trace has only the last part of what it recorded, from
    ``start_ns`` on; ``sharing`` what ``bpfrec share`` replaced and left out, if the trace was made by it.
    """

    tool_version: str
    command_line: list[str]
    configuration: dict[str, Any]
    host: Host
    clock: Clock
    start_ns: int
    stop_ns: int
    stopped: str
    counters: dict[str, int]
    syscalls: dict[str, int]
    failures: dict[str, int] | None = None
    command: dict[str, Any] | None = None
    finished: bool = True
    recording_start_ns: int | None = None
    tables: dict[str, TableEntry] = field(default_factory=dict)
    sharing: dict[str, Any] | None = None
    format: str = "bpfrec"
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Returns the text of ``manifest.json``, with a line for each key and for each table."""
        fields = asdict(self)
        tables = {name: json.dumps(entry) for name, entry in fields["tables"].items()}
        return _object({key: json.dumps(value) for key, value in fields.items()} | {"tables": _object(tables)}) + "\n"


def _object(texts: dict[str, str]) -> str:
    """The JSON object whose values are ``texts``, a line for each."""
    lines = ",\n".join(f"{json.dumps(name)}: {text}" for name, text in texts.items())
    return f"{{\n{lines}\n}}"


def parse_manifest(text: str | bytes, where: str) -> Manifest:
    """Parses a manifest. Unknown keys are ignored, so that newer versions can add some; errors name the file ``where``.

    Raises:
        TraceFileError: it is no bpfrec manifest, one of a newer format, or a damaged one.
    """
    try:
        raw = json.loads(text)
        # JSON may hold half a surrogate pair, which cannot be printed or stored as text.
        json.dumps(raw, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise TraceFileError(
            f"{where}: {MANIFEST} is not JSON: {error}", "The file is damaged; ask for it again."
        ) from None
    if not isinstance(raw, dict) or raw.get("format") != "bpfrec":
        raise TraceFileError(f"{where}: not a bpfrec trace: {MANIFEST} does not say so")
    version = raw.get("format_version")
    if not isinstance(version, int):
        raise TraceFileError(f"{where}: {MANIFEST} has no format_version")
    if version > FORMAT_VERSION:
        raise TraceFileError(
            f"{where}: written in trace format {version} by bpfrec {raw.get('tool_version')}; "
            f"this one reads up to {FORMAT_VERSION}",
            "Upgrade with: pip install --upgrade bpfrec",
        )
    try:
        raw["host"] = _known(Host, raw["host"])
        raw["clock"] = _known(Clock, raw["clock"])
        if len(raw["counters"]) > _MOST_COUNTERS or len(raw["tables"]) > _MOST_COUNTERS:
            raise TypeError("more than 10,000 counters or tables")
        if not all(_TABLE_NAME.fullmatch(name) for name in raw["tables"]):
            raise TypeError("tables with names that are none")
        raw["tables"] = {str(name): _known(TableEntry, entry) for name, entry in raw["tables"].items()}
        return _known(Manifest, raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise TraceFileError(
            f"{where}: {MANIFEST} lacks a part or has a wrong one: {error}", "The file is damaged."
        ) from None


def _known(cls: type[_T], raw: dict[str, Any]) -> _T:
    hints = get_type_hints(cls)
    known = {name: value for name, value in raw.items() if name in hints}
    for name, value in known.items():
        if not _is_a(hints[name], value):
            raise TypeError(f"{name} is {value!r}"[:100])
    return cls(**known)


def _is_a(hint: Any, value: Any) -> bool:
    if hint is Any:
        return True
    if hint is int:
        return isinstance(value, int) and abs(value) < _INT64_END
    arguments = get_args(hint)
    if get_origin(hint) is list:
        return isinstance(value, list) and all(_is_a(arguments[0], item) for item in value)
    if get_origin(hint) is dict:
        return isinstance(value, dict) and all(_is_a(arguments[1], item) for item in value.values())
    if arguments:
        return any(_is_a(choice, value) for choice in arguments)
    return isinstance(value, hint)
