"""The program ``bpfrec``: the one place that turns failures into messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from bpfrec.analyze.commands.agent import error_line, for_agent
from bpfrec.analyze.commands.endings import interrupted_status
from bpfrec.analyze.commands.time_limit import out_of_time
from bpfrec.analyze.render.escape import printable, printable_lines
from bpfrec.cli import root
from bpfrec.formats.errors import BpfrecError
from bpfrec.streams import discard, open_standard_streams

DONE = 0
FAILED = 1


def run_program() -> None:
    """Runs the command line and exits: 0 done, 1 failed with a message, 2 wrong usage, 130 interrupted."""
    open_standard_streams()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads any more (| head).
        discard(sys.stdout)
        code = FAILED
    except OSError as error:
        code = _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
    with _unread_is_discarded():
        sys.stderr.flush()
    sys.exit(code)


@contextmanager
def _unread_is_discarded() -> Iterator[None]:
    """For what goes to standard error: where nobody reads it, the exit status still tells."""
    try:
        yield
    except OSError:
        discard(sys.stderr)


def _run() -> int:
    try:
        code = root.main(prog_name="bpfrec", standalone_mode=False)
    except BpfrecError as error:
        return _fail(error.message, error.hint, error.exit_code)
    except MemoryError:
        return _fail("out of memory", "For analyze, BPFREC_MEMORY_LIMIT=16GB allows more.")
    except click.ClickException as error:
        return _refuse(error)
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except ImportError as error:
        # C extensions, and what imports them late, make this of a KeyboardInterrupt.
        if not _comes_of_interrupt(error):
            raise
        return _interrupted()
    return code if isinstance(code, int) else DONE


def _refuse(error: click.ClickException) -> int:
    """Says what is wrong with the command line; to a group without a command it writes the help."""
    if not isinstance(error, click.exceptions.NoArgsIsHelpError):
        return _fail(error.format_message(), _remedy(error), error.exit_code)
    if for_agent():
        return _fail("no command is given", _remedy(error), error.exit_code)
    sys.stdout.flush()
    with _unread_is_discarded():
        click.echo(error.format_message(), err=True)
    return error.exit_code


def _interrupted() -> int:
    late = out_of_time()
    return _fail(late.message, late.hint) if late else interrupted_status()


def _comes_of_interrupt(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _remedy(error: click.ClickException) -> str:
    """What to do about wrong usage."""
    context = getattr(error, "ctx", None)
    return f"For help: {context.command_path} --help" if context is not None else ""


def _fail(message: str, hint: str = "", code: int = FAILED) -> int:
    """Writes an error to standard error, and gives its exit code."""
    sys.stdout.flush()
    with _unread_is_discarded():
        if for_agent():
            click.echo(error_line(message, hint, code), err=True)
            return code
        click.echo(f"bpfrec: {printable(message)}", err=True)
        if hint:
            click.echo(printable_lines(hint), err=True)
    return code
