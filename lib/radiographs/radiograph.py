"""A radiograph as an array, whatever file it came from: grey in 0..1, bone bright, head up.

Here are the types and what is done with pixels alone: reducing, fitting into a square, finding the valid area. Large
images are averaged over whole blocks of pixels before anything else is done with them, so that thousands of
twelve-megapixel radiographs cost little more than decoding them. Used by notebook 01.
"""

from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

FULL_SCALE = 65535
MAX_PIXELS = 89_000_000  # four times the largest detector; more is a decompression bomb
STORED_DEPTHS = (8, 10, 12, 14, 16)
# Rows and columns that are this uniform (share of full scale) are collimator or padding, not anatomy.
BORDER_TOLERANCE = 1 / 64
# What makes stored pixels upright, by the number that TIFF and EXIF give an orientation (TIFF 6.0, section 8): whether
# rows and columns change places, then whether the rows are reversed, then whether the columns are.
ORIENTATIONS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


class ImageFault(Exception):
    """A file that is no radiograph we can read; its text says why, without naming the file."""


@dataclass(frozen=True)
class Header:
    """What a file says about its image, before it is turned upright. Nothing else of a DICOM header is kept."""

    format: str
    width: int
    height: int
    bits: int
    grey: str = "MONOCHROME2"
    spacing_mm: float | None = None
    aspect: float = 1.0  # height of a pixel over its width
    orientation: int = 1  # key of ORIENTATIONS
    transfer_syntax: str = ""
    modality: str = ""
    body_part: str = ""
    view_position: str = ""
    laterality: str = ""
    burnt_in_stated: bool = False
    private_fields: tuple[str, ...] = ()  # names of the identifying fields that are filled, not their values
    patient_digest: str = ""  # of the header's PatientID, to find one patient under two table entries

    def facts(self) -> dict:
        """As a row of the acquisition table."""
        return asdict(self) | {"private_fields": list(self.private_fields)}


@dataclass(frozen=True)
class Radiograph:
    """Decoded pixels, reduced to no less than was asked for: `(height, width)` float32 in 0..1, bone bright,
    upright.
    """

    pixels: np.ndarray
    header: Header
    text_like: bool = False


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (rows, columns) turned upright; `orientation` is a key of ORIENTATIONS."""
    turned, rows_reversed, columns_reversed = ORIENTATIONS[orientation]
    pixels = pixels.T if turned else pixels
    return np.ascontiguousarray(pixels[:: -1 if rows_reversed else 1, :: -1 if columns_reversed else 1])


def on_square(points: np.ndarray, header: Header) -> np.ndarray:
    """Where `points` (..., 2), x and y in pixels of the file as stored, lie on the square of `letterbox`: -1 to 1, x
    right, y down, 0 the centre.

    `header` is that of the file, or a row of a table of its facts. For boxes and keypoints of notebooks 02 and 04.
    """
    size = np.array([header.width, header.height * header.aspect])
    turned, rows_reversed, columns_reversed = ORIENTATIONS[header.orientation]
    centred = (2 * points * [1, header.aspect] - size) / size.max()
    return (centred[..., ::-1] if turned else centred) * [-1 if columns_reversed else 1, -1 if rows_reversed else 1]


def letterbox(radiograph: Radiograph, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit into a `(size, size)` uint16 square, full scale, padding 0; and the box of its valid area.

    The box is int16 `top, left, bottom, right` (ends exclusive): the image without uniformly black or white
    outer rows and columns (see `valid_area`). Pixels that are not square are made so.
    """
    height, width = radiograph.pixels.shape
    turned, *_ = ORIENTATIONS[radiograph.header.orientation]
    tall = height * (1 / radiograph.header.aspect if turned else radiograph.header.aspect)
    scale = size / max(tall, width)
    rows, columns = max(1, round(tall * scale)), max(1, round(width * scale))
    image = Image.fromarray(radiograph.pixels).resize((columns, rows), Image.Resampling.BILINEAR)
    square = np.zeros((size, size), np.uint16)
    top, left = (size - rows) // 2, (size - columns) // 2
    square[top : top + rows, left : left + columns] = np.rint(np.clip(np.asarray(image), 0, 1) * FULL_SCALE)
    inner = valid_area(radiograph.pixels) * np.array([rows / height, columns / width] * 2)
    inner = np.concatenate([np.ceil(inner[:2]), np.maximum(np.floor(inner[2:]), np.ceil(inner[:2]) + 1)])
    return square, (inner + [top, left, top, left]).astype(np.int16)


