"""What a recording prints on standard error: a live line on a terminal, plain lines elsewhere, a summary at the end."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfrec.formats.printable import printable
from bpfrec.record.options.phrases import one_of
from bpfrec.record.session.output import DEFAULT

if TYPE_CHECKING:
    from bpfrec.record.finish.finish import Finished
    from bpfrec.record.live_line import LiveLine
    from bpfrec.record.request import Request
    from bpfrec.record.session.recorded import Progress, Recorded


class Display:
    """Reports on the recording of ``subject``; a context manager that leaves the terminal as it was.

    ``shows_progress``: with a line that changes, on a terminal.
    """

    def __init__(self, subject: str, *, shows_progress: bool = True) -> None:
        self._subject = subject
        self._is_terminal = shows_progress and sys.stderr.isatty()
        self._has_reader = True
        self._live: LiveLine | None = None
        self._before: Progress | None = None

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_live()

    def started(self) -> None:
        """Prints that recording has begun."""
        self.say(f"recording {self._subject}")

    def progress(self, now: Progress) -> None:
        """Shows how far the recording is, if standard error is a terminal."""
        if not self._is_terminal:
            return
        seconds, calls = (self._before.seconds, self._before.calls) if self._before is not None else (0.0, 0)
        elapsed = now.seconds - seconds
        rate = (now.calls - calls) / elapsed if elapsed > 0 else 0.0
        self._before = now
        lost = f"{now.lost:,} lost" if now.lost else "no call lost"
        self._show(f"{now.seconds:6.1f} s  {now.calls:,} calls  {rate:,.0f}/s  {lost}  {size_text(now.bytes)} spooled")

    def finishing(self, share: float) -> None:
        """Shows how much of the work on the trace is done: ``share``, 0 to 1."""
        self._show(f"writing the trace: {share:.0%}")

    def summary(self, request: Request, recorded: Recorded, finished: Finished, target: Path, old: Path | None) -> None:
        """Prints what was recorded and lost, where the trace is, and what to run next."""
        self._stop_live()
        seconds = (recorded.stop_ns - recorded.start_ns) / 1e9
        # Calls are all there where only stacks or names are missing; but something was lost.
        lost = f"{finished.lost:,} LOST" if finished.lost else "no call lost" if finished.losses else "nothing lost"
        seen = f"{finished.calls:,} calls"
        if finished.samples:
            seen += f" and {_plural(finished.samples, 'sample', 'samples')}"
        self.say(
            f"{seen} of {_plural(finished.processes, 'process', 'processes')} in {seconds:.1f} s, "
            f"{lost}; {target} ({size_text(finished.size)}); stopped because {_because(recorded)}"
        )
        if recorded.recording_start_ns is not None:
            kept = (recorded.start_ns - recorded.recording_start_ns) / 1e9
            self.say(f"what was recorded in the first {kept:.1f} s is not kept, as --last asks")
        if not finished.calls and not finished.samples:
            self.say(f"no call was seen: {why_nothing(request, recorded)}")
        for line in loss_lines(finished.losses, recorded.start_ns):
            self.say(line)
        if old is not None:
            self.say(f"the {target} that was there is now {old}")
        name = "" if target == DEFAULT else f" -i {shlex.quote(str(target))}"
        self.say(f"next: bpfrec analyze{name} report summary")

    def say(self, text: str) -> None:
        """Prints one line, above the live one."""
        self._with_reader(self._print, f"bpfrec: {printable(text)}")

    def _print(self, line: str) -> None:
        if self._live is not None:
            self._live.print(line)
        else:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def _show(self, line: str) -> None:
        if self._is_terminal:
            self._with_reader(self._update, line)

    def _update(self, line: str) -> None:
        if self._live is None:
            # rich is slow to import. Recording has begun by now.
            from bpfrec.record.live_line import LiveLine  # noqa: PLC0415

            self._live = LiveLine()
        self._live.show(line)

    def _stop_live(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            self._with_reader(lambda _: live.stop(), "")

    def _with_reader(self, write: Callable[[str], None], line: str) -> None:
        """Writes, unless the terminal has hung up or the reader of a pipe has gone: that must not cost a recording."""
        if not self._has_reader:
            return
        try:
            write(line)
        except OSError:
            self._has_reader = False


def why_nothing(request: Request, recorded: Recorded) -> str:
    """Why a recording that was asked for as ``request`` may have seen no call."""
    if recorded.ended_early:
        return f"{_numbers(recorded.ended_early)} ended before recording began"
    causes = []
    if request.comm is not None:
        causes.append(f"no process or thread was named {request.comm} (ps -eLo comm lists names)")
    if request.uid is not None:
        causes.append(f"user {request.uid} made none")
    if request.cgroup is not None:
        causes.append(f"nothing ran in {request.cgroup}")
    if request.calls is not None:
        causes.append("none of those that -e names was made")
    if request.failed_only:
        causes.append("none failed")
    causes.append("what was recorded waited in one call all the time")
    return one_of(causes)


def _numbers(pids: list[int]) -> str:
    return f"{'process or thread' if len(pids) == 1 else 'processes or threads'} {', '.join(map(str, pids))}"


def loss_lines(losses: list[dict[str, Any]], start_ns: int) -> Iterator[str]:
    """A line for each remedy in ``losses``, rows of that table: what was lost, how much, where and when."""
    for remedy in dict.fromkeys(row["remedy"] for row in losses):
        rows = [row for row in losses if row["remedy"] == remedy]
        kinds = sorted({row["kind"] for row in rows})
        parts = [f"{', '.join(kinds)}: {sum(row['count'] for row in rows):,}"]
        cpus = sorted({row["cpu"] for row in rows if row.get("cpu") is not None})
        if cpus:
            parts.append(f"on CPU {', '.join(map(str, cpus))}")
        starts = [row["ts_ns"] for row in rows if row.get("ts_ns") is not None]
        ends = [row["until_ns"] for row in rows if row.get("until_ns") is not None]
        if starts and ends:
            first, last = ((when - start_ns) / 1e9 for when in (min(starts), max(ends)))
            parts.append(f"between {first:.1f} s and {last:.1f} s")
        yield f"{' '.join(parts)}. {remedy}"


def size_text(count: int) -> str:
    """A number of bytes as people write it: 4.2 MB."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _because(recorded: Recorded) -> str:
    reason = recorded.stopped
    return f"{reason} came" if reason.startswith("SIG") else reason


def _plural(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
