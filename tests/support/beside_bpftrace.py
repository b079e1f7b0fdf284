"""bpftrace itself, on the same run that is recorded: the judge of what a replay prints."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.live import PATIENCE, started, wait_until

_ATTACHED = "attached, as the test waits for"
_WRONG_ESCAPE = re.compile(r"\\uffffff([0-9a-f]{2})")


@dataclass
class Printed:
    """What a script printed with ``-f json``: its maps by name, lines of printf() and its like, and lines that
    bpftrace had no room for."""

    maps: dict[str, Any] = field(default_factory=dict)
    lines: list[Any] = field(default_factory=list)
    lost: int = 0


def parse_json(text: str) -> Printed:
    """The output of ``-f json``. 0.17 writes a byte above 127 as ``\\uffffffNN``, which is no JSON."""
    printed = Printed()
    for line in text.splitlines():
        if not line.strip():
            continue
        object_ = json.loads(_WRONG_ESCAPE.sub(lambda m: f"\\udc{m[1]}", line))
        if object_["type"] in ("map", "hist", "stats"):
            printed.maps |= object_["data"]
        elif object_["type"] == "lost_events":
            printed.lost += object_["data"]["events"]
        elif object_["type"] != "attached_probes" and object_["data"] != _ATTACHED:
            printed.lines.append(object_["data"])
    return _bytes(printed)


def _bytes(printed: Printed) -> Printed:
    """The same with every text as bytes that are no UTF-8 make it, whether bpftrace escaped them one by one or not."""

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
        if isinstance(value, dict):
            return {plain(k): plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list) else value

    return Printed(plain(printed.maps), plain(printed.lines), printed.lost)


class LiveScript:
    """A script under bpftrace, entered when its probes are attached."""

    def __init__(self, bpftrace: str, text: str, *parameters: str) -> None:
        # A file takes all that a tool prints of the whole machine; a pipe that nobody reads would stop it.
        self.output = tempfile.NamedTemporaryFile(mode="w+", errors="surrogateescape")  # noqa: SIM115 - until stop()
        script = text if "BEGIN" in text else text + f'\nBEGIN {{ printf("{_ATTACHED}"); }}'
        self.process = subprocess.Popen(
            [bpftrace, "-f", "json", "-e", script, *parameters],
            stdout=self.output,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"BPFTRACE_MAP_KEYS_MAX": "100000", "BPFTRACE_PERF_RB_PAGES": "2048"},
        )
        started.append(self.process)

    def wait(self) -> None:
        """Waits until it is attached."""

        def has_begun() -> bool:
            assert self.process.poll() is None, "bpftrace ended early"
            return '"printf"' in Path(self.output.name).read_text(errors="surrogateescape")

        wait_until(has_begun, "bpftrace runs BEGIN")

    def stop(self) -> Printed:
        """Ends it; what it printed."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        self.output.seek(0)
        return parse_json(self.output.read())


def scripts(folder: Path) -> dict[str, str]:
    """The scripts in a folder by name."""
    return {path.stem: path.read_text() for path in sorted(folder.glob("*.bt"))}
