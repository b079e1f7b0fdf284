"""What is left out of a trace that must not be larger than so many bytes, and in which order."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bpfrec.formats import schema
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import Manifest
from bpfrec.formats.units import bytes_in


@dataclass(frozen=True)
class Step:
    """Tables that are left out together, what they are called, and options of the recording that asked for them."""

    what: str
    tables: tuple[str, ...]
    configuration: tuple[tuple[str, Any], ...] = ()


STEPS = (
    Step("saved binaries", (schema.BINARIES.name, schema.BINARY_PARTS.name), (("save_binaries", False),)),
    Step("contents of reads and writes", (schema.DATA.name,), (("data_bytes", 0),)),
    Step("samples", (schema.SAMPLES.name,), (("profile_hz", None),)),
    Step("times off the CPU", (schema.SCHED.name,), (("sched", False), ("kernel_stacks_s", None))),
    Step(
        "call stacks",
        (schema.STACKS.name, schema.FRAMES.name, schema.JIT_SYMBOLS.name, schema.MAPPINGS.name),
        (("stacks", "off"),),
    ),
)
"""What is left out first comes first; after all of them, the calls of the beginning."""


def parse_size(text: str) -> int:
    """A size in bytes from ``500K``, ``10MB``, ``1.5GiB``; units are powers of 1024.

    Raises:
        BpfrecError: it is none.
    """
    with suppress(ValueError):
        if size := bytes_in(text):
            return size
    raise BpfrecError(f"--max-size {text!r} is no size", "Say it as 500K, 10M or 1G.")


def next_step(manifest: Manifest, dropped: frozenset[str]) -> Step | None:
    """The next step that would make a trace with this manifest smaller; None if only calls are left."""
    for step in STEPS:
        if not dropped.issuperset(step.tables) and any(
            manifest.tables[table].rows for table in step.tables if table in manifest.tables
        ):
            return step
    return None
