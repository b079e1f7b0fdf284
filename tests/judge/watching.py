"""Runs a program under strace and bpfrec.

In one run: bpfrec records strace and its children. Both watch the same run, so every process id, address, time and
result is the same on both sides. strace writes either raw numbers or what they mean: the program runs once for each
form, and each log is compared with the recording of the same run.

In two runs: each watches a run alone. This is needed too. strace reads paths before the kernel does, so beside it paths
are always resident; and it stops a thread at every call, so beside it threads hardly ever run at the same time. The
addresses are the same in both runs because their randomization is off, and the environment is the one stated below.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from judge.comparing import Form
from judge.elements import COPIED

FORMS = {
    Form.RAW: ["-e", "raw=all", "-X", "raw", "-s", "0"],
    Form.VERBOSE: ["-v", "-X", "abbrev", "-s", "16777216"],
}
PATIENCE = 180
PATH = "/usr/local/bin:/usr/bin:/bin"


class WatchError(Exception):
    """The program could not be run under the tools."""


@dataclass
class Stage:
    """Where a program runs and what watches it; logs and recordings go to ``folder``.

    The program runs in ``cwd``, or in a folder that is made anew for each run, always under the same name, and that
    ``prepare`` fills. The environment is the same for every run. ``may_fail``: the exit status does not matter.
    """

    folder: Path
    prepare: Sequence[Sequence[str]] = ()
    cwd: Path | None = None
    may_fail: bool = False

    def together(self, form: Form, command: Sequence[str]) -> tuple[Path, Path]:
        """The log of strace and the recording of one run."""
        log, trace = self.folder / f"{form.value}.strace", self.folder / f"{form.value}.bpfrec"
        self._run([*_bpfrec(trace, form), *self._fixed(), *_strace(form, log)], command, [log, trace])
        return log, trace

    def recorded_alone(self, command: Sequence[str]) -> Path:
        """The recording of a run that strace does not watch."""
        trace = self.folder / "alone.bpfrec"
        self._run([*_bpfrec(trace, Form.VERBOSE), *self._fixed()], command, [trace])
        return trace

    def straced_alone(self, form: Form, command: Sequence[str]) -> Path:
        """The log of a run that bpfrec does not watch."""
        log = self.folder / f"{form.value}-alone.strace"
        self._run([*self._fixed(), *_strace(form, log)], command, [log])
        return log

    def program(self, command: Sequence[str]) -> str:
        """The whole path of a command's program, so that whoever starts it makes the same execve.

        Raises:
            WatchError: there is none.
        """
        name = str(self._place / command[0]) if "/" in command[0] else command[0]
        program = shutil.which(name, path=PATH)
        if program is None:
            raise WatchError(f"{command[0]} is not installed")
        return program

    @property
    def _home(self) -> Path:
        return self.folder / "home"

    @property
    def _place(self) -> Path:
        return self.cwd or self._home

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": PATH, "HOME": str(self._home), "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}

    def _fixed(self) -> list[str]:
        return ["setarch", "-R", "env", "-i", *(f"{name}={value}" for name, value in self._environment.items())]

    def _run(self, watchers: list[str], command: Sequence[str], outputs: list[Path]) -> None:
        for output in outputs:
            output.unlink(missing_ok=True)
        shutil.rmtree(self._home, ignore_errors=True)
        self._home.mkdir()
        for prepare in self.prepare:
            subprocess.run(prepare, cwd=self._home, check=True, capture_output=True, timeout=PATIENCE)
        whole = [*watchers, self.program(command), *command[1:]]
        status, said = _finish(whole, self._place, self.folder / "output")
        if (status != 0 and not self.may_fail) or not all(output.exists() for output in outputs):
            raise WatchError(f"{' '.join(command)} under {watchers[0]} ended with {status}: {said}")


def _finish(command: list[str], place: Path, printed: Path) -> tuple[int, str]:
    """The exit status of a command and what it said on standard error."""
    with printed.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=place, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            _, said = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise WatchError(f"it still ran after {PATIENCE} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return process.returncode, said.decode(errors="replace")


def _bpfrec(trace: Path, form: Form) -> list[str]:
    asked = ["--data", str(COPIED), "--env"] if form is Form.VERBOSE else []
    return [sys.executable, "-m", "bpfrec", "record", "--stacks", "off", *asked, "-o", str(trace), "--"]


def _strace(form: Form, log: Path) -> list[str]:
    return ["strace", "-f", "-q", "-a", "1", *FORMS[form], "-o", str(log), "--"]
