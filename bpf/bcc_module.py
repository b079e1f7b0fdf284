"""Finds the distribution's ``bcc`` module, whichever Python runs bpfrec.

bcc's Python module is ctypes over ``libbcc.so.0`` and comes with the distribution. PyPI's project of that name has
nothing to do with BPF. So the distribution's module is loaded by its path.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

from bpfrec.bpf.distributions import how_to_install
from bpfrec.formats.errors import BpfrecError

SEARCH_VARIABLE = "BPFREC_BCC_PATH"
"""Environment variable that names the folder with ``bcc/`` in it; no other place is searched then."""


def load_bcc() -> ModuleType:
    """The ``bcc`` module.

    Raises:
        BpfrecError: not installed, PyPI's unrelated ``bcc`` in its place, or its library does not load.
    """
    present = sys.modules.get("bcc")
    if present is not None and hasattr(present, "BPF"):
        return present
    folder = next((f for f in _folders() if (f / "bcc" / "libbcc.py").is_file()), None)
    if folder is None:
        raise _missing()
    return _import_from(folder)


def bcc_identity() -> str:
    """Which bcc :func:`load_bcc` would load, without loading it: its place and version; empty if there is none."""
    folder = next((f for f in _folders() if (f / "bcc" / "libbcc.py").is_file()), None)
    if folder is None:
        return ""
    try:
        return f"{folder} {(folder / 'bcc' / 'version.py').read_text()}"
    except (OSError, ValueError):
        return f"{folder}"


def _folders() -> list[Path]:
    override = os.environ.get(SEARCH_VARIABLE)
    if override:
        return [Path(override)]
    usual = [Path("/usr/lib/python3/dist-packages")]
    for pattern in ("lib/python3*/site-packages", "lib64/python3*/site-packages", "local/lib/python3*/dist-packages"):
        usual += sorted(Path("/usr").glob(pattern), reverse=True)
    return usual + [Path(entry) for entry in sys.path if entry]


def _missing() -> BpfrecError:
    spec = importlib.util.find_spec("bcc")
    if spec is not None and spec.origin:
        return BpfrecError(
            f"{spec.origin} is PyPI's project 'bcc', which is not the BPF compiler collection",
            f"Remove it with: pip uninstall bcc\n{how_to_install()}",
        )
    return BpfrecError("bcc, which compiles and loads the BPF programs, is not installed", how_to_install())


def _import_from(folder: Path) -> ModuleType:
    package = folder / "bcc"
    spec = importlib.util.spec_from_file_location(
        "bcc", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        raise _missing()
    module = importlib.util.module_from_spec(spec)
    sys.modules["bcc"] = module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec.loader.exec_module(module)
    except Exception as error:  # an older library lacks functions, an older module is no Python of today
        for name in [name for name in sys.modules if name == "bcc" or name.startswith("bcc.")]:
            del sys.modules[name]
        raise BpfrecError(f"bcc in {package} does not load: {error}", how_to_install()) from None
    return module
