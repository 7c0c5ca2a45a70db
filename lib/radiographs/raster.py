"""PNG and JPEG, decoded by Pillow."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

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

HARMLESS = ("Software", "software", "XML:com.adobe.xmp", "date:create", "date:modify")


def read_header(path: Path) -> Header:
    """What the file says about its image, without decoding it."""
    with opened(path) as image:
        return _header(image)


def read(path: Path, size: int) -> Radiograph:
    """Decode and reduce; upright by its EXIF tag."""
    with opened(path) as image:
        header = _header(image)
        if image.format == "JPEG":  # no colour; and no smaller size, in which letters would blur
            image.draft("L", None)
        pixels = upright(grey(image), header.orientation)
        return Radiograph(to_unit(reduce_blocks(pixels, size), pixels), header, looks_like_text(pixels))


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """`Image.open` that refuses what no detector makes, and what has no header, as ImageFault."""
    try:
        # given a path, Pillow would map a TIFF's pixels, and those that lie turned by a quarter wrongly
        with open(path, "rb") as stream:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(stream)
            with image:
                yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ImageFault("more pixels than any radiograph has (a decompression bomb?)") from None
    except UnidentifiedImageError:
        raise ImageFault("damaged image: its header cannot be read") from None


def grey(image: Image.Image) -> np.ndarray:
    """Grey pixels at the depth of the file, as stored (Pillow turns those of a TIFF upright)."""
    is_grey = image.mode in ("L", "I", "F") or image.mode.startswith("I;16")
    return np.asarray(image if is_grey else image.convert("L"))


def _header(image: Image.Image) -> Header:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageFault(f"holds {frames} frames; one image a file is expected")
    check_size(*image.size)
    orientation = image.getexif().get(ExifTags.Base.Orientation)
    return Header(
        format=image.format or "",
        width=image.width,
        height=image.height,
        bits=16 if image.mode.startswith("I") else 8,
        grey="RGB" if image.mode in ("RGB", "RGBA", "P", "CMYK") else "MONOCHROME2",
        orientation=int(orientation) if orientation in ORIENTATIONS else 1,
        private_fields=_private_text(image),
    )


def _private_text(image: Image.Image) -> tuple[str, ...]:
    """Names of text fields of a PNG or JPEG that could name a person."""
    exif = {ExifTags.TAGS.get(tag, ""): value for tag, value in image.getexif().items()}
    named = [n for n in ("Artist", "ImageDescription", "Copyright", "HostComputer") if str(exif.get(n, "")).strip()]
    texts = [k for k in getattr(image, "text", {}) if k not in HARMLESS]
    return tuple(named + (["text chunk"] if texts else []) + (["comment"] if image.info.get("comment") else []))
