"""Timers that sample what runs: a perf event on each CPU, which runs a BPF program when it overflows."""

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
"""The most samples a second on a CPU. At higher rates they would mostly show their own cost."""

# include/uapi/linux/perf_event.h
_ENABLE, _DISABLE, _SET_BPF = 0x2400, 0x2401, 0x40042408

_MAX_RATE = Path("/proc/sys/kernel/perf_event_max_sample_rate")


class Sampling:
    """A timer on each of ``cpus`` that runs ``program`` (the descriptor of a loaded program) ``hz`` times a second.

    The timers count only time in which the CPU is not idle. They run between :meth:`start` and :meth:`stop`.

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
                # The ring is for what the kernel says about the timer itself.
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
        """Starts the timers."""
        for timer in self._timers:
            fcntl.ioctl(timer.fileno(), _ENABLE, 0)

    def stop(self) -> None:
        """Stops the timers."""
        for timer in self._timers:
            fcntl.ioctl(timer.fileno(), _DISABLE, 0)

    def throttled(self) -> int:
        """How often the kernel stopped a timer that took too much time, since this was last called."""
        count = 0
        for timer in self._timers:
            head, slices = timer.pending()
            data = b"".join(slices)
            timer.release(head)
            count += sum(kind == THROTTLE for kind, *_ in perf_records(memoryview(data)))
        return count

    def close(self) -> None:
        """Closes the timers."""
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
