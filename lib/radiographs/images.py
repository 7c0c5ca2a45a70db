"""One radiograph from a file to a square array: decoded, grey, bone bright, upright, letterboxed. Used by
notebook 01.

PNG and JPEG are decoded by Pillow, TIFF by tifffile (Pillow where tifffile has no codec), DICOM by pydicom
with python-gdcm (module `dicom`). The kind of a file follows from its first bytes, never from its name. Large
images are averaged over whole blocks of pixels before anything else is done with them, so that a cohort of
thousands of twelve-megapixel films costs little more than decoding it.
"""

import hashlib
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

FULL_SCALE = 65535
MAX_PIXELS = 89_000_000  # four times the largest detector; more is a decompression bomb
STORED_DEPTHS = (8, 10, 12, 14, 16)
# Rows and columns that are this uniform (share of full scale) are collimator or padding, not anatomy.
BORDER_TOLERANCE = 1 / 64


class ImageFault(Exception):
    """A file that is no radiograph we can read; its text says why, without naming the file."""


@dataclass(frozen=True)
class Header:
    """What a file says about its image. Nothing else of a DICOM header is kept (see `dicom.KEPT_FIELDS`)."""

    format: str
    width: int
    height: int
    bits: int
    grey: str = "MONOCHROME2"
    spacing_mm: float | None = None
    aspect: float = 1.0  # height of a pixel over its width
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
    text_like: bool = field(default=False)


def read_header(path: Path) -> Header:
    """What the file says about its image, without decoding it; ImageFault where that is wrong already."""
    return _reader(path).header(path)


def read(path: Path, size: int) -> Radiograph:
    """Decode one file and reduce it by a whole factor to a long side of at least `2 * size` pixels.

    ImageFault says why a file cannot be used.
    """
    return _reader(path).read(path, size)


