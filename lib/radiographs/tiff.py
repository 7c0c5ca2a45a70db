"""TIFF of 8, 16 or 32 bits, integer or floating point, decoded by tifffile (by Pillow where that has no codec).

Only the first page is read: the pages of a damaged file need not end.
"""

from itertools import islice
from pathlib import Path

import numpy as np
import tifffile
from tifffile import PHOTOMETRIC, TiffPage

from radiographs.burnt_in_text import looks_like_text
from radiographs.radiograph import (
    ORIENTATIONS,
    Header,
    ImageFault,
    Radiograph,
    check_size,
    reduce_blocks,
    to_unit,
    upright,
)
from radiographs.raster import grey, opened

LOOKED_AT = 64  # pages, to tell a thumbnail from its image and a stack from a radiograph
AS_STORED = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE)


def read_header(path: Path) -> Header:
    """What the file says about its image, without decoding it."""
    with tifffile.TiffFile(path) as file:
        return _header(file)


def read(path: Path, size: int) -> Radiograph:
    """Decode and reduce; white-is-zero is inverted, the orientation tag undone."""
    with tifffile.TiffFile(path) as file:
        header = _header(file)
        pixels = _pixels(file.pages.first, header.orientation, path)
    reduced = to_unit(reduce_blocks(pixels, size), pixels)
    white_is_zero = header.grey == "MONOCHROME1"
    text = looks_like_text(pixels, reversed_grey=white_is_zero)
    return Radiograph(1 - reduced if white_is_zero else reduced, header, text)


def _pixels(page: TiffPage, orientation: int, path: Path) -> np.ndarray:
    """Grey at the depth of the file, upright; colour as the mean of its channels."""
    if page.photometric not in AS_STORED:
        return _pixels_by_pillow(page, path)
    try:
        pixels = page.asarray()
    except (ValueError, ModuleNotFoundError) as error:
        if isinstance(error, ValueError) and "imagecodecs" not in str(error):
            raise
        return _pixels_by_pillow(page, path)
    if page.photometric == PHOTOMETRIC.PALETTE:
        if page.colormap is None:
            raise ImageFault("damaged TIFF: a palette image without its palette")
        pixels = np.moveaxis(page.colormap[:, pixels], 0, -1)
    if pixels.ndim == 3:
        pixels = pixels[..., :3].mean(-1).astype(pixels.dtype)
    return upright(pixels, orientation)


def _pixels_by_pillow(page: TiffPage, path: Path) -> np.ndarray:
    """Upright, which Pillow sees to. Greys as stored: it turns 8-bit white-is-zero round, `read` does so for all."""
    try:
        with opened(path) as image:
            pixels = grey(image)
    except MemoryError:
        raise
    except Exception:
        stored = getattr(page.compression, "name", f"compression {page.compression}")
        raise ImageFault(f"its pixels ({stored}) cannot be decoded: damaged, or no decoder here reads it") from None
    return 255 - pixels if page.photometric == PHOTOMETRIC.MINISWHITE and pixels.dtype == np.uint8 else pixels


def _header(file: tifffile.TiffFile) -> Header:
    page = file.pages.first
    _check_pages(file)
    if page.ndim not in (2, 3) or (page.ndim == 3 and page.shape[-1] not in (3, 4)):
        raise ImageFault(f"has shape {page.shape}; a plane of grey or RGB pixels is expected")
    if page.dtype is None or page.dtype.kind not in "biuf":
        raise ImageFault("holds pixels of an unknown type")
    check_size(page.imagewidth, page.imagelength)
    given = [n for n in ("Artist", "HostComputer", "Copyright", "DocumentName") if n in page.tags]
    orientation = page.tags.valueof("Orientation")
    inverted = page.photometric == PHOTOMETRIC.MINISWHITE
    return Header(
        format="TIFF",
        width=page.imagewidth,
        height=page.imagelength,
        bits=page.dtype.itemsize * 8,
        grey="MONOCHROME1" if inverted else "RGB" if page.ndim == 3 else "MONOCHROME2",
        orientation=int(orientation) if orientation in ORIENTATIONS else 1,
        private_fields=tuple(n for n in given if str(page.tags[n].value).strip()),
    )


def _check_pages(file: tifffile.TiffFile) -> None:
    """Refuse a stack, and a thumbnail before its image. A page met again, by its offset, ends the look."""
    shapes: dict[int, tuple[int, ...]] = {}
    for page in islice(file.pages, LOOKED_AT):
        if page.offset in shapes:
            break
        shapes[page.offset] = page.shape[:2]
    first, *others = shapes.values()
    if file.pages.first.is_reduced or any(np.prod(shape) > np.prod(first) for shape in others):
        raise ImageFault("its first page is a thumbnail; one image a file is expected")
    if pages := others.count(first):
        raise ImageFault(f"holds {pages + 1} pages; one image a file is expected")
