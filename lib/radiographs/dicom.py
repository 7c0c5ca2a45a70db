"""Projection radiographs in DICOM, with or without preamble, decoded by pydicom with python-gdcm.

Header in `dicom_header`, window and grey scale in `dicom_window`; here are files and pixel data.
"""

import logging
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_partial
from pydicom.pixels import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
)

from radiographs.burnt_in_text import looks_like_text
from radiographs.dicom_header import header_of
from radiographs.dicom_window import is_inverted, viewing_grey
from radiographs.radiograph import MAX_PIXELS, Header, ImageFault, Radiograph, reduce_blocks, upright

INFLATED_LIMIT = 4 * MAX_PIXELS
logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # what is wrong with a file is said once, in our list


def read_header(path: Path) -> Header:
    """What the header says, by the fields of `dicom_header` alone."""
    return header_of(_dataset(path, stop_before_pixels=True))


def read(path: Path, size: int) -> Radiograph:
    """Decode, reduce, put into viewing-box grey and upright. Block means go through the window, not single pixels."""
    dataset = _dataset(path)
    header = header_of(dataset)
    if "PixelData" not in dataset:
        raise ImageFault("a DICOM file without pixel data")
    dataset.PhotometricInterpretation = header.grey
    pixels = _decoded(dataset, path)
    grey = viewing_grey(reduce_blocks(pixels, size), pixels, dataset)
    text = header.burnt_in_stated or looks_like_text(pixels, reversed_grey=is_inverted(dataset))
    return Radiograph(upright(grey, header.orientation), header, text)


def _dataset(path: Path, stop_before_pixels: bool = False) -> Dataset:
    """What a file holds, up to its end, its pixels, or an element of group 0: padding, of which pydicom would make an
    element every 8 bytes.
    """
    with open(path, "rb") as stream:
        bare = stream.read(132)[128:] != b"DICM"
        if not bare:
            _check_start(stream)
        groups = (0, 0x7FE0) if stop_before_pixels else (0,)
        dataset = read_partial(stream, lambda tag, vr, length: tag.group in groups, force=bare)
    if "Rows" not in dataset or "Columns" not in dataset:
        sound = "SOPClassUID" in dataset or "MediaStorageSOPClassUID" in dataset.file_meta
        raise ImageFault("a DICOM file without an image" if sound else "no DICOM file, or damaged")
    return dataset


def _check_start(stream: BinaryIO) -> None:
    """Refuse a file of zeros, and a deflated one that would inflate beyond any radiograph, before pydicom reads it
    whole. The stream goes back to its start.
    """
    meta = stream.read(892)
    # the first element, (0002,0000) UL, holds the length of the rest of the file meta group
    start = 144 + int.from_bytes(meta[8:12], "little") if meta.startswith(b"\2\0\0\0UL") else 132
    stream.seek(start)
    if stream.read(4) == bytes(4):
        raise ImageFault("no DICOM file, or damaged: nothing but zeros follows its beginning")
    stream.seek(start)
    if DeflatedExplicitVRLittleEndian.encode() in meta:
        _check_inflated(stream)
    stream.seek(0)


def _check_inflated(stream: BinaryIO) -> None:
    inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    data = stream.read(1 << 16)
    while data and total <= INFLATED_LIMIT:
        total += len(inflater.decompress(data, 1 << 24))
        data = inflater.unconsumed_tail or stream.read(1 << 16)
    if total > INFLATED_LIMIT:
        raise ImageFault("inflates to more than any radiograph holds (a decompression bomb?)")


def _decoded(dataset: Dataset, path: Path) -> np.ndarray:
    """Stored values, rows by columns; colour as the mean of its channels."""
    if not getattr(dataset, "file_meta", None) or "TransferSyntaxUID" not in dataset.file_meta:
        _assume_syntax(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if syntax == JPEGExtended12Bit and dataset.BitsStored > 8:
            return _decoded_by_gdcm(path, dataset)
        # a view of what was read; pydicom clears bits above the stored ones in a copy, which few files need
        pixels = pixel_array(dataset, view_only=True, correct_unused_bits=False)
        if dataset.PixelRepresentation or pixels.max() >= 2 ** int(dataset.BitsStored):
            pixels = _stored_bits(pixels, dataset)
    except MemoryError:
        raise
    except Exception:  # every codec has its own errors; which of them failed tells a reader nothing
        reason = "damaged, or no decoder here reads it"
        raise ImageFault(f"its pixel data ({syntax.name}) cannot be decoded: {reason}") from None
    return pixels[..., :3].mean(-1, dtype=np.float32) if pixels.ndim == 3 else pixels


def _decoded_by_gdcm(path: Path, dataset: Dataset) -> np.ndarray:
    """What pydicom does not let GDCM decode, 12 bits of lossy JPEG, GDCM decodes (to the bit as dcmtk does)."""
    import gdcm  # before Pillow, its zlib would take the place of Pillow's, which then crashes

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise ValueError
    buffer = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")  # pydicom's own way to its bytes
    return np.frombuffer(buffer, "<i2" if dataset.PixelRepresentation else "<u2").reshape(dataset.Rows, dataset.Columns)


def _stored_bits(pixels: np.ndarray, dataset: Dataset) -> np.ndarray:
    """The stored bits of each word alone: from HighBit downwards, and with their sign."""
    allocated, stored = 8 * pixels.itemsize, int(dataset.BitsStored)
    high = int(dataset.get("HighBit", stored - 1))
    if allocated != dataset.BitsAllocated or not stored <= high < allocated:
        return pixel_array(dataset)  # aligned to the right: pydicom knows what each codec did
    return (pixels << (allocated - 1 - high)) >> (allocated - stored)


def _assume_syntax(dataset: Dataset) -> None:
    """A file without preamble need not name its transfer syntax: it is the default, or follows from its encoding."""
    implicit = dataset.original_encoding[0]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
