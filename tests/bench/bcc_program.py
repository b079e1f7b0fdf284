"""Compiles with bcc, without kernel headers, as bpfrec does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpfrec.bpf
from bpfrec.bpf.bcc_module import load_bcc

_SHIM = Path(bpfrec.bpf.__file__).parent / "programs" / "shim"


def compile_bpf(text: str) -> Any:
    """bcc's BPF object of this program."""
    os.environ["BCC_KERNEL_SOURCE"] = str(_SHIM)
    return load_bcc().BPF(text=text.encode())
