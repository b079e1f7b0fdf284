"""The times of a strace log as ns since the epoch, whatever option of ``-t -tt -ttt -r`` wrote them."""

from __future__ import annotations

import datetime

_DAY_NS = 86_400_000_000_000
_SECOND_NS = 1_000_000_000
_MICROSECONDS = 6
_HALF_DAY_NS = _DAY_NS // 2
_LAST_NS = 1 << 62
"""A time in the year 2116: later ones come from a damaged log, and sums with them would not fit into 64 bits."""
WITHOUT_TIMES_NS = 1_000
"""How far apart lines are where the log has no times."""


def seconds_to_ns(text: str) -> int:
    """Returns a decimal number of seconds in ns, exactly."""
    whole, _, fraction = text.partition(".")
    if len(fraction) == _MICROSECONDS:
        return int(whole) * _SECOND_NS + int(fraction) * 1000
    return int(whole) * _SECOND_NS + _fraction_ns(fraction)


def _fraction_ns(digits: str) -> int:
    return int(digits.ljust(9, "0")[:9])


class LogClock:
    """Turns the times of lines into ns since the epoch.

    ``day``: the date of the first line, for logs that have times of day, in the zone ``utc_offset_s`` (seconds east of
    UTC). Days are counted up at midnight. Logs with ``-r`` begin at ``origin_ns``. Lines without any time are
    :data:`WITHOUT_TIMES_NS` apart; then ``has_times`` stays False.
    """

    def __init__(self, day: datetime.date, utc_offset_s: int, origin_ns: int) -> None:
        midnight = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
        self._midnight_ns = (int(midnight.timestamp()) - utc_offset_s) * _SECOND_NS
        self._last_of_day = 0
        self._now = origin_ns
        self.has_times = False
        self._cached: tuple[str, int] = ("", 0)

    def read(self, time: str, since: str) -> int:
        """Returns when a line was written; ``time`` is that of ``-t`` or ``-ttt``, ``since`` that of ``-r``, or ''."""
        if time:
            self.has_times = True
            self._now = self._of_day(time) if ":" in time else seconds_to_ns(time)
        elif since:
            self.has_times = True
            self._now += seconds_to_ns(since)
        else:
            self._now += WITHOUT_TIMES_NS
        self._now = min(self._now, _LAST_NS)
        return self._now

    def _of_day(self, time: str) -> int:
        clock, _, fraction = time.partition(".")
        if clock == self._cached[0]:
            seconds = self._cached[1]
        else:
            hours, minutes, rest = clock.split(":")
            seconds = int(hours) * 3600 + int(minutes) * 60 + int(rest)
            self._cached = (clock, seconds)
        since_midnight = seconds * _SECOND_NS + _fraction_ns(fraction)
        if since_midnight < self._last_of_day - _HALF_DAY_NS:
            self._midnight_ns += _DAY_NS
        self._last_of_day = since_midnight
        return self._midnight_ns + since_midnight
