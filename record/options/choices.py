"""``-p``, ``-t``, ``-u``, ``-d`` and ``--data``: lists of ids, a user by name or number, times and sizes."""

from __future__ import annotations

import pwd

import click

from bpfrec.formats.units import bytes_in, seconds_in


class Ids(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Ids, several with commas between them."""

    name = "ids"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Returns the numbers: (1, 2) for ``1,2``."""
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no id: give a number, or several as 1,2", param, ctx)


class User(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A user: a number, or a name of this machine."""

    name = "user"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the user id."""
        text = str(value)
        if text.isascii() and text.isdigit() and int(text) < 1 << 32:
            return int(text)
        try:
            return pwd.getpwnam(text).pw_uid
        except (KeyError, ValueError):
            self.fail(f"no user of this machine is called {text!r}", param, ctx)


class Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A time longer than nothing: seconds, or with units, such as ``500ms`` or ``1h30m``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns seconds."""
        try:
            seconds = seconds_in(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time: give a number of seconds, or 500ms, 5m, 1h30m", param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r}: a recording takes some time", param, ctx)
        return seconds


class Bytes(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A number of bytes, from 1 to ``most``: ``256``, ``4K``."""

    name = "size"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the number."""
        try:
            size = bytes_in(str(value))
        except ValueError:
            size = 0
        if not 1 <= size <= self._most:
            self.fail(f"{value!r} is no number of bytes from 1 to {self._most}, such as 256 or 4K", param, ctx)
        return size
