"""One measurement: a workload under a tool."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from held import BenchError, Lane, Taken, start
from tools import Counted, Target, Tool
from workloads import Workload

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Measurement:
    """What a workload took under a tool, and what the tool took; times in ns, sizes in bytes.

    ``calls`` were made; ``recorded`` and ``lost`` are what the tool says, None where it says nothing. ``tool_cpu_ns``
    has all that the tool took from its start to its end, compiling and importing included. ``tool_peak_bytes`` is None
    where the traced program, a child of the tool, took more. ``finish_ns`` is from the stop to the end of the tool.
    """

    round: int
    workload: str
    tool: str
    calls: int
    wall_ns: int
    ns_per_call: float
    cpu_ns: int
    recorded: int | None = None
    lost: int | None = None
    output_bytes: int | None = None
    tool_cpu_ns: int | None = None
    tool_peak_bytes: int | None = None
    finish_ns: int | None = None

    @property
    def events(self) -> int:
        """What its CPU time went into: the calls in its file, or, of a tool without one, the calls made."""
        return self.recorded if self.recorded is not None else self.calls


def compile_programs(folder: Path) -> None:
    """Makes ``calls`` and ``spawn`` there."""
    for name in ("calls", "spawn"):
        command = ["gcc", "-O2", "-w", "-pthread", str(_HERE / f"{name}.c"), "-o", str(folder / name)]
        subprocess.run(command, check=True)


class Bench:
    """A folder with the programs and what the workloads work on."""

    def __init__(self, folder: Path, calls: int) -> None:
        self.folder = folder
        self._loop_calls = calls
        self._calls: dict[tuple[str, int], int] = {}
        compile_programs(folder)

    def prepare(self, workload: Workload, tools: list[Tool]) -> None:
        """Makes what the workload works on, and counts its calls."""
        workload.prepare(self.folder)
        for size in {workload.size(self._loop_calls, tool.slow) for tool in tools}:
            self._calls[workload.name, size] = workload.calls(self.folder, size)

    def measure(self, number: int, workload: Workload, tool: Tool) -> Measurement:
        """Runs the workload once under the tool.

        Raises:
            BenchError: one of the two failed.
        """
        size = workload.size(self._loop_calls, tool.slow)
        calls = self._calls[workload.name, size]
        try:
            with ExitStack() as cleanup:
                run = Run(self.folder, workload, size, cleanup)
                taken, usage, stopped_ns = run.under(tool) if tool.output or tool.attached else run.alone()
            counted, output_bytes = self._result_of(tool)
        except (BenchError, OSError, KeyError) as error:
            log = self.folder / "log"
            said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
            raise BenchError(f"{tool.name} on {workload.name}: {error}{': ' + said[-1] if said else ''}") from error
        result = Measurement(
            round=number,
            workload=workload.name,
            tool=tool.name,
            calls=calls,
            wall_ns=taken.wall_ns,
            ns_per_call=taken.wall_ns * workload.threads / calls,
            cpu_ns=taken.cpu_ns,
        )
        if usage is None:
            return result
        ours = run.target_is_child
        return Measurement(
            **vars(result)
            | {
                "recorded": counted.recorded,
                "lost": counted.lost,
                "output_bytes": output_bytes,
                "tool_cpu_ns": usage.cpu_ns - (taken.cpu_ns if ours else 0),
                "tool_peak_bytes": None if ours and usage.peak_bytes <= taken.peak_bytes else usage.peak_bytes,
                "finish_ns": usage.end_ns - stopped_ns,
            }
        )

    def _result_of(self, tool: Tool) -> tuple[Counted, int | None]:
        if not tool.output:
            return Counted(), None
        output, log = self.folder / tool.output, self.folder / "log"
        counted, size = tool.count(output, log.read_text(errors="replace")), output.stat().st_size
        output.unlink()
        return counted, size


class Run:
    """The processes of one measurement."""

    def __init__(self, folder: Path, workload: Workload, size: int, cleanup: ExitStack) -> None:
        self._folder = folder
        self._cleanup = cleanup
        self._lane = Lane()
        cleanup.callback(self._lane.let_go)
        arguments = workload.arguments(folder, size)
        self._command = [str(workload.program(folder)), *self._lane.arguments, *arguments]
        self._workload = workload
        self.target_is_child = False

    def alone(self) -> tuple[Taken, None, int]:
        """Without a tool."""
        target = self._start_target()
        taken = self._let_run()
        self._lane.let_go()
        _check(target, "the workload")
        return taken, None, 0

    def under(self, tool: Tool) -> tuple[Taken, Taken, int]:
        """With the tool: what the target took, what the tool took, and when it was stopped."""
        self.target_is_child = tool.starts_command(Target(0, self._command, self._workload.starts_children))
        target = None if self.target_is_child else self._start_target()
        whom = Target(target.pid if target else 0, self._command, self._workload.starts_children)
        lane, log = Lane(), self._folder / "log"
        command = [str(self._folder / "spawn"), *lane.arguments, *tool.command(whom, self._folder)]
        with log.open("wb") as said:
            process = start(command, [lane] if target else [lane, self._lane], said)
        self._cleanup.callback(_end, process)
        self._cleanup.callback(lane.let_go)
        lane.ready()
        lane.begin()
        pid = int(lane.line())
        # The tool is no child of this process: it would outlive a failed run.
        on_failure = self._cleanup.enter_context(ExitStack())
        on_failure.callback(_kill, pid)
        if target is None:
            self._lane.ready()
        else:
            tool.wait_attached(process, log, self._folder)
        taken = self._let_run()
        stopped_ns = time.monotonic_ns()
        if target is None:
            self._lane.let_go()
        else:
            _stop(pid)
        usage = lane.taken()
        on_failure.pop_all()
        lane.let_go()
        if target is not None:
            self._lane.let_go()
            _check(target, "the workload")
        _check(process, tool.name)
        return taken, usage, stopped_ns

    def _start_target(self) -> subprocess.Popen[bytes]:
        target = start(self._command, [self._lane], subprocess.DEVNULL)
        self._cleanup.callback(_end, target)
        self._cleanup.callback(self._lane.let_go)
        self._lane.ready()
        return target

    def _let_run(self) -> Taken:
        self._lane.begin()
        if self._workload.starts_children:
            self._lane.line()  # the pid of the command
        return self._lane.taken()


def _check(process: subprocess.Popen[bytes], name: str) -> None:
    """Ended by the interrupt that stops it is as well as by itself."""
    status = process.wait(60)
    if status not in {0, 128 + signal.SIGINT}:
        raise BenchError(f"{name} ended with status {status}")


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _stop(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        raise BenchError("it ended before it was stopped") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
