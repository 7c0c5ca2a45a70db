"""The one exception that tells users what is wrong with what they gave us, and how its lines are put together."""

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

LONGEST = 4000  # characters of a line
Item = TypeVar("Item")
Made = TypeVar("Made")


def escaped(text: str) -> str:
    """The text with all that does not print (line breaks, escape sequences, marks that turn the direction) written out.

    File names, cells and DICOM fields come from outside: none of them can move the cursor, pass for a line of ours or
    fill the screen (a text of more than LONGEST characters loses its middle).
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


class InputError(Exception):
    """Faulty input: a study file, a manifest, an image, a predictions table or a weights file.

    `faults` holds one line each (`escaped`), naming file, row or key; all faults are collected before it is raised, so
    that users mend everything in one go. The command line prints them and exits with 1, without a traceback.
    """

    def __init__(self, faults: list[str] | str):
        self.faults = [escaped(fault) for fault in ([faults] if isinstance(faults, str) else faults)]
        super().__init__("\n".join(self.faults))


def raise_any(faults: list[str]) -> None:
    """InputError with all the faults; nothing where there are none."""
    if faults:
        raise InputError(faults)


def each(items: Iterable[Item], made: Callable[[Item], Made]) -> list[Made]:
    """`made(item)` of every item; InputError with the faults of all of them, equal ones once."""
    results, faults = [], list[str]()
    for item in items:
        try:
            results.append(made(item))
        except InputError as error:
            faults += error.faults
    raise_any(list(dict.fromkeys(faults)))
    return results


def nearest(given: object, known: Iterable[object], cutoff: float = 0.0) -> str:
    """The end of a fault's line that says what was probably meant; empty where nothing `known` is so near."""
    near = difflib.get_close_matches(str(given), [str(name) for name in known], 1, cutoff)
    return f"; the nearest is {near[0]!r}" if near else ""


def first_few(items: Iterable[object], most: int = 5, separator: str = ", ") -> str:
    """The first items as text, and how many more there are: `2, 3, 5 and 12 more`."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return separator.join(texts[:most]) + more