def valid_area(pixels: np.ndarray) -> np.ndarray:
    """Box (top, left, bottom, right) of `pixels` (0..1) without collimated border or padding.

    The rule: from each edge inwards, a row or column is border while 98 % of it lies within 1/64 of black, or
    of white. Where that would leave less than a quarter of the image, the image is taken whole: it is dark,
    not framed.
    """
    whole = np.array([0, 0, *pixels.shape])
    black, white = pixels <= BORDER_TOLERANCE, pixels >= 1 - BORDER_TOLERANCE
    box = whole.copy()
    for axis in (0, 1):
        most = np.maximum(np.count_nonzero(black, 1 - axis), np.count_nonzero(white, 1 - axis))
        border = most / pixels.shape[1 - axis] >= 0.98
        inside = np.flatnonzero(~border)
        if not len(inside):
            return whole
        box[axis], box[axis + 2] = inside[0], inside[-1] + 1
    area = (box[2] - box[0]) * (box[3] - box[1])
    return box if area >= pixels.size / 4 else whole


def reduce_blocks(pixels: np.ndarray, size: int) -> np.ndarray:
    """Mean over square blocks: the largest whole factor that leaves a long side of at least `2 * size`;
    float32.
    """
    factor = max(1, max(pixels.shape) // (2 * size))
    if factor == 1 or min(pixels.shape) < factor:
        return pixels.astype(np.float32)
    height, width = (n // factor * factor for n in pixels.shape)
    wide = np.float64 if pixels.dtype.kind == "f" else np.int64 if pixels.dtype.itemsize > 2 else np.int32
    # row slices are contiguous, so adding them first touches the large array once, at memory speed
    rows = pixels[0:height:factor].astype(wide)
    for offset in range(1, factor):
        np.add(rows, pixels[offset:height:factor], out=rows)
    blocks = sum(rows[:, offset:width:factor] for offset in range(factor))
    return (blocks / factor**2).astype(np.float32)


def to_unit(reduced: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Scale `reduced` (block means of `stored`) in place to 0..1 by what the stored type can hold: `stored_range`."""
    low, high = (0.0, 255.0) if stored.dtype == np.uint8 else stored_range(stored)
    reduced -= low
    reduced /= max(high - low, 1e-12)
    return reduced


def stored_range(stored: np.ndarray) -> tuple[float, float]:
    """The smallest and largest value that a detector could have given, judged by what it gave.

    A 16-bit file does not say how many bits the detector had: the smallest of 8, 10, 12, 14 and 16 that holds
    its largest value is taken. Signed values are counted from their smallest; floating point is taken as it
    is where it lies within 0..1, else from its smallest to its largest value.
    """
    low, high = float(stored.min()), float(stored.max())
    if stored.dtype.kind in "iu":
        low = min(0.0, low)
        high = next((2**b - 1 for b in STORED_DEPTHS if high - low <= 2**b - 1), high - low) + low
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return low, high


def check_size(width: int, height: int) -> None:
    """Refuse what no detector makes before memory is spent on it."""
    if width * height > MAX_PIXELS:
        raise ImageFault(f"{width} x {height} pixels is larger than any radiograph (a decompression bomb?)")
    if min(width, height) < 16:
        raise ImageFault(f"{width} x {height} pixels is too small for a radiograph")
