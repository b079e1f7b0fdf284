"""Kills recorders, fills their disks and starves them, and checks what is left: ``make soak``, as root.

Each round records a workload that makes numbered calls. Of a recorder that was killed, all calls up to its last mark
must be recovered, and nothing may stay behind. Where its helper was killed, nothing may be missing at all. On a disk
that is too small, there must be a trace of what was recorded until then. The workload must end as it would have without
a recorder. Where the recorder gets hardly any CPU time, what it recorded and what it lost must be what was made.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from checking import PATIENCE, SoakError, check, members, name_of
from starving import starve_round

import bpfrec
from bpfrec.record.journal import read_journal

_STATUS = 9
_SECONDS = 6.0
_WORKLOAD = f"""
import os, sys, time
limit = time.monotonic() + float(sys.argv[2])
number = 0
while time.monotonic() < limit:
    for _ in range(200):
        try:
            os.stat(f"/soak/{{number}}")
        except OSError:
            pass
        number += 1
    time.sleep(0.002)
with open(sys.argv[1], "w") as file:
    file.write(str(number))
sys.exit({_STATUS})
"""
_NUMBER = "CAST(regexp_extract(path, '^/soak/([0-9]+)$', 1) AS BIGINT)"


def command(output: Path, made: Path, seconds: float) -> list[str]:
    """The recorder's command line for one round."""
    workload = [sys.executable, "-c", _WORKLOAD, str(made), str(seconds)]
    return [sys.executable, "-m", "bpfrec", "record", "-o", str(output), "--", *workload]


def undisturbed(folder: Path) -> float:
    """How many seconds a round takes in which nothing is killed."""
    begin = time.monotonic()
    done = subprocess.run(
        command(folder / "t.bpfrec", folder / "made", 0.6 * _SECONDS), capture_output=True, text=True, check=False
    )
    check(done.returncode == _STATUS, f"the command's status became {done.returncode}: {done.stderr}")
    check_counts(folder / "t.bpfrec", int((folder / "made").read_text()))
    return time.monotonic() - begin


def kill_round(folder: Path, choose: random.Random, length: float) -> str:
    """Kills a recorder, or its converter, at a random moment; says what became of it."""
    output, made = folder / "t.bpfrec", folder / "made"
    recorder = subprocess.Popen(
        command(output, made, 0.6 * _SECONDS), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(choose.uniform(0.0, length))
    victim = choose.choice(["recorder", "helper"])
    helpers = [pid for pid in members(recorder.pid) if name_of(pid) == "bpfrec-convert"]
    if victim == "helper" and helpers:
        os.kill(helpers[0], signal.SIGKILL)
        recorder.communicate(timeout=PATIENCE)
        check(recorder.returncode == _STATUS, f"the command's status became {recorder.returncode}")
        check_counts(output, int(made.read_text()))
        return "helper killed: the trace is whole"
    recorder.kill()
    recorder.wait()
    limit = time.monotonic() + PATIENCE
    while any(name_of(pid).startswith("bpfrec") for pid in members(recorder.pid)):
        check(time.monotonic() < limit, "a helper outlives its recorder")
        time.sleep(0.05)
    while members(recorder.pid):
        check(time.monotonic() < limit, "the workload does not end")
        time.sleep(0.05)
    return recovered(folder, output)


def recovered(folder: Path, output: Path) -> str:
    """Recovers what was left in ``folder`` and checks it."""
    left = list(folder.glob(".*/journal.spool"))
    mark = None
    if left and (kept := read_journal(left[0])).attached is not None:
        mark = kept.mark
        done = bpfrec_command("recover", str(output))
        check(done.returncode == 0, f"recover failed: {done.stderr}")
    elif list(folder.glob(".*.*")):
        check(bpfrec_command("recover", "--clean", str(folder)).returncode == 0, "clean failed")
    check(not list(folder.glob(".*.*")), "a folder stays behind")
    if not output.exists():
        return "killed before it recorded, or after the trace was written" if left else "killed before it began"
    if mark is None:
        return "killed, and recovered without a mark"
    with bpfrec.open(output) as trace:
        ((count, last),) = trace.sql(
            f"SELECT count(DISTINCT {_NUMBER}), max({_NUMBER}) FROM syscalls "
            f"WHERE path LIKE '/soak/%' AND ts_ns <= {mark.time_ns}"
        ).fetchall()
        ((lost,),) = trace.sql("SELECT coalesce(sum(count), 0) FROM losses WHERE kind = 'ring-full'").fetchall()
    check(lost > 0 or count == (-1 if last is None else last) + 1, f"{count} calls of {last} up to the last mark")
    return f"killed, and {count} calls up to the last mark are there"


def disk_round(folder: Path, choose: random.Random, _length: float) -> str:
    """Records onto a disk of a random size."""
    size = choose.randrange(2, 40)
    with small_disk(folder / "disk", size) as disk:
        made = folder / "made"
        done = subprocess.run(
            command(disk / "t.bpfrec", made, _SECONDS),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        check("Traceback" not in done.stderr, done.stderr)
        check(done.returncode == _STATUS, f"{size} MiB: the command's status became {done.returncode}: {done.stderr}")
        check_counts(disk / "t.bpfrec", int(made.read_text()))
        with bpfrec.open(disk / "t.bpfrec") as trace:
            ((stopped,),) = trace.sql("SELECT stopped FROM recording").fetchall()
    return f"{size} MiB: {stopped}"


def check_counts(output: Path, made: int) -> None:
    """Checks that recorded and lost calls are all that were made."""
    with bpfrec.open(output) as trace:
        ((count,),) = trace.sql(f"SELECT count(DISTINCT {_NUMBER}) FROM syscalls WHERE path LIKE '/soak/%'").fetchall()
        ((lost, cut),) = trace.sql(
            "SELECT coalesce(sum(count), 0), count(*) FILTER (kind = 'spool-cut') FROM losses "
            "WHERE severity = 'data_loss'"
        ).fetchall()
        ((stopped,),) = trace.sql("SELECT stopped FROM recording").fetchall()
    # What was made after a recording had ended was not to be recorded.
    is_cut = cut > 0 or stopped.startswith("the disk")
    check(count + lost >= made or is_cut, f"{count} recorded and {lost} lost of {made}")
    check(count <= made, f"{count} recorded of {made}")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of ``size`` MiB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "bpfrec-soak", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def bpfrec_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs bpfrec to its end."""
    command = [sys.executable, "-m", "bpfrec", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def main() -> int:
    """Runs the rounds; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="rounds in which the recorder or its helper is killed")
    parser.add_argument("--disks", type=int, default=5, help="rounds on disks that are too small")
    parser.add_argument("--starved", type=int, default=3, help="rounds in which the recorder gets hardly any CPU time")
    parser.add_argument("--seed", type=int, default=None, help="repeats the rounds of an earlier run")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    choose = random.Random(seed)
    length = 0.0
    if options.kills:
        with TemporaryDirectory(prefix="soak-") as folder:
            length = undisturbed(Path(folder))
    failures = 0
    rounds = [kill_round] * options.kills + [disk_round] * options.disks + [starve_round] * options.starved
    for number, play in enumerate(rounds):
        with TemporaryDirectory(prefix="soak-") as folder:
            try:
                said = play(Path(folder), choose, length)
            except (SoakError, subprocess.TimeoutExpired) as error:
                failures += 1
                said = f"FAILED: {error}"
        print(f"{number + 1}: {play.__name__}: {said}", flush=True)
    print(f"{failures} of {len(rounds)} rounds failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
