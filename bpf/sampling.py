"""The timers that find out what runs: a perf event on each CPU, whose overflows run a BPF program."""

from __future__ import annotations

import errno
import fcntl
import mmap
from pathlib import Path

from bpfrec.bpf.perf_event import (
    FLAG_DISABLED,
    FLAG_EXCLUDE_IDLE,
    FLAG_FREQUENCY,
    PERF_COUNT_SW_CPU_CLOCK,
    PERF_TYPE_SOFTWARE,
    PerfEventAttr,
    Ring,
    open_on_cpu,
)
from bpfrec.bpf.perf_records import THROTTLE, perf_records
from bpfrec.bpf.permission import perf_refused
from bpfrec.formats.errors import BpfrecError

MOST_HZ = 1000
"""The most samples a second that are taken on a CPU: beyond that they are mostly of their own cost."""

# include/uapi/linux/perf_event.h
_ENABLE, _DISABLE, _SET_BPF = 0x2400, 0x2401, 0x40042408

_MAX_RATE = Path("/proc/sys/kernel/perf_event_max_sample_rate")


class Sampling:
    """Timers of ``hz`` on each of ``cpus`` that run the loaded program ``program`` (its descriptor), once started.

    They count CPU time that is not idle, by the CPU's own clock.

    Raises:
        BpfrecError: the kernel refuses them.
    """

    def __init__(self, cpus: list[int], hz: int, program: int) -> None:
        self._timers: list[Ring] = []
        try:
            for cpu in cpus:
                attr = PerfEventAttr(
                    type=PERF_TYPE_SOFTWARE,
                    config=PERF_COUNT_SW_CPU_CLOCK,
                    sample_period=hz,
                    flags=FLAG_DISABLED | FLAG_EXCLUDE_IDLE | FLAG_FREQUENCY,
                )
                # The ring takes what the kernel says of the timer itself.
                timer = Ring(open_on_cpu(attr, cpu), cpu, mmap.PAGESIZE)
                self._timers.append(timer)
                fcntl.ioctl(timer.fileno(), _SET_BPF, program)
        except OSError as error:
            self.close()
            raise _refused(error, hz) from None
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Samples from now on."""
        for timer in self._timers:
            fcntl.ioctl(timer.fileno(), _ENABLE, 0)

    def stop(self) -> None:
        """Samples no more."""
        for timer in self._timers:
            fcntl.ioctl(timer.fileno(), _DISABLE, 0)

    def throttled(self) -> int:
        """How often the kernel has stopped a timer for a while because it took too much time; each is told once."""
        count = 0
        for timer in self._timers:
            head, slices = timer.pending()
            data = b"".join(slices)
            timer.release(head)
            count += sum(kind == THROTTLE for kind, *_ in perf_records(memoryview(data)))
        return count

    def close(self) -> None:
        """Gives the timers back."""
        for timer in self._timers:
            timer.close()
        self._timers.clear()


def _refused(error: OSError, hz: int) -> BpfrecError:
    most = int(_MAX_RATE.read_text()) if _MAX_RATE.exists() else hz
    if error.errno == errno.EINVAL and hz > most:
        return BpfrecError(
            f"the kernel takes at most {most} samples a second, and --profile asks for {hz}",
            f"Ask for --profile {most}, or raise the limit: sysctl kernel.{_MAX_RATE.name}={hz}",
        )
    return perf_refused(error)
