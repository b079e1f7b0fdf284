"""bpftrace itself, on the same run that is recorded: the judge of what a replay prints."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.live import started, wait_until

_MARK = "mark"
_MARKING = "getpgid"
"""A system call, and a function of the C library, that nothing else here calls with negative numbers."""
_ROOM = {"BPFTRACE_MAP_KEYS_MAX": "100000", "BPFTRACE_PERF_RB_PAGES": "2048", "BPFTRACE_MAX_PROBES": "1000"}
_ATTACHING_S = 400
"""The kernel attaches the probes of all scripts one after the other; on a busy machine that takes minutes."""
_PRINTED_MARK = re.compile(rf'"{_MARK} (\w+-\d+) (\d+) (\d+)\."')
_numbers = itertools.count(1)
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
        elif object_["type"] != "attached_probes" and not str(object_["data"]).startswith(_MARK):
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
    """A script under bpftrace.

    BEGIN runs before the other probes are attached, in the order of the script or the other way round. So the first and
    the last probe of each kind are marks: they print a number when this process passes it to getpgid(). When both have
    printed one, all probes are attached. bpftrace reads a ring of each CPU in order: when it has printed the marks of
    all CPUs, it has printed everything that happened before them. ``library``: the C library, for scripts with uprobes.
    """

    def __init__(self, bpftrace: str, text: str, *parameters: str, library: str = "") -> None:
        # A file takes all that a tool prints of the whole machine; a pipe that nobody reads would stop it.
        self.output = tempfile.NamedTemporaryFile(mode="w+", errors="surrogateescape")  # noqa: SIM115 - until stop()
        self.said = tempfile.NamedTemporaryFile(mode="w+")  # noqa: SIM115 - the same
        probes = [f"tracepoint:syscalls:sys_enter_{_MARKING}", *([f"uprobe:{library}:{_MARKING}"] if library else [])]
        self._marks = 2 * len(probes)
        first, last = (_marking(place, probes) for place in ("first", "last"))
        head = re.search(r"^(BEGIN|\w+:)", text, re.MULTILINE)
        assert head, "the script has no probe"
        script = f"{text[: head.start()]}{first}\n{text[head.start() :]}\n{last}"
        self._number = 0
        self.process = subprocess.Popen(
            [bpftrace, "-f", "json", "-e", script, *parameters],
            stdout=self.output,
            stderr=self.said,
            text=True,
            env=os.environ | _ROOM,
        )
        started.append(self.process)

    def wait(self) -> None:
        """Waits until all probes are attached."""

        def is_attached() -> bool:
            assert self.process.poll() is None, f"bpftrace ended early: {Path(self.said.name).read_text()}"
            self._mark()
            return bool(self._complete_marks())

        wait_until(is_attached, "bpftrace attaches all probes", _ATTACHING_S, every=0.2)

    def stop(self) -> Printed:
        """Ends it when it has printed what happened until now; what it printed."""
        self.finish()
        return self.ended()

    def finish(self) -> None:
        """Tells it to end, when it has printed what happened until now."""
        self._mark()
        first = self._number

        def has_read() -> bool:
            # On a busy machine a mark may find a ring full: the next one has room.
            if any(number >= first for number in self._complete_marks()):
                return True
            self._mark()
            return False

        wait_until(has_read, "bpftrace reads its rings", every=0.2)
        self.process.send_signal(signal.SIGINT)

    def ended(self) -> Printed:
        """Waits for its end; what it printed."""

        def is_over() -> bool:
            # bpftrace heeds a signal only while it waits for events: one that comes while it prints them is lost. A
            # second one would end it while it prints its maps.
            if self.process.poll() is None and "poll" in Path(f"/proc/{self.process.pid}/wchan").read_text():
                self.process.send_signal(signal.SIGINT)
            return self.process.poll() is not None

        wait_until(is_over, "bpftrace ends", every=0.5)
        self.output.seek(0)
        return parse_json(self.output.read())

    def _mark(self) -> None:
        """Makes the marks of the next number on every CPU; all scripts that run print them."""
        self._number = next(_numbers)
        allowed = os.sched_getaffinity(0)
        try:
            for cpu in allowed:
                os.sched_setaffinity(0, {cpu})
                with suppress(ProcessLookupError):
                    os.getpgid(-self._number)
        finally:
            os.sched_setaffinity(0, allowed)

    def _complete_marks(self) -> set[int]:
        """The numbers that all marks have printed on all CPUs."""
        printed = Path(self.output.name).read_text(errors="surrogateescape")
        seen = Counter(int(number) for _, number, _ in set(_PRINTED_MARK.findall(printed)))
        return {number for number, times in seen.items() if times == self._marks * len(os.sched_getaffinity(0))}


def _marking(place: str, probes: list[str]) -> str:
    """Probes that print marks, to stand at a place of a script."""
    argument = {"t": "args->pid", "u": "arg0"}
    return "\n".join(
        f"{probe} /pid == {os.getpid()} && (int32){argument[probe[0]]} < 0/ "
        f'{{ printf("{_MARK} {place}-{number} %d %d.", -(int32){argument[probe[0]]}, cpu); }}'
        for number, probe in enumerate(probes)
    )


def scripts(folder: Path) -> dict[str, str]:
    """The scripts in a folder by name."""
    return {path.stem: path.read_text() for path in sorted(folder.glob("*.bt"))}