def letterbox(radiograph: Radiograph, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit into a `(size, size)` uint16 square, full scale, padding 0; and the box of its valid area.

    The box is int16 `top, left, bottom, right` (ends exclusive): the image without uniformly black or white
    outer rows and columns (see `valid_area`). Pixels that are not square are made so.
    """
    height, width = radiograph.pixels.shape
    tall = height * radiograph.header.aspect
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
        border = np.maximum(black.mean(1 - axis), white.mean(1 - axis)) >= 0.98
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


def check_size(width: int, height: int) -> None:
    """Refuse what no detector makes before memory is spent on it."""
    if width * height > MAX_PIXELS:
        raise ImageFault(f"{width} x {height} pixels is larger than any radiograph (a decompression bomb?)")
    if min(width, height) < 16:
        raise ImageFault(f"{width} x {height} pixels is too small for a radiograph")


def looks_like_text(pixels: np.ndarray, reversed_grey: bool = False) -> bool:
    """True where full-resolution `pixels` hold what looks like burnt-in text: a hint for a person, not a
    proof.

    Burnt-in letters are drawn in the brightest value on a dark ground, so a row through a line of text
    switches between both many times within a short stretch. The rule: 14 or more switches between the top 2 %
    and the lower 60 % of the range within a tenth of the width, in one of about 150 sampled rows.
    """
    sample = pixels[:: max(1, pixels.shape[0] // 150)]
    sample = -sample.astype(np.float32) if reversed_grey else sample
    low, high = float(sample.min()), float(sample.max())
    bright = sample >= high - 0.02 * (high - low)
    counts = np.count_nonzero(bright, axis=1)
    if high == low or counts.sum() > 0.2 * bright.size:
        return False
    window = max(24, sample.shape[1] // 10)
    candidates = np.flatnonzero(counts >= 7)
    return any(_row_of_letters(bright[row], sample[row] <= low + 0.6 * (high - low), window) for row in candidates)


def _row_of_letters(bright: np.ndarray, dark: np.ndarray, window: int) -> bool:
    """14 switches between bright and dark within `window` pixels of one row."""
    places = np.flatnonzero(bright | dark)
    switches = places[1:][bright[places][1:] != bright[places][:-1]]
    return len(switches) >= 14 and bool((switches[13:] - switches[:-13]).min() <= window)


def thumbnail_digest(square: np.ndarray) -> str:
    """Digest of a letterboxed image: equal for equal pictures, whatever else their files hold."""
    return hashlib.sha256(square.tobytes()).hexdigest()[:32]


class _PillowReader:
    """PNG and JPEG."""

    def header(self, path: Path) -> Header:
        with _opened(path) as image:
            return self._header(image)

    def read(self, path: Path, size: int) -> Radiograph:
        with _opened(path) as image:
            header = self._header(image)
            if image.format == "JPEG":  # the decoder itself averages 2, 4 or 8 pixels
                image.draft("L", (2 * size, 2 * size))
            pixels = np.asarray(_to_grey(ImageOps.exif_transpose(image)))
            return Radiograph(to_unit(reduce_blocks(pixels, size), pixels), header, looks_like_text(pixels))

    @staticmethod
    def _header(image: Image.Image) -> Header:
        if getattr(image, "n_frames", 1) > 1:
            raise ImageFault(f"holds {image.n_frames} frames; one image a file is expected")
        check_size(*image.size)
        return Header(
            format=image.format,
            width=image.width,
            height=image.height,
            bits=16 if image.mode.startswith("I") else 8,
            grey="RGB" if image.mode in ("RGB", "RGBA", "P", "CMYK") else "MONOCHROME2",
            private_fields=_private_text(image),
        )


class _TiffReader:
    """TIFF of 8, 16 or 32 bits, integer or floating point."""

    def header(self, path: Path) -> Header:
        import tifffile

        try:
            with tifffile.TiffFile(path) as file:
                return self._header(file)
        except ImageFault:
            raise
        except Exception as error:  # tifffile raises whatever a damaged file makes its parser stumble over
            raise ImageFault(f"damaged TIFF: {_first_line(error)}") from None

    def read(self, path: Path, size: int) -> Radiograph:
        header = self.header(path)
        pixels = self._pixels(path)
        if pixels.ndim == 3:
            pixels = pixels[..., :3].mean(-1)
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ImageFault("holds pixels that are not numbers (NaN or infinite)")
        reduced = to_unit(reduce_blocks(pixels, size), pixels)
        if header.grey == "MONOCHROME1":
            reduced = 1 - reduced
        return Radiograph(reduced, header, looks_like_text(pixels))

    @staticmethod
    def _pixels(path: Path) -> np.ndarray:
        import tifffile

        try:
            with tifffile.TiffFile(path) as file:
                page = file.pages[0]
                raw = page.asarray()
                orientation = page.tags["Orientation"].value if "Orientation" in page.tags else 1
        except Exception as error:
            if "imagecodecs" not in str(error):
                raise ImageFault(f"damaged TIFF: {_first_line(error)}") from None
            with _opened(path) as image:
                pixels = np.asarray(_to_grey(ImageOps.exif_transpose(image)))
                # Pillow turns 8-bit white-is-zero round by itself; `read` does so for every depth
                return 255 - pixels if image.tag_v2.get(262) == 0 and pixels.dtype == np.uint8 else pixels
        return _upright(raw, int(orientation))

    @staticmethod
    def _header(file) -> Header:  # noqa: ANN001 (tifffile is imported where it is needed)
        pages = [page for page in file.pages if page.shape[:2] == file.pages[0].shape[:2]]
        if len(pages) > 1:
            raise ImageFault(f"holds {len(pages)} pages; one image a file is expected")
        page = file.pages[0]
        if page.ndim not in (2, 3) or (page.ndim == 3 and page.shape[-1] not in (3, 4)):
            raise ImageFault(f"has shape {page.shape}; a plane of grey or RGB pixels is expected")
        check_size(page.imagewidth, page.imagelength)
        given = [n for n in ("Artist", "HostComputer", "Copyright", "DocumentName") if n in page.tags]
        return Header(
            format="TIFF",
            width=page.imagewidth,
            height=page.imagelength,
            bits=page.dtype.itemsize * 8,
            grey="MONOCHROME1" if int(page.photometric) == 0 else "RGB" if page.ndim == 3 else "MONOCHROME2",
            private_fields=tuple(n for n in given if str(page.tags[n].value).strip()),
        )


def to_unit(reduced: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Scale `reduced` (block means of `stored`) to 0..1 by what the stored type can hold.

    A 16-bit file does not say how many bits the detector had: the smallest of 8, 10, 12, 14 and 16 that holds
    its largest value is taken. Signed values are counted from their smallest; floating point is taken as it
    is where it lies within 0..1, else from its smallest to its largest value.
    """
    low, high = (float(stored.min()), float(stored.max())) if stored.dtype != np.uint8 else (0.0, 255.0)
    if stored.dtype.kind in "iu":
        low = min(0.0, low)
        high = next((2**b - 1 for b in STORED_DEPTHS if high - low <= 2**b - 1), high - low) + low
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return ((reduced - low) / max(high - low, 1e-12)).astype(np.float32)


def _reader(path: Path):  # noqa: ANN202 (one of three readers with the methods header and read)
    """The reader for a file, from its first bytes."""
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
    bare = start[:2] in (b"\x02\0", b"\x08\0", b"\0\x02", b"\0\x08")
    if start[128:132] == b"DICM" or bare:
        from radiographs.dicom import DicomReader  # pydicom takes long to import; most cohorts hold no DICOM

        return DicomReader()
    if start.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return _PillowReader()
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _TiffReader()
    raise ImageFault("neither DICOM nor PNG, JPEG or TIFF (judged by its first bytes)")


class _opened:
    """`Image.open` whose failures, now or while decoding, are ImageFaults."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> Image.Image:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                self.image = Image.open(self.path)
        except BaseException as error:
            self._explain(error)
        return self.image

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        self.image.close()
        if error is not None:
            self._explain(error)

    @staticmethod
    def _explain(error: BaseException) -> None:
        if isinstance(error, ImageFault | KeyboardInterrupt):
            raise error
        if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
            raise ImageFault("more pixels than any radiograph has (a decompression bomb?)") from None
        if isinstance(error, UnidentifiedImageError):
            raise ImageFault("damaged image: its header cannot be read") from None
        raise ImageFault(f"damaged image: {_first_line(error)}") from None


def _to_grey(image: Image.Image) -> Image.Image:
    return image if image.mode in ("L", "I", "F") or image.mode.startswith("I;16") else image.convert("L")


def _private_text(image: Image.Image) -> tuple[str, ...]:
    """Names of text fields of a PNG or JPEG that could name a person."""
    exif = {ExifTags.TAGS.get(tag, ""): value for tag, value in image.getexif().items()}
    named = [n for n in ("Artist", "ImageDescription", "Copyright", "HostComputer") if str(exif.get(n, "")).strip()]
    harmless = ("Software", "software", "XML:com.adobe.xmp", "date:create", "date:modify")
    texts = [k for k in getattr(image, "text", {}) if k not in harmless]
    return tuple(named + (["text chunk"] if texts else []) + (["comment"] if image.info.get("comment") else []))


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo a TIFF orientation tag (TIFF 6.0, section 8)."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _first_line(error: BaseException) -> str:
    """The first line of an error without file names (they may name a patient)."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return text if "/" not in text and "\\" not in text else type(error).__name__
