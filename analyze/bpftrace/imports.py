"""``import "file.bt"``: the macros, structs and constants of another file."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.errors import Problem, Source, script_error
from bpfrec.analyze.bpftrace.parse import parse
from bpfrec.analyze.bpftrace.walk import walk

_MOST_FILES = 100
_MOST_BYTES = 1 << 20


def add_imports(source: Source, script: tree.Script) -> None:
    """Adds to ``script`` what the files hold that it imports, and those that they import.

    A path is relative to the folder of the file that names it; that of a script without a file, to the current one.

    Raises:
        ScriptError: a file cannot be read, or is no script; or it is of a kind that cannot be replayed.
    """
    seen = {Path(source.name).resolve()}
    pending = [(source, item) for item in script.imports]
    while pending:
        at, item = pending.pop(0)
        try:
            path = _path(at, item)
            if path in seen:
                continue
            seen.add(path)
            if len(seen) > _MOST_FILES:
                raise Problem(item.span, f"more than {_MOST_FILES} files are imported")
            imported = Source(str(path), _text(path, item))
        except Problem as problem:
            raise script_error(at, [problem]) from None
        other = parse(imported)
        for node in walk(other):
            node.span = replace(node.span, source=imported)
        _merge(script, other)
        pending += [(imported, more) for more in other.imports]


def _path(source: Source, item: tree.Import) -> Path:
    if not item.path.endswith(".bt"):
        raise Problem(
            item.span,
            f'import "{item.path}" cannot be replayed: a replay reads scripts alone, no C and no folders',
            "Import a file that ends in .bt.",
        )
    folder = Path(source.name).parent if Path(source.name).is_file() else Path()
    return (folder / item.path).resolve()


def _text(path: Path, item: tree.Import) -> str:
    try:
        for checked in (path, path.parent):
            if checked.stat().st_mode & stat.S_IWOTH:
                raise Problem(item.span, f"{checked} may be written by anybody, so it is not imported", "chmod o-w it.")
        if not path.is_file():
            raise Problem(item.span, f"{item.path}: not a file")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise Problem(item.span, f"{item.path}: larger than {_MOST_BYTES >> 20} MiB, so it is not imported")
        return data.decode("utf-8")
    except OSError as error:
        raise Problem(item.span, f"{item.path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Problem(item.span, f"{item.path}: not UTF-8 text") from None


def _merge(script: tree.Script, other: tree.Script) -> None:
    """Adds the other file's definitions, which those of the script itself go before."""
    script.macros = other.macros | script.macros
    script.defines = other.defines | script.defines
    script.functional_defines = other.functional_defines | script.functional_defines
    script.structs[:0] = other.structs
    script.enums[:0] = other.enums
    script.map_declarations += other.map_declarations
    script.probes += other.probes
