"""The manifest of a trace that is made from another."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

from bpfrec.analyze.share.columns import ColumnRedactor
from bpfrec.formats.manifest import Manifest

_FIXED = frozenset(("events", "stacks", "stack_on"))
"""Options of a recording whose values are words of bpfrec's own."""

_OWN_WORDS = re.compile(r"[a-z ,]*|SIG[A-Z0-9+]+")
_CLASSES = {"comm": "programs", "cgroup": "paths"}


def redacted_manifest(manifest: Manifest, redactor: ColumnRedactor) -> Manifest:
    """A copy of ``manifest`` with what was chosen replaced."""

    def text(key: str, name: str, value: str) -> str:
        return redactor.value("manifest", key, name, value)

    def inside(key: str, value: Any, name: str) -> Any:
        if isinstance(value, str):
            return text(key, name, value)
        if isinstance(value, list):
            return [inside(key, item, name) for item in value]
        if isinstance(value, dict):
            return {text(key, name, str(k)): inside(key, item, name) for k, item in value.items()}
        return value

    made = deepcopy(manifest)
    made.host = replace(made.host, name=text("host.name", "host", made.host.name))
    made.command_line = inside("command_line", made.command_line, "arguments")
    made.configuration = {
        key: value if key in _FIXED else inside(f"configuration.{key}", value, _CLASSES.get(key, "arguments"))
        for key, value in made.configuration.items()
    }
    if made.command is not None:
        made.command = {
            key: value if key == "outcome" else inside(f"command.{key}", value, "arguments")
            for key, value in made.command.items()
        }
    made.stopped = _stopped(manifest, lambda value: text("stopped", "programs", value))
    return made


def _stopped(manifest: Manifest, redacted: Callable[[str], str]) -> str:
    """Why the recording stopped: bpfrec's own words, with the name of a command in front if one ended."""
    argv = (manifest.command or {}).get("argv")
    outcome = (manifest.command or {}).get("outcome")
    if isinstance(argv, list) and argv and manifest.stopped == f"{argv[0]} {outcome}":
        return f"{redacted(str(argv[0]))} {outcome}"
    return manifest.stopped if _OWN_WORDS.fullmatch(manifest.stopped) else redacted(manifest.stopped)
