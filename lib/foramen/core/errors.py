"""The one exception that tells users what is wrong with what they gave us, and how a long list is shortened in it."""

from collections.abc import Iterable

from foramen.core.terminal import escaped


class InputError(Exception):
    """Faulty input: a study file, a manifest, an image, a predictions table or a weights file.

    `faults` holds one line each (`terminal.escaped`), naming file, row or key; all faults are collected before it is
    raised, so that users mend everything in one go. The command line prints them and exits with 1, without a traceback.
    """

    def __init__(self, faults: list[str] | str):
        self.faults = [escaped(fault) for fault in ([faults] if isinstance(faults, str) else faults)]
        super().__init__("\n".join(self.faults))


def raise_any(faults: list[str]) -> None:
    """InputError with all the faults; nothing where there are none."""
    if faults:
        raise InputError(faults)


def first_few(items: Iterable[object], most: int = 5, separator: str = ", ") -> str:
    """The first items as text, and how many more there are: `2, 3, 5 and 12 more`."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return separator.join(texts[:most]) + more
