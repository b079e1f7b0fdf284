"""Types of options on the command line: what users write, and what reports get."""

from __future__ import annotations

from typing import Any

import click

from bpfrec.formats.units import seconds_in, whole_number

_MOST = (1 << 63) - 1


class Count(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """A whole number that is not below ``least``."""

    name = "number"

    def __init__(self, least: int = 0) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; a usage error if it is none."""
        if isinstance(value, int):
            return value
        number = whole_number(value, _MOST)
        if number is None:
            self.fail(f"{value!r} is no whole number", param, ctx)
        if number < self._least:
            self.fail(f"{value!r} is too few: the least is {self._least}", param, ctx)
        return number


TOP_HELP = "Show at most this many rows; 0 shows all."


def top_option(default: int) -> click.Option:
    """``-T/--top/--limit``, an int."""
    return click.Option(
        ["-T", "--top", "--limit"],
        type=Count(),
        metavar="N",
        default=default,
        show_default=True,
        help=TOP_HELP,
    )


def limit_option() -> click.Option:
    """``--limit``, an int ``top``: for reports whose ``-T`` is another option of bcc's tool."""
    return click.Option(["--limit", "top"], type=Count(), metavar="N", default=0, help=TOP_HELP)


def least_option(default: float, what: str) -> click.Option:
    """``--least``, microseconds ``least_us``: only ``what`` took at least so long."""
    return click.Option(
        ["--least", "least_us"],
        type=Microseconds(),
        metavar="TIME",
        default=default,
        show_default=True,
        help=f"Only {what} at least this long: microseconds, or a time with a unit, such as 5ms.",
    )


def refused_option(flags: list[str], why: str, *, is_flag: bool = False, hidden: bool = False) -> click.Option:
    """An option that a trace, or a report, has no answer for: it is refused, and says ``why``."""

    def refuse(ctx: click.Context, param: click.Parameter, value: object) -> None:
        if value is not None and value is not False:
            raise click.UsageError(f"{param.opts[0]}: {why}", ctx)

    return click.Option(
        flags, is_flag=is_flag, callback=refuse, expose_value=False, hidden=hidden, help=f"Refused: {why}"
    )


def map_options() -> tuple[click.Option, click.Option]:
    """``--cgroupmap`` and ``--mntnsmap`` of bcc's tools, which choose by a map of the live system: both are refused."""
    return (
        refused_option(["--cgroupmap"], "BPF maps of a live system are not in a trace; record with --cgroup PATH."),
        refused_option(["--mntnsmap"], "BPF maps of a live system are not in a trace; choose processes with -p."),
    )


class Time(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """A time: a number in ``unit``, or one with units, as ``500ms``, ``5m``, ``1m30s``; converts to seconds."""

    name = "time"

    def __init__(self, unit: str = "s", least: float = 0.0) -> None:
        self._unit = unit
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; a usage error if it is no time."""
        if not isinstance(value, str):
            return float(value)
        try:
            seconds = seconds_in(value, self._unit)
        except ValueError:
            self.fail(f"{value!r} is no time: give 30, 500ms, 5m or 1h30m", param, ctx)
        if seconds < self._least:
            self.fail(f"{value!r} is too short: {self._least:g} s is the least", param, ctx)
        return seconds


class Microseconds(Time):
    """A time that is in microseconds where it has no unit; converts to microseconds."""

    def __init__(self) -> None:
        super().__init__("us")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Microseconds; a usage error if it is no time."""
        return super().convert(value, param, ctx) * 1e6 if isinstance(value, str) else float(value)


class SignalNumber(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """A signal, as a name (SIGKILL, KILL) or a number; converts to the number."""

    name = "signal"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; a usage error if there is no such signal."""
        from bpfrec.formats.kernel.decoding import constants  # noqa: PLC0415

        if isinstance(value, int):
            return value
        names = constants("signal")
        word = value.upper()
        number = names.get(word, names.get(f"SIG{word}"))
        if number is None:
            number = whole_number(value, 64)
        if number is None:
            self.fail(f"{value!r} is neither the name nor the number of a signal", param, ctx)
        return int(number)


class Ports(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """Ports, several with commas between them."""

    name = "ports"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers; a usage error for anything else."""
        if not isinstance(value, str):
            return tuple(value)
        ports = []
        for part in value.split(","):
            port = whole_number(part.strip(), 65535)
            if port is None:
                self.fail(f"{part!r} is no port: give a number, or several as 80,443", param, ctx)
            ports.append(port)
        return tuple(ports)


class ErrnoNumber(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """An error, as a name (ENOENT) or a number (2 or -2); converts to the positive number."""

    name = "errno"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The positive number; a usage error if there is no such error."""
        from bpfrec.formats.kernel.errnos import MAX_ERRNO, errno_numbers  # noqa: PLC0415

        if isinstance(value, int):
            return value
        number = errno_numbers().get(value.upper())
        if number is None:
            number = whole_number(value.removeprefix("-"), MAX_ERRNO)
        if not number:
            self.fail(f"{value!r} is neither the name nor the number of an error", param, ctx)
        return number


class OpenFlag(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """Flags of open(2): names or a number, several joined by ``|``; converts to the bits."""

    name = "flag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bits; a usage error for a name that is no flag."""
        from bpfrec.formats.kernel.open_flags import OPEN_FLAGS  # noqa: PLC0415

        bits = 0
        for part in str(value).split("|"):
            if part.strip() in OPEN_FLAGS:
                bits |= OPEN_FLAGS[part.strip()]
                continue
            try:
                bits |= int(part, 0)
            except ValueError:
                self.fail(f"{part!r} is neither a flag of open(2), as O_WRONLY, nor a number", param, ctx)
        if not 0 <= bits < 2**32:
            self.fail(f"{value!r} is no number of 32 bits", param, ctx)
        return bits
