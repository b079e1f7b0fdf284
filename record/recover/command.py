"""``bpfrec recover``."""

from __future__ import annotations

import csv
import io
import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.printable import printable
from bpfrec.formats.temporary import abandoned_folders, remove_abandoned

if TYPE_CHECKING:
    from bpfrec.record.recover.folders import LeftFolder

_COLUMNS = ("folder", "state", "target", "pid", "began", "until", "bytes")


@click.command()
@click.argument("place", metavar="[FOLDER|FILE]", type=click.Path(path_type=Path), default=".")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the trace to FILE. [where the recording was to write it]",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--list",
    "listing",
    is_flag=True,
    help="List the folders that killed recorders left: state, target, times and size. Changes nothing.",
)
@click.option(
    "--clean",
    is_flag=True,
    help="Remove these folders, and temporary files that ended programs left. What they recorded is lost.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="Form of the list, and of what was saved of a damaged trace.",
)
def recover(place: Path, output: Path | None, force: bool, listing: bool, clean: bool, form: str) -> None:
    """Make a trace of a recording whose recorder was killed, or of a trace that is damaged.

    For a killed recorder, name the trace that it was to write, the folder that this is in, or the hidden folder beside
    it that the recorder left. The new trace has the calls up to the recorder's end; "analyze info" says that it is not
    finished.

    For a trace that was damaged or cut short, name it, and another FILE with -o. FILE gets every table that is whole,
    and the rows before the place where the file was cut; what was saved and lost is listed, and the table "losses" says
    it too.
    """
    if listing and clean:
        raise click.UsageError("--list changes nothing, and --clean removes: leave out one")
    if (listing or clean) and (output is not None or force):
        raise click.UsageError("-o and --force are for making a trace: leave out --list and --clean")
    # numpy and pyarrow are slow to import, and --help need not wait for them.
    from bpfrec.record.recover.folders import find_left  # noqa: PLC0415

    left = find_left(place)
    if listing:
        rows = [_row(folder) for folder in left] + [_temporary_row(folder) for folder in abandoned_folders()]
        click.echo(_listing(rows, form), nl=False)
    elif clean:
        _clean(left)
    elif place.is_file() and not left:
        _salvage(place, output, force, form)
    else:
        _recover(place, left, output, force)


def _recover(place: Path, left: list[LeftFolder], named: Path | None, force: bool) -> None:
    from bpfrec.record.display import Display  # noqa: PLC0415
    from bpfrec.record.recover.folders import OpenFolder  # noqa: PLC0415
    from bpfrec.record.recover.recovering import recover_folder  # noqa: PLC0415
    from bpfrec.record.run import permit_many_files  # noqa: PLC0415
    from bpfrec.record.session.output import DEFAULT, prepare  # noqa: PLC0415
    from bpfrec.record.session.sudo_user import user_behind_sudo  # noqa: PLC0415
    from bpfrec.record.session.unprivileged import unprivileged  # noqa: PLC0415

    usable = [folder for folder in left if folder.kept and folder.kept.attached and not folder.is_in_use]
    if not usable:
        in_use = next((folder for folder in left if folder.is_in_use), None)
        if in_use is not None:
            raise BpfrecError(
                f"{in_use.path} is in use: its recorder is still at work", "Stop it with Ctrl-C, or wait."
            )
        raise BpfrecError(
            f"no killed recorder left anything of {place}",
            "bpfrec recover --list FOLDER lists what there is in a folder.",
        )
    if len(usable) > 1:
        names = "\n".join(f"  bpfrec recover {shlex.quote(str(folder.path))}" for folder in usable)
        raise BpfrecError("there is more than one recording here: say which", names)
    chosen = usable[0]
    begun = chosen.kept.begun if chosen.kept else None
    wanted = chosen.path.parent / begun.target.name if begun else chosen.path.parent / DEFAULT
    target = named or wanted
    user = user_behind_sudo()
    permit_many_files()
    with (
        OpenFolder(chosen.path) as folder,
        # A trace that stands under the default name is kept as another one would be.
        prepare(target, force or (named is None and target.name == DEFAULT.name), user, keep_old=not force) as output,
        Display("") as display,
    ):
        identity = unprivileged(user, output, folder)
        try:
            recovered = recover_folder(folder.path, output, user, display.finishing, identity)
            old = output.publish(recovered.finished.file)
        except OSError as error:
            raise BpfrecError(
                f"cannot write {target}: {error.strerror or error}", "Name another file with -o; nothing is removed."
            ) from None
        display.summary(recovered.request, recovered.recorded, recovered.finished, output.target, old)
        folder.remove()


