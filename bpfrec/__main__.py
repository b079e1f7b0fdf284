"""Where the program ``bpfrec`` begins; :mod:`bpfrec.program` is what it does."""

from __future__ import annotations

from bpfrec.formats.imports import interruptible_imports, refuse_import


def main() -> None:
    """Runs the command line and exits: 0 done, 1 failed with a message, 2 wrong usage, 130 interrupted."""
    # pyarrow would import pandas, which takes half a second, to see whether a list is one of its columns.
    refuse_import("pandas")
    with interruptible_imports():
        from bpfrec.program import run_program  # noqa: PLC0415
    run_program()


if __name__ == "__main__":
    main()
