"""The page without a trace: its scripts read one that is dropped on it, in the browser."""

from __future__ import annotations

from typing import Any

from bpfrec.analyze.flame.frame import Kind
from bpfrec.analyze.flame.palette import KIND_COLORS, MODULE_COLORS, OTHER_MODULES
from bpfrec.analyze.page.document import document, inert, viewer_scripts
from bpfrec.analyze.page.kinds import KINDS, all_kinds
from bpfrec.analyze.page.tables import TABLES
from bpfrec.formats.kernel.call_lists import call_names
from bpfrec.formats.kernel.syscalls import syscalls


def viewer() -> str:
    """The viewer as one HTML document. What its scripts need to know of system calls is in it."""
    return document(inert(_facts()), "bpfrec viewer", viewer_scripts())


def _facts() -> dict[str, Any]:
    return {
        "tables": [spec.json for spec in TABLES],
        "facts": {
            "kind_names": KINDS,
            "kinds": all_kinds(),
            "paths": {call.name: call.paths[0] for call in syscalls().values() if call.paths},
            "descriptors": sorted(call_names("%desc")),
        },
        "palette": {
            "kinds": {kind.value: color for kind, color in KIND_COLORS.items() if kind is not Kind.NATIVE},
            "modules": MODULE_COLORS,
            "others": OTHER_MODULES,
        },
    }
