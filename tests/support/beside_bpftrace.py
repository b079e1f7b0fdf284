"""bpftrace itself, on the same run that is recorded: the judge of what a replay prints."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.live import PATIENCE, line_of, started

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
        script = text if "BEGIN" in text else text + f'\nBEGIN {{ printf("{_ATTACHED}"); }}'
        self.process = subprocess.Popen(
            [bpftrace, "-f", "json", "-e", script, *parameters],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="surrogateescape",
            env=os.environ | {"BPFTRACE_MAP_KEYS_MAX": "100000", "BPFTRACE_PERF_RB_PAGES": "2048"},
        )
        started.append(self.process)

    def wait(self) -> None:
        """Waits until it is attached."""
        while "printf" not in (line := line_of(self.process.stdout)):
            assert self.process.poll() is None or line, "bpftrace ended early"

    def stop(self) -> Printed:
        """Ends it; what it printed."""
        self.process.send_signal(signal.SIGINT)
        # communicate() would lose what stdout has buffered behind the line that was read.
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        self.process.wait(PATIENCE)
        return parse_json(out)


def scripts(folder: Path) -> dict[str, str]:
    """The scripts in a folder by name."""
    return {path.stem: path.read_text() for path in sorted(folder.glob("*.bt"))}
