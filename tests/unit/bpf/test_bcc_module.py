"""bpf/bcc_module.py: the distribution's bcc is found, PyPI's is told apart, a broken one is explained."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from bpfrec.bpf import bcc_module
from bpfrec.formats.errors import BpfrecError


@pytest.fixture(autouse=True)
def _no_bcc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "bcc" or name.startswith("bcc.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bcc", None)  # type: ignore[arg-type] # restored, whatever the test loads
    del sys.modules["bcc"]


def package(folder: Path, init: str, *, libbcc: bool = True) -> Path:
    (folder / "bcc").mkdir(parents=True)
    (folder / "bcc" / "__init__.py").write_text(init)
    if libbcc:
        (folder / "bcc" / "libbcc.py").write_text("answer = 42\n")
    return folder


def test_the_named_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = package(tmp_path, "from .libbcc import answer\nclass BPF: pass\n")
    monkeypatch.setenv(bcc_module.SEARCH_VARIABLE, str(folder))
    module = bcc_module.load_bcc()
    assert module.answer == 42
    assert bcc_module.load_bcc() is module, "loaded twice, its state is doubled"


def test_without_it_the_message_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bcc_module.SEARCH_VARIABLE, str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "arch"})
    with pytest.raises(BpfrecError, match="pacman -S python-bcc"):
        bcc_module.load_bcc()


def test_pypis_project_of_that_name_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path / "site", "raise RuntimeError('imported')\n", libbcc=False)
    monkeypatch.setenv(bcc_module.SEARCH_VARIABLE, str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    with pytest.raises(BpfrecError, match="pip uninstall bcc"):
        bcc_module.load_bcc()


def test_one_whose_library_is_missing_is_explained_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "import ctypes\nctypes.CDLL('libbcc.so.nothing')\n"
    monkeypatch.setenv(bcc_module.SEARCH_VARIABLE, str(package(tmp_path, broken)))
    with pytest.raises(BpfrecError, match=r"does not load: libbcc\.so\.nothing"):
        bcc_module.load_bcc()
    assert "bcc" not in sys.modules, "half a module would be found the next time"


def test_one_that_is_no_python_of_today_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = package(tmp_path, "print 'bcc'\n")
    monkeypatch.setenv(bcc_module.SEARCH_VARIABLE, str(old))
    with pytest.raises(BpfrecError, match="does not load") as caught:
        bcc_module.load_bcc()
    assert caught.value.hint.startswith("Install it with: ") or "called: " in caught.value.hint
