"""What the real programs work on: made here, the same every time, without network."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

SOURCES = 20
COMMITS = 300
FOLDERS = 40
FILES_PER_FOLDER = 25

HEADERS = ("ctype", "errno", "fcntl", "math", "signal", "stdint", "stdio", "stdlib", "string", "time", "unistd")
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "omicron"]


def build_project(folder: Path) -> None:
    """A C program of some files and a header, and a build script that compiles each file and links them."""
    folder.mkdir()
    declarations = "".join(f"int part{n}(int x);\n" for n in range(SOURCES))
    (folder / "parts.h").write_text(f"#ifndef PARTS_H\n#define PARTS_H\n{declarations}#endif\n")
    includes = "".join(f"#include <{name}.h>\n" for name in HEADERS)
    for n in range(SOURCES):
        body = f'int part{n}(int x)\n{{\n\tif (x > {n})\n\t\tprintf("%d\\n", x);\n\treturn x + {n};\n}}\n'
        (folder / f"part{n}.c").write_text(f'{includes}#include "parts.h"\n\n{body}')
    calls = "".join(f"\tx = part{n}(x);\n" for n in range(SOURCES))
    (folder / "main.c").write_text(
        f'#include "parts.h"\n\nint main(void)\n{{\n\tint x = 0;\n\n{calls}\treturn !x;\n}}\n'
    )
    (folder / "build.sh").write_text(
        "set -e\nrm -f *.o program\nfor source in *.c; do\n\tgcc -O1 -c $source\ndone\ngcc -o program *.o\n"
    )


def git_history(folder: Path) -> None:
    """A repository with several hundred commits, each of which changes a few lines, as loose objects."""
    chance = random.Random(23)
    files = {f"src/{a}/{b}.txt": [chance.choice(WORDS) for _ in range(60)] for a in WORDS[:6] for b in WORDS[:8]}
    stream = []
    for number in range(COMMITS):
        stream.append(
            f"commit refs/heads/main\ncommitter A <a@example.org> {1_700_000_000 + number * 3600} +0000\n"
            f"data {len(str(number))}\n{number}\n"
        )
        for path in list(files) if number == 0 else chance.sample(sorted(files), 3):
            files[path][chance.randrange(60)] = chance.choice(WORDS)
            text = "\n".join(files[path]) + "\n"
            stream.append(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n")
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    importing = ["git", "-c", "fastimport.unpackLimit=1000000", "-C", str(folder), "fast-import", "--quiet"]
    subprocess.run(importing, input="".join(stream).encode(), check=True)
    subprocess.run(["git", "-C", folder, "reset", "-q", "--hard"], check=True)


def tree(folder: Path) -> None:
    """A tree of a thousand files of 0 to 16 KiB."""
    chance = random.Random(23)
    for a in range(FOLDERS):
        inner = folder / f"folder{a // 8}" / f"folder{a}"
        inner.mkdir(parents=True)
        for b in range(FILES_PER_FOLDER):
            (inner / f"file{b}").write_bytes(chance.randbytes(chance.randrange(16384)))
