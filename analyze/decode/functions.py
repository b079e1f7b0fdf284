"""The SQL functions that make text of raw numbers, each a macro of DuckDB."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from bpfrec.analyze.decode import text_functions as bodies
from bpfrec.analyze.decode.decoders import decoder_body
from bpfrec.formats.kernel.decoding import Decoder, decoders

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class TextMacro:
    """A SQL macro that makes text: its parameters, of what, the macros it calls, and what makes its body."""

    name: str
    parameters: tuple[str, ...]
    comment: str
    needs: tuple[str, ...]
    body: Callable[[], str]

    @property
    def signature(self) -> str:
        """Name and parameters, as it is called."""
        return f"{self.name}({', '.join(self.parameters)})"

    def create(self) -> str:
        """The statement that makes the macro."""
        return f"CREATE OR REPLACE MACRO {self.signature} AS {self.body()}"


@cache
def functions() -> dict[str, TextMacro]:
    """Every function by name, each after those that it calls."""
    made = [_of_decoder(decoder) for decoder in decoders().values()]
    made.sort(key=lambda function: len(function.needs) > 0)
    return {function.name: function for function in (*made, *_OTHERS)}


def named_in(text: str) -> list[TextMacro]:
    """The functions whose names stand in SQL, and those that they call, each after what it calls."""
    words = {word.lower() for word in _WORD.findall(text)}
    needed = words.union(*(functions()[word].needs for word in words if word in functions()))
    return [function for name, function in functions().items() if name in needed]


def _of_decoder(decoder: Decoder) -> TextMacro:
    parameters = ("selector", "value") if decoder.choices else ("value",)
    needs = tuple(sorted(set(decoder.choices.values())))
    return TextMacro(decoder.name, parameters, decoder.comment, needs, partial(decoder_body, decoder))


_OTHERS = (
    TextMacro(
        "quoted_text",
        ("path", "status"),
        "path and its status as a C string: quoted, with escapes",
        (),
        bodies.quoted_text,
    ),
    TextMacro("bytes_text", ("bytes",), "contents as a C string: quoted, with escapes", (), bodies.bytes_text),
    TextMacro(
        "result_text", ("value",), "result of a call: a number, or an error and what it means", (), bodies.result_text
    ),
    TextMacro(
        "failed",
        ("ret",),
        "whether a result says that the call failed; one that the kernel makes again (ERESTARTSYS ...) has not",
        (),
        bodies.failed,
    ),
    TextMacro(
        "sockaddr_text",
        ("family", "address", "port", "extra", "status"),
        "socket address, by the columns of sockaddrs",
        ("address_family", "quoted_text"),
        bodies.sockaddr_text,
    ),
    TextMacro(
        "wait_status_text",
        ("value",),
        "status of a child, as wait4(2) gives it",
        ("ptrace_event_name", "signal_name"),
        bodies.wait_status_text,
    ),
    TextMacro("sigset_text", ("value",), "set of signals, as a mask of 64 bits", (), bodies.sigset_text),
    TextMacro("limit_text", ("value",), "resource limit", (), bodies.limit_text),
)
