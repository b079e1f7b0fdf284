"""Zips that are made to harm."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import struct
import warnings
import zipfile
from pathlib import Path

from support.hostile.making import EVIL, of_file, zipped

from bpfrec.formats.manifest import MANIFEST


def _with(members: Path, target: Path, *more: tuple[str | zipfile.ZipInfo, bytes], first: bool = False) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in more if first else ():
            archive.writestr(name, content)
        for member in sorted(members.iterdir()):
            archive.write(member, member.name)
        for name, content in () if first else more:
            archive.writestr(name, content)


@of_file
def a_table_twice(members: Path, target: Path) -> None:
    _with(members, target, ("syscalls.parquet", b"another"))


@of_file
def a_manifest_twice(members: Path, target: Path) -> None:
    _with(members, target, (MANIFEST, b"{}"), first=True)


@of_file
def members_elsewhere(members: Path, target: Path) -> None:
    names = ("../../outside", "/tmp/bpfrec-outside", "..\\outside", "C:\\outside", "syscalls.parquet/x", EVIL)
    _with(members, target, *((name, b"x") for name in names))


@of_file
def a_member_is_a_link(members: Path, target: Path) -> None:
    link = zipfile.ZipInfo("threads.parquet")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    content = b"/etc/passwd"
    (members / "threads.parquet").unlink()
    manifest = json.loads((members / MANIFEST).read_text())
    digest = hashlib.sha256(content).hexdigest()
    manifest["tables"]["threads"] = {"rows": 1, "bytes": len(content), "sha256": digest}
    (members / MANIFEST).write_text(json.dumps(manifest))
    _with(members, target, (link, content))


@of_file
def compressed_members(members: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in sorted(members.iterdir()):
            archive.write(member, member.name, zipfile.ZIP_STORED if member.name == MANIFEST else None)


@of_file
def a_manifest_of_zeros(members: Path, target: Path) -> None:
    (members / MANIFEST).write_bytes(bytes(64 << 20))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(members / MANIFEST, MANIFEST)
    (members / MANIFEST).unlink()


def _patched(members: Path, target: Path, name: str, at: int, value: bytes) -> None:
    """Writes ``value`` at the offset ``at`` of the entry of ``name`` in the directory of the zip (APPNOTE 4.3.12)."""
    content = bytearray(zipped(members).read_bytes())
    entry = content.rfind(name.encode()) - 46
    assert content[entry : entry + 4] == b"PK\x01\x02"
    content[entry + at : entry + at + len(value)] = value
    target.write_bytes(content)


@of_file
def an_encrypted_member(members: Path, target: Path) -> None:
    _patched(members, target, "syscalls.parquet", 8, struct.pack("<H", 1))


@of_file
def a_member_of_an_unknown_method(members: Path, target: Path) -> None:
    _patched(members, target, "syscalls.parquet", 10, struct.pack("<H", 77))


@of_file
def a_member_that_claims_4_gb(members: Path, target: Path) -> None:
    _patched(members, target, "syscalls.parquet", 20, struct.pack("<II", 0xFFFFFFFE, 0xFFFFFFFE))


@of_file
def a_member_that_begins_behind_the_end(members: Path, target: Path) -> None:
    _patched(members, target, "syscalls.parquet", 42, struct.pack("<I", 0xFFFFFFF0))


@of_file
def a_member_over_another(members: Path, target: Path) -> None:
    _patched(members, target, "frames.parquet", 42, struct.pack("<I", 0))


@of_file
def a_sparse_file(_members: Path, target: Path) -> None:
    with target.open("wb") as file:
        os.truncate(file.fileno(), 1 << 36)
        file.seek(1 << 36)
        file.write(b"PK\x05\x06" + bytes(18))


@of_file
def half_a_file(members: Path, target: Path) -> None:
    whole = zipped(members).read_bytes()
    target.write_bytes(whole[: len(whole) // 2])


@of_file
def a_comment_of_escapes(members: Path, target: Path) -> None:
    _with(members, target)
    with zipfile.ZipFile(target, "a") as archive:
        archive.comment = EVIL.encode() * 500


@of_file
def a_page_of_the_web(members: Path, target: Path) -> None:
    shutil.rmtree(members)
    target.write_text(f"<html><script>{EVIL}</script></html>")
