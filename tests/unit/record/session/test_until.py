"""record/session/until.py: the first call that meets a condition is found, and no other call is."""

from __future__ import annotations

import pytest
from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.options.until import parse_condition
from bpfrec.record.session.until import UntilWatch


def number(name: str, abi: str = "x86_64") -> int:
    return syscalls()[name].numbers[abi]


def met(condition: str, *calls: bytes, after: float = 0.0) -> str | None:
    watch = UntilWatch([parse_condition(condition)], after)
    watch.take(0, ring_bytes.sample(*calls))
    return watch.reason()


def opened(path: bytes, ret: int, **members: int) -> bytes:
    return ring_bytes.call(number("openat"), args=(1, 2, 3, 4), ret=ret, inline=path, **members)


@pytest.mark.parametrize(
    ("condition", "call", "holds"),
    [
        ("openat ENOENT /etc/app/*", opened(b"/etc/app/a/b.conf", -2), True),
        ("openat ENOENT /etc/app/*", opened(b"/etc/app/a/b.conf", -13), False),
        ("openat ENOENT /etc/app/*", opened(b"/etc/app", -2), False),
        ("openat ENOENT /etc/app/*", opened(b"/x/etc/app/a", -2), False),
        ("openat failed", opened(b"/etc", -13), True),
        ("openat failed", opened(b"/etc", 3), False),
        ("openat /a.b?", opened(b"/a.bc", 3), True),
        ("openat /a.b?", opened(b"/axbc", 3), False),
        ("openat /*/\u00e9", opened("/a/\u00e9".encode(), 3), True),
        ("openat >1us", opened(b"/etc", 3, duration=1001), True),
        ("openat >1us", opened(b"/etc", 3, duration=1000), False),
        ("openat >=3 <4", opened(b"/etc", 3), True),
        ("openat >=3 <4", opened(b"/etc", 4), False),
        ("openat failed", opened(b"/etc", -512), False),
        ("openat <0", opened(b"/etc", -512), False),
        ("openat >0ns", opened(b"/etc", 3, flags=wire.NO_RETURN), False),
        ("openat", ring_bytes.call(number("getpid")), False),
        ("exit_group !=0", ring_bytes.call(number("exit_group"), args=(3,), flags=wire.NO_RETURN), True),
        ("exit_group !=0", ring_bytes.call(number("exit_group"), args=(0,), flags=wire.NO_RETURN), False),
        ("exit_group =-1", ring_bytes.call(number("exit_group"), args=(0xFFFFFFFF,), flags=wire.NO_RETURN), True),
        ("rt_sigreturn failed", ring_bytes.call(number("rt_sigreturn"), ret=-4), False),
        ("getpid", ring_bytes.call(number("getpid", "i386"), flags=wire.COMPAT), True),
        ("getpid", ring_bytes.call(number("getpid", "i386")), False),
    ],
)
def test_a_call_meets_a_condition_or_not(condition: str, call: bytes, holds: bool) -> None:
    assert (met(condition, call) is not None) is holds


def test_the_reason_names_the_first_call_that_meets_it() -> None:
    calls = [ring_bytes.call(number("read"), ret=size, ts=5000 + size, pid=7, tid=8) for size in (1, 4, 9)]
    assert met("read >2", *calls) == "--until 'read >2' was met by read of process 7, thread 8 (ts_ns 5004)"


def test_the_recording_goes_on_for_a_while() -> None:
    watch = UntilWatch([parse_condition("write"), parse_condition("read")], after=60)
    watch.take(0, ring_bytes.sample(ring_bytes.call(number("getpid"))))
    assert not watch.met
    watch.take(0, ring_bytes.sample(ring_bytes.call(number("read"))))
    assert "'read'" in watch.met
    watch.take(0, ring_bytes.sample(ring_bytes.call(number("write"))))
    assert "'read'" in watch.met
    assert watch.reason() is None


def test_nothing_is_found_in_nothing() -> None:
    watch = UntilWatch([parse_condition("openat failed >1s /a*")], 0.0)
    watch.take(0, b"")
    assert watch.reason() is None
