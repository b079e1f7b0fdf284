"""bpf/kernel_facts.py: what the kernel's type information says is read once and kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfrec.bpf import btf, kernel_facts
from bpfrec.bpf.defines import defines_of
from bpfrec.bpf.kernel_facts import KernelFacts
from bpfrec.bpf.program_cache import ProgramCache
from bpfrec.bpf.selection import Selection
from bpfrec.formats.errors import BpfrecError

FACTS = KernelFacts(task=("TASK_TGID=1",), stack=("TASK_MM=2",), submit_point="io_uring_submit_req")


@pytest.fixture
def cache(tmp_path: Path) -> ProgramCache:
    return ProgramCache(tmp_path / "cache", os.geteuid())


def refuse() -> KernelFacts:
    raise AssertionError("they are read although they are kept")


def test_facts_are_read_once(cache: ProgramCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_facts, "read_kernel_facts", lambda: FACTS)
    assert kernel_facts.kernel_facts(cache) == FACTS
    monkeypatch.setattr(kernel_facts, "read_kernel_facts", refuse)
    assert kernel_facts.kernel_facts(cache) == FACTS


def test_facts_of_another_boot_or_of_another_form_are_not_used(
    cache: ProgramCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("one")
    monkeypatch.setattr(kernel_facts, "_BOOT", boot)
    spoils = (lambda: boot.write_text("two"), lambda: cache.put_facts(kernel_facts._key(), b"7"))
    for number, spoil in enumerate(spoils):
        monkeypatch.setattr(kernel_facts, "read_kernel_facts", lambda number=number: KernelFacts(task=(f"N={number}",)))
        kernel_facts.kernel_facts(cache)
        spoil()
        monkeypatch.setattr(kernel_facts, "read_kernel_facts", lambda: FACTS)
        assert kernel_facts.kernel_facts(cache) == FACTS


def test_that_nothing_can_be_read_is_not_kept(cache: ProgramCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_facts, "read_kernel_facts", KernelFacts)
    assert kernel_facts.kernel_facts(cache) == KernelFacts()
    monkeypatch.setattr(kernel_facts, "read_kernel_facts", lambda: FACTS)
    assert kernel_facts.kernel_facts(cache) == FACTS


def test_without_type_information_all_works_but_following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(btf, "VMLINUX", tmp_path / "vmlinux")
    facts = kernel_facts.read_kernel_facts()
    assert facts == KernelFacts()
    assert not defines_of(Selection(tgids=frozenset({7})), facts).knows_ends
    for selection in (Selection(tgids=frozenset({7}), follow=True), Selection(tgids=frozenset({7}), sched=True)):
        with pytest.raises(BpfrecError, match="CONFIG_DEBUG_INFO_BTF"):
            defines_of(selection, facts)


@pytest.mark.skipif(not btf.VMLINUX.exists(), reason="this kernel has no type information")
def test_the_running_kernel_has_what_every_recording_needs() -> None:
    facts = kernel_facts.read_kernel_facts()
    assert any(define.startswith("TASK_TGID=") for define in facts.task)
    assert facts.stack
    assert facts.sched
