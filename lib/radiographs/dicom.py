"""Projection radiographs in DICOM, with or without preamble, decoded by pydicom with python-gdcm.

Header in `dicom_header`, window and grey scale in `dicom_window`; here are files, pixel data and orientation.
"""

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radiographs.burnt_in_text import looks_like_text
from radiographs.dicom_header import header_of
from radiographs.dicom_window import viewing_grey
from radiographs.radiograph import MAX_PIXELS, Header, ImageFault, Radiograph, reduce_blocks

INFLATED_LIMIT = 4 * MAX_PIXELS
logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # what is wrong with a file is said once, in our list


def read_header(path: Path) -> Header:
    """What the header says, by the fields of `dicom_header` alone."""
    with _damage_told():
        return header_of(_dataset(path, stop_before_pixels=True))


def read(path: Path, size: int) -> Radiograph:
    """Decode, reduce, put into viewing-box grey and upright. Block means go through the window, not single pixels."""
    with _damage_told():
        dataset = _dataset(path)
        header = header_of(dataset)
        if "PixelData" not in dataset:
            raise ImageFault("a DICOM file without pixel data")
        pixels = _decoded(dataset)
        grey = viewing_grey(reduce_blocks(pixels, size), dataset)
        text = header.burnt_in_stated or looks_like_text(pixels, reversed_grey=header.grey == "MONOCHROME1")
        upright, turned = _orient(grey, dataset)
        return Radiograph(upright, replace(header, aspect=1 / header.aspect) if turned else header, text)


@contextmanager
def _damage_told() -> Iterator[None]:
    """Whatever a damaged file makes pydicom or a codec raise becomes one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageFault:
        raise
    except Exception as error:  # codecs and parsers raise anything
        raise ImageFault(f"damaged DICOM: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """An error on one line, without paths (they may name a patient)."""
    if isinstance(error, MemoryError):
        return "asks for more memory than there is"
    text = " ".join(str(error).split())
    return type(error).__name__ if "/" in text or "\\" in text or not text else text[:160]


def _dataset(path: Path, **options: Any) -> Dataset:
    with open(path, "rb") as stream:
        bare = stream.read(132)[128:] != b"DICM"
    _check_inflated(path)
    dataset = dcmread(path, force=bare, **options)
    if "Rows" not in dataset or "Columns" not in dataset:
        raise ImageFault("a DICOM file without an image" if "SOPClassUID" in dataset else "no DICOM file, or damaged")
    return dataset


def _check_inflated(path: Path) -> None:
    """Refuse a deflated file that would inflate beyond any radiograph, before pydicom inflates it whole."""
    with open(path, "rb") as stream:
        start = stream.read(1024)
        if DeflatedExplicitVRLittleEndian.encode() not in start:
            return
        # the first element, (0002,0000) UL, holds the length of the rest of the file meta group
        stream.seek(144 + int.from_bytes(start[140:144], "little"))
        inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
        data = stream.read(1 << 16)
        while data and total <= INFLATED_LIMIT:
            total += len(inflater.decompress(data, 1 << 24))
            data = inflater.unconsumed_tail or stream.read(1 << 16)
    if total > INFLATED_LIMIT:
        raise ImageFault("inflates to more than any radiograph holds (a decompression bomb?)")


def _decoded(dataset: Dataset) -> np.ndarray:
    """Stored values, rows by columns; colour as the mean of its channels."""
    if not getattr(dataset, "file_meta", None) or "TransferSyntaxUID" not in dataset.file_meta:
        _assume_syntax(dataset)
    try:
        # a view of what was read; pydicom clears bits above the stored ones in a copy, which few files need
        pixels = pixel_array(dataset, view_only=True, correct_unused_bits=False)
        if dataset.PixelRepresentation or pixels.max() >= 2 ** int(dataset.BitsStored):
            pixels = pixel_array(dataset)
    except Exception:  # every codec has its own errors; which of them failed tells a reader nothing
        syntax = dataset.file_meta.TransferSyntaxUID.name
        raise ImageFault(f"its pixel data ({syntax}) cannot be decoded: damaged, or no decoder here reads it") from None
    return pixels[..., :3].mean(-1) if pixels.ndim == 3 else pixels


def _assume_syntax(dataset: Dataset) -> None:
    """A file without preamble need not name its transfer syntax: it is the default, or follows from its encoding."""
    implicit = dataset.original_encoding[0]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _orient(pixels: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, bool]:
    """Head up, and frontal or oblique views as if facing the patient (patient's right on the left of the image).

    PatientOrientation names where rows and columns run to (PS3.3 C.7.6.1.1.1): `L\\F` is how it should be.
    Also returns whether rows and columns changed places.
    """
    directions = [str(v).upper() for v in dataset.get("PatientOrientation") or []]
    if len(directions) != 2:
        return pixels, False
    along_row, along_column = directions
    turned = along_row[:1] in ("H", "F")
    if turned:
        pixels, along_row, along_column = pixels.T, along_column, along_row
    if along_column[:1] == "H":
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels[:, ::-1] if "R" in along_row else pixels), turned