def _salvage(damaged: Path, named: Path | None, force: bool, form: str) -> None:
    from bpfrec.record.recover.salvaging import salvage_trace  # noqa: PLC0415
    from bpfrec.record.session.sudo_user import user_behind_sudo  # noqa: PLC0415

    found = salvage_trace(damaged, named, force, user_behind_sudo())
    rows = [{"table": name, "state": "saved", "rows": count} for name, count in found.kept.items()]
    rows += [{"table": name, "state": "saved in part", "rows": count} for name, count in found.partial.items()]
    for name, count in found.missing.items():
        left = None if count is None else count - found.partial.get(name, 0)
        rows.append({"table": name, "state": "lost", "rows": left})
    click.echo(_listing(rows, form, ("table", "state", "rows")), nl=False)
    if not found.has_manifest:
        click.echo("bpfrec: the manifest is lost: the host, the options and the wall clock are not known", err=True)
    click.echo(
        f"bpfrec: {len(found.kept)} tables of {printable(str(damaged))} are saved in {printable(str(named))}, "
        f"{len(found.missing) - len(found.partial)} are lost, {len(found.partial)} in part",
        err=True,
    )


def _clean(left: list[LeftFolder]) -> None:
    from bpfrec.record.recover.folders import OpenFolder  # noqa: PLC0415

    removed = 0
    for found in left:
        if found.is_in_use:
            click.echo(f"bpfrec: {printable(str(found.path))} is in use and stays", err=True)
            continue
        with OpenFolder(found.path) as folder:
            folder.remove()
        click.echo(f"bpfrec: removed {printable(str(found.path))}", err=True)
        removed += 1
    removed += remove_abandoned()
    if not removed:
        click.echo("bpfrec: there was nothing to remove", err=True)


def _row(folder: LeftFolder) -> dict[str, Any]:
    kept = folder.kept
    begun, attached, mark = (kept.begun, kept.attached, kept.mark) if kept else (None, None, None)
    wall = attached.clock.wall_ns - attached.clock.monotonic_ns if attached else 0
    return {
        "folder": str(folder.path),
        "state": folder.state,
        "target": str(begun.target) if begun else None,
        "pid": begun.pid if begun else None,
        "began": _time(begun.wall_ns) if begun else None,
        "until": _time(mark.time_ns + wall) if mark and attached else None,
        "bytes": folder.size,
    }


def _temporary_row(folder: Path) -> dict[str, Any]:
    from bpfrec.record.session.working_folder import bytes_on_disk  # noqa: PLC0415

    size = bytes_on_disk(file for file in folder.rglob("*") if file.is_file())
    return dict.fromkeys(_COLUMNS) | {"folder": str(folder), "state": "temporary files", "bytes": size}


def _time(wall_ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall_ns / 1e9))


def _listing(rows: list[dict[str, Any]], form: str, columns: Sequence[str] = _COLUMNS) -> str:
    if form == "json":
        return json.dumps(rows, indent=2) + "\n"
    out = io.StringIO()
    if form == "csv":
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()
    if not rows:
        return "nothing was left here\n"
    texts = [[name.upper() for name in columns]]
    texts += [["-" if row[name] is None else printable(str(row[name])) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for line in texts:
        out.write("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n")
    return out.getvalue()
