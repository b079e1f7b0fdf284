"""A small program built twice over: stripped, and its debug file apart."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bpfrec.formats.symbols.elf import ElfFile

SOURCE = """
__attribute__((noinline)) static int hidden(int n) { __asm__ volatile(".rept 16; nop; .endr"); return n * VERSION; }
__attribute__((noinline)) int shown(int n) { return hidden(n) + 1; }
int main(int argc, char **argv) { (void)argv; return shown(argc); }
"""


class Build:
    """A program, stripped, its debug file, and where ``hidden`` is."""

    def __init__(self, folder: Path, version: int = 2, *flags: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "it.c").write_text(SOURCE)
        self.program, self.debug = folder / "it", folder / "it.debug"
        command = ["gcc", "-g", "-O1", "-rdynamic", f"-DVERSION={version}", *(flags or ("-Wl,--build-id",))]
        subprocess.run([*command, "-o", "it", "it.c"], check=True, timeout=60, cwd=folder)
        listed = subprocess.run(["nm", "it"], check=True, timeout=30, cwd=folder, capture_output=True, text=True).stdout
        self.hidden = next(int(line.split()[0], 16) for line in listed.splitlines() if line.endswith(" hidden"))
        for options in (["--only-keep-debug", "it", "it.debug"], ["--strip-all", "--add-gnu-debuglink=it.debug", "it"]):
            subprocess.run(["objcopy", *options], check=True, timeout=30, cwd=folder)
        with self.program.open("rb") as file:
            self.build_id = ElfFile(file).build_id or ""
