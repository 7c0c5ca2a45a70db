"""The one place that prints to a terminal (the linter allows `print` nowhere else in the library)."""

from typing import TextIO

LONGEST = 4000  # characters of a line


def escaped(text: str) -> str:
    """The text with all that does not print (line breaks, escape sequences, marks that turn the direction) written out.

    File names, cells and DICOM fields come from outside: none of them can move the cursor, pass for a line of ours or
    fill the screen (a text of more than LONGEST characters loses its middle).
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print each of `lines` on one line, escaped; to standard output, or to `file`."""
    for line in lines:
        print(escaped(str(line)), file=file, flush=True)
