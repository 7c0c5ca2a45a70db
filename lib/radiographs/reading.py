"""One radiograph from any file: DICOM, PNG, JPEG or TIFF. Used by notebook 01.

The kind of a file follows from its first bytes, never from its name. Each kind is a module with `read_header(path)` and
`read(path, size)`.
"""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from radiographs.radiograph import Header, ImageFault, Radiograph

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
RASTER = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
BARE_DICOM = (b"\x02\0", b"\x08\0", b"\0\x02", b"\0\x08")  # without preamble: the first element's group
KINDS = {"dicom": "DICOM", "raster": "image", "tiff": "TIFF"}  # by module


def read_header(path: Path) -> Header:
    """What the file says about its image, without decoding it; ImageFault where that is wrong already."""
    kind = _kind(path)
    with _damage_told(kind):
        return importlib.import_module(f"radiographs.{kind}").read_header(path)


def read(path: Path, size: int) -> Radiograph:
    """Decode one file and reduce it by a whole factor to a long side of at least `2 * size` pixels.

    ImageFault says why a file cannot be used.
    """
    kind = _kind(path)
    with _damage_told(kind):
        radiograph: Radiograph = importlib.import_module(f"radiographs.{kind}").read(path, size)
    if radiograph.pixels.ndim != 2:
        raise ImageFault(f"decodes to {radiograph.pixels.ndim} dimensions; a plane of pixels is expected")
    if not np.isfinite(radiograph.pixels).all():
        raise ImageFault("holds pixels that are not numbers (NaN or infinite)")
    return radiograph


def _kind(path: Path) -> str:
    """The module that reads a file (imported when it is needed: pydicom takes long, most cohorts hold one kind)."""
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
        return "dicom"
    if start.startswith(RASTER):
        return "raster"
    if start.startswith(TIFF):
        return "tiff"
    raise ImageFault("neither DICOM nor PNG, JPEG or TIFF (judged by its first bytes)")


@contextmanager
def _damage_told(kind: str) -> Iterator[None]:
    """Whatever a damaged file makes a parser or a codec raise becomes one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ImageFault, MemoryError):
        raise
    except Exception as error:  # parsers and codecs raise anything
        raise ImageFault(f"damaged {KINDS[kind]}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """An error on one line, without paths (they may name a patient)."""
    text = " ".join(str(error).split())
    told = text.isprintable() and not {"/", "\\"} & set(text)
    return text[:160] if text and told else type(error).__name__
