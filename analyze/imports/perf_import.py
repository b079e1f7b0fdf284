"""Makes a trace from the text of ``perf script``: its samples and call stacks."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpfrec
from bpfrec.analyze.imports.perf_lines import (
    Frame,
    Head,
    is_perf_script,
    parse_fact,
    parse_frame,
    parse_head,
    parse_lost,
)
from bpfrec.analyze.imports.text_lines import text_lines
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import Clock, Host, Manifest
from bpfrec.formats.new_trace import check_target, publish, work_folder
from bpfrec.formats.schema import FRAMES, LOG_LINES, LOSSES, PROCESSES, SAMPLES, STACKS, THREADS
from bpfrec.formats.trace_writer import TraceWriter
from bpfrec.formats.units import whole_number

_SNIFFED = 1 << 16
_FREQUENCY = re.compile(r"sample_freq \} = (\d{1,7})\b|\s-F *(\d{1,7})\b")
_CLOCKS = ("cpu-clock", "task-clock", "cycles", "cpu_core/cycles/", "cpu_atom/cycles/")
_CAPTURED = "%a %b %d %H:%M:%S %Y"


@dataclass(frozen=True)
class ImportedSamples:
    """What an import made: numbers of ``lines`` read, of ``samples``, and of lines that were ``not_understood``."""

    lines: int
    samples: int
    not_understood: int


def is_from_perf(log: Path) -> bool:
    """Whether ``log`` has the text of ``perf script``.

    Raises:
        OSError: it cannot be read.
    """
    with log.open(encoding="utf-8", errors="surrogateescape") as file:
        return is_perf_script(file.read(_SNIFFED))


def import_perf(
    log: Path, target: Path, *, utc_offset_s: int, command_line: list[str], host: str | None, force: bool = False
) -> ImportedSamples:
    """Writes ``target`` from ``log``, the text of ``perf script``, best with ``--header -F +pid``.

    ``utc_offset_s``: zone of the time in its header, seconds east of UTC. ``host``: name of the host; None: that of the
    header.

    Raises:
        BpfrecError: there is no sample in it, or the target exists and ``force`` is not given.
        OSError: the log cannot be read, or the trace cannot be written.
    """
    check_target(log, target, force)
    script = _Script()
    with work_folder(target) as folder:
        writer = TraceWriter(Path(folder))
        writer.write_rows(SAMPLES, script.samples(text_lines(log)))
        if not script.count:
            raise BpfrecError(f"{log} has no sample", "Make it with: perf script --header -F +pid > perf.txt")
        for table, rows in (
            (STACKS, script.stacks),
            (FRAMES, script.frames),
            (THREADS, script.threads()),
            (PROCESSES, script.processes()),
            (LOG_LINES, script.not_understood),
            (LOSSES, script.losses()),
        ):
            writer.write_rows(table, rows)
        manifest = script.manifest(log, utc_offset_s, command_line, host)
        made, _ = writer.make_file(manifest, None)
        publish(made, target, force)
    return ImportedSamples(script.lines, script.count, len(script.not_understood))


@dataclass
class _Script:
    """What was read of a file so far."""

    lines: int = 0
    count: int = 0
    lost: int = 0
    others: int = 0
    without_pid: int = 0
    first_ns: int = 0
    last_ns: int = 0
    event: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    stacks: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    not_understood: list[dict[str, Any]] = field(default_factory=list)
    _numbers: dict[tuple[int | None, tuple[Frame, ...]], int] = field(default_factory=dict)
    _names: dict[tuple[int | None, int], str] = field(default_factory=dict)

    def samples(self, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
        """The rows of ``samples`` in ``lines``; the rest is in the attributes behind them."""
        head: Head | None = None
        frames: list[Frame] = []
        for line in self._body(lines):
            if not line.strip():
                if head is not None:
                    yield from self._sample(head, frames)
                head, frames = None, []
            elif line[:1].isspace() and head is not None and (frame := parse_frame(line)):
                frames.append(frame)
            elif (lost := parse_lost(line)) is not None:
                self.lost += lost
            elif (started := parse_head(line.lstrip())) is not None:
                # Without call stacks no empty lines stand between samples.
                if head is not None:
                    yield from self._sample(head, frames)
                head, frames = started, []
            else:
                self.not_understood.append({"line": self.lines, "text": line})
        if head is not None:
            yield from self._sample(head, frames)

    def _body(self, lines: Iterator[str]) -> Iterator[str]:
        """The lines that tell of samples; what the head of the file says goes to ``facts``."""
        in_header = False
        for line in map(_printable, lines):
            self.lines += 1
            if line.startswith("# ========"):
                in_header = not in_header
            elif in_header:
                # A command line of several lines has no # before the others.
                if fact := parse_fact(line):
                    self.facts.setdefault(*fact)
            elif not line.startswith("#"):
                yield line

    def _sample(self, head: Head, frames: list[Frame]) -> Iterator[dict[str, Any]]:
        # Samples of several events would count the same time several times.
        if head.is_tracepoint or head.event != (self.event or head.event):
            self.others += 1
            return
        self.event = head.event
        self.first_ns = min(self.first_ns, head.ts_ns) if self.count else head.ts_ns
        self.last_ns = max(self.last_ns, head.ts_ns)
        self.count += 1
        self.without_pid += head.pid is None
        comm = head.comm
        self._names[head.pid, head.tid] = comm
        inside = next((place for place, frame in enumerate(frames) if not frame.is_kernel), len(frames))
        yield {
            "ts_ns": head.ts_ns,
            "pid": head.pid,
            "tid": head.tid,
            "comm": comm,
            "cpu": head.cpu,
            "stack_id": self._stack(head.pid, head.ts_ns, frames[inside:]),
            "kernel_stack_id": self._stack(None, head.ts_ns, frames[:inside]),
        }

    def _stack(self, pid: int | None, ts_ns: int, frames: list[Frame]) -> int | None:
        if not frames:
            return None
        key = (pid, tuple(frames))
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._numbers)
            self.stacks.append({"stack_id": number, "pid": pid, "ts_ns": ts_ns, "depth": len(frames)})
            self.frames += [frame.row(number, depth) for depth, frame in enumerate(frames)]
        return number

    def threads(self) -> Iterator[dict[str, Any]]:
        """The threads, each with its last name."""
        return ({"tid": tid, "pid": pid, "comm": comm} for (pid, tid), comm in self._names.items())

    def processes(self) -> Iterator[dict[str, Any]]:
        """The processes, named after their main threads where these have samples."""
        pids = dict.fromkeys(pid for pid, _ in self._names if pid is not None)
        return ({"pid": pid, "comm": self._names.get((pid, pid))} for pid in pids)

    def losses(self) -> Iterator[dict[str, Any]]:
        """What the trace lacks."""
        for kind, count, remedy in (
            ("samples-lost", self.lost, "perf record --mmap-pages larger, or -F lower."),
            ("other-events", self.others, f"Only samples of {self.event} are here: one event of a file is imported."),
            ("pid-unknown", self.without_pid, "The text has thread ids alone: perf script -F +pid writes both."),
            ("lines-not-understood", len(self.not_understood), "See SELECT * FROM log_lines."),
            ("calls-not-recorded", 1, "perf's samples tell what ran, and no system calls: bpfrec record has both."),
        ):
            if count:
                yield {"kind": kind, "severity": "notice", "count": count, "remedy": remedy}

    def manifest(self, log: Path, utc_offset_s: int, command_line: list[str], host: str | None) -> Manifest:
        """What the trace says about itself. perf wrote its header when recording ended."""
        facts = self.facts
        try:
            captured = datetime.datetime.strptime(facts["captured on"].strip(), _CAPTURED).replace(tzinfo=datetime.UTC)
            wall_ns = (int(captured.timestamp()) - utc_offset_s) * 1_000_000_000
        except (KeyError, ValueError):
            wall_ns = int(log.stat().st_mtime) * 1_000_000_000
        configuration: dict[str, Any] = {
            "imported_from": "perf script",
            "logs": [_printable(str(log))],
            "event": self.event or "",
        }
        said = " ".join(value for name, value in facts.items() if name in ("event", "cmdline"))
        frequency = _FREQUENCY.search(said)
        if frequency and (self.event or "").partition(":")[0] in _CLOCKS:
            configuration["profile_hz"] = int(frequency[1] or frequency[2])
        memory = whole_number(facts.get("total memory", "").removesuffix(" kB"), 1 << 50) or 0
        return Manifest(
            tool_version=bpfrec.__version__,
            command_line=command_line,
            configuration=configuration,
            host=Host(
                name=host or facts.get("hostname", "unknown"),
                kernel=facts.get("os release", ""),
                arch=facts.get("arch", "x86_64"),
                page_size=4096,
                cpus=whole_number(facts.get("nrcpus online", ""), 1 << 20) or 0,
                memory_bytes=memory << 10,
            ),
            clock=Clock(self.last_ns, wall_ns, utc_offset_s),
            start_ns=self.first_ns,
            stop_ns=self.last_ns,
            stopped="the log ended",
            counters={"recorded": 0, "lost": 0, "samples": self.count},
            syscalls={},
        )


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
