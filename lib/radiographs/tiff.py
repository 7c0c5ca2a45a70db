"""TIFF of 8, 16 or 32 bits, integer or floating point, decoded by tifffile (by Pillow where that has no codec)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile

from radiographs.burnt_in_text import looks_like_text
from radiographs.radiograph import Header, ImageFault, Radiograph, check_size, reduce_blocks, to_unit
from radiographs.raster import first_line, opened, upright_grey

WHITE_IS_ZERO = 0
PHOTOMETRIC = 262  # the tag's number


def read_header(path: Path) -> Header:
    """What the file says about its image, without decoding it."""
    with _damage_told(), tifffile.TiffFile(path) as file:
        return _header(file)


def read(path: Path, size: int) -> Radiograph:
    """Decode and reduce; white-is-zero is inverted, the orientation tag undone."""
    header = read_header(path)
    pixels = _pixels(path)
    if pixels.ndim == 3:
        pixels = pixels[..., :3].mean(-1)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageFault("holds pixels that are not numbers (NaN or infinite)")
    reduced = to_unit(reduce_blocks(pixels, size), pixels)
    if header.grey == "MONOCHROME1":
        reduced = 1 - reduced
    return Radiograph(reduced, header, looks_like_text(pixels))


@contextmanager
def _damage_told() -> Iterator[None]:
    """tifffile raises whatever a damaged file makes its parser stumble over; here it becomes an ImageFault."""
    try:
        yield
    except ImageFault:
        raise
    except Exception as error:
        raise ImageFault(f"damaged TIFF: {first_line(error)}") from None


def _pixels(path: Path) -> np.ndarray:
    with _damage_told(), tifffile.TiffFile(path) as file:
        page = file.pages.first
        try:
            raw = page.asarray()
        except Exception as error:
            if "imagecodecs" not in str(error):
                raise
            return _pixels_by_pillow(path)
        return _upright(raw, int(page.tags["Orientation"].value) if "Orientation" in page.tags else 1)


def _pixels_by_pillow(path: Path) -> np.ndarray:
    """As stored: Pillow turns 8-bit white-is-zero round by itself, `read` does so for every depth."""
    with opened(path) as image:
        pixels = upright_grey(image)
        tags = getattr(image, "tag_v2", {})  # of a TIFF; `opened` is for every format
        reversed_by_pillow = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO and pixels.dtype == np.uint8
        return 255 - pixels if reversed_by_pillow else pixels


def _header(file: tifffile.TiffFile) -> Header:
    page = file.pages.first
    pages = sum(other.shape[:2] == page.shape[:2] for other in file.pages)
    if pages > 1:
        raise ImageFault(f"holds {pages} pages; one image a file is expected")
    if page.ndim not in (2, 3) or (page.ndim == 3 and page.shape[-1] not in (3, 4)):
        raise ImageFault(f"has shape {page.shape}; a plane of grey or RGB pixels is expected")
    if page.dtype is None:
        raise ImageFault("holds pixels of an unknown type")
    check_size(page.imagewidth, page.imagelength)
    given = [n for n in ("Artist", "HostComputer", "Copyright", "DocumentName") if n in page.tags]
    inverted = int(page.photometric) == WHITE_IS_ZERO
    return Header(
        format="TIFF",
        width=page.imagewidth,
        height=page.imagelength,
        bits=page.dtype.itemsize * 8,
        grey="MONOCHROME1" if inverted else "RGB" if page.ndim == 3 else "MONOCHROME2",
        private_fields=tuple(n for n in given if str(page.tags[n].value).strip()),
    )


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo a TIFF orientation tag (TIFF 6.0, section 8)."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
