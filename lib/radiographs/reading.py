"""One radiograph from any file: DICOM, PNG, JPEG or TIFF. Used by notebook 01.

The kind of a file follows from its first bytes, never from its name. Each kind is a module with `read_header(path)` and
`read(path, size)`.
"""

import importlib
from pathlib import Path
from types import ModuleType

from radiographs.radiograph import Header, ImageFault, Radiograph

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
RASTER = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
BARE_DICOM = (b"\x02\0", b"\x08\0", b"\0\x02", b"\0\x08")  # without preamble: the first element's group


def read_header(path: Path) -> Header:
    """What the file says about its image, without decoding it; ImageFault where that is wrong already."""
    return _kind(path).read_header(path)


def read(path: Path, size: int) -> Radiograph:
    """Decode one file and reduce it by a whole factor to a long side of at least `2 * size` pixels.

    ImageFault says why a file cannot be used.
    """
    return _kind(path).read(path, size)


def _kind(path: Path) -> ModuleType:
    """The module that reads a file; imported when it is needed (pydicom takes long, most cohorts hold one kind)."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(132)
    except FileNotFoundError:
        raise ImageFault("no such file") from None
    except OSError as error:
        raise ImageFault(f"cannot be opened: {error.strerror or error}") from None
    if not start:
        raise ImageFault("empty file (0 bytes)")
    # DICOM first: its preamble may hold a TIFF header, so that a file is both
    if start[128:132] == b"DICM" or start.startswith(BARE_DICOM):
        return importlib.import_module("radiographs.dicom")
    if start.startswith(RASTER):
        return importlib.import_module("radiographs.raster")
    if start.startswith(TIFF):
        return importlib.import_module("radiographs.tiff")
    raise ImageFault("neither DICOM nor PNG, JPEG or TIFF (judged by its first bytes)")
