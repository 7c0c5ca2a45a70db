"""The one place that prints to a terminal (the linter allows `print` nowhere else in the library)."""

from typing import TextIO

from user_tables.faults import escaped


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print each of `lines` on one line, escaped; to standard output, or to `file`."""
    for line in lines:
        print(escaped(str(line)), file=file, flush=True)
