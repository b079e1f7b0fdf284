"""record/decode/interrupted.py: which interrupted calls failed with EINTR, as the ends of handlers tell."""

from __future__ import annotations

from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.record.decode.calls import call_rows
from bpfrec.record.decode.interrupted import InterruptedCalls

PAUSE, RESTART_SYSCALL, NO_HANDLER = 34, 219, -514
READ, POLL, RT_SIGRETURN, NANOSLEEP, SIGRETURN_32, RT_SIGRETURN_32, NANOSLEEP_32 = 0, 7, 15, 35, 119, 173, 162
RESTART, RESTART_ALWAYS, BLOCK = -512, -513, -516
EINTR = -4


def results(*calls: tuple[int, int], tid: int = 1, flags: int = 0, noise: tuple[bytes, ...] = ()) -> list[int]:
    """The results of ``calls`` (number, result) of one thread, in order of time; records come in another."""
    records = [
        *noise,
        *(
            ring_bytes.call(number, ret=ret, tid=tid, ts=at * 10, duration=5, flags=flags)
            for at, (number, ret) in enumerate(calls)
        ),
    ]
    interrupted = InterruptedCalls()
    for record in reversed(records):
        interrupted.note(ring_bytes.decode(record).calls)
    interrupted.settle()
    decoded = ring_bytes.decode(*records[len(noise) :])
    interrupted.apply(decoded.calls)
    return list(decoded.calls.ret.tolist())


def test_a_call_that_its_handler_does_not_repeat_failed() -> None:
    assert results((NANOSLEEP, BLOCK), (39, 5), (RT_SIGRETURN, EINTR)) == [EINTR, 5, EINTR]
    assert results((READ, RESTART), (RT_SIGRETURN, EINTR), (READ, 1)) == [EINTR, EINTR, 1]


def test_a_call_that_is_repeated_did_not_fail() -> None:
    assert results((READ, RESTART), (RT_SIGRETURN, READ), (READ, 1)) == [RESTART, READ, 1]
    assert results((POLL, RESTART_ALWAYS), (RT_SIGRETURN, POLL), (POLL, 1)) == [RESTART_ALWAYS, POLL, 1]
    assert results((NANOSLEEP, BLOCK), (219, 0)) == [BLOCK, 0], "no handler: stopped and continued"


def test_handlers_can_interrupt_handlers() -> None:
    nested = [(READ, RESTART), (POLL, RESTART), (RT_SIGRETURN, POLL), (NANOSLEEP, BLOCK), (RT_SIGRETURN, EINTR)]
    assert results(*nested, (RT_SIGRETURN, EINTR)) == [EINTR, RESTART, POLL, EINTR, EINTR, EINTR]
    two_at_once = [(READ, RESTART), (RT_SIGRETURN, 0), (RT_SIGRETURN, EINTR)]
    assert results(*two_at_once) == [EINTR, 0, EINTR]


def test_a_read_that_is_repeated_in_a_handler_is_not_what_the_handler_interrupted() -> None:
    nested = [(PAUSE, NO_HANDLER), (READ, RESTART), (RT_SIGRETURN, READ), (READ, 1), (RT_SIGRETURN, EINTR)]
    assert results(*nested) == [EINTR, RESTART, READ, 1, EINTR]
    never_repeated = [(NANOSLEEP, BLOCK), (RT_SIGRETURN, NANOSLEEP), (RT_SIGRETURN, EINTR)]
    assert results(*never_repeated) == [EINTR, NANOSLEEP, EINTR], "35 is what other code had in rax"


def test_a_call_that_went_on_without_a_handler_is_not_what_a_later_one_interrupted() -> None:
    stopped = [(PAUSE, NO_HANDLER), (NANOSLEEP, BLOCK), (RESTART_SYSCALL, 0), (RT_SIGRETURN, EINTR)]
    assert results(*stopped) == [EINTR, BLOCK, 0, EINTR]
    again = [(NANOSLEEP, BLOCK), (RESTART_SYSCALL, BLOCK), (RT_SIGRETURN, EINTR)]
    assert results(*again) == [BLOCK, EINTR, EINTR]


def test_an_end_with_eintr_belongs_to_the_call_that_returned_it() -> None:
    plain = [(READ, RESTART), (RT_SIGRETURN, READ), (232, EINTR), (RT_SIGRETURN, EINTR)]
    assert results(*plain) == [RESTART, READ, EINTR, EINTR]


def test_other_threads_and_calls_from_which_nobody_returned_do_not_count() -> None:
    other = ring_bytes.call(RT_SIGRETURN, ret=EINTR, tid=2, ts=7)
    ended = ring_bytes.call(RT_SIGRETURN, ret=EINTR, tid=1, ts=8, flags=wire.NO_RETURN)
    assert results((READ, RESTART), noise=(other, ended)) == [RESTART]


def test_32_bit_threads_have_other_numbers() -> None:
    for end in (SIGRETURN_32, RT_SIGRETURN_32):
        assert results((NANOSLEEP_32, BLOCK), (end, EINTR), flags=wire.COMPAT) == [EINTR, EINTR]
    assert results((NANOSLEEP, BLOCK), (SIGRETURN_32, EINTR)) == [BLOCK, EINTR], "native: shutdown"


def test_the_end_of_a_handler_does_not_fail() -> None:
    calls = ring_bytes.decode(ring_bytes.call(RT_SIGRETURN, ret=EINTR), ring_bytes.call(READ, ret=EINTR))
    table = call_rows(calls).table
    assert table["ret"].to_pylist() == [EINTR, EINTR]
    assert table["errno"].to_pylist() == [None, "EINTR"]
