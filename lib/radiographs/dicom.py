"""Projection radiographs in DICOM, decoded by pydicom with python-gdcm. Used by `images` and so by notebook
01.

Grey values go through the modality transformation (rescale or LUT), then the values-of-interest
transformation (the LUT, else the first window, else the whole stored range), then MONOCHROME1 is inverted:
bone is bright, as on a viewing box (DICOM PS3.3 C.7.6.3, C.11.1, C.11.2).
"""

import hashlib
import logging
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from radiographs.images import MAX_PIXELS, Header, ImageFault, Radiograph, check_size, looks_like_text, reduce_blocks

# What is kept of a header: geometry, grey scale and acquisition. Nothing that identifies a person.
KEPT_FIELDS = (
    "Rows",
    "Columns",
    "BitsStored",
    "PhotometricInterpretation",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "PixelAspectRatio",
    "Modality",
    "BodyPartExamined",
    "ViewPosition",
    "ImageLaterality",
    "Laterality",
    "PatientOrientation",
    "BurnedInAnnotation",
)
# Fields that identify a person (after DICOM PS3.15 annex E); it is reported that they are filled, never with
# what.
IDENTIFYING_FIELDS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientMotherBirthName",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientComments",
    "AccessionNumber",
    "InstitutionName",
    "InstitutionAddress",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "NameOfPhysiciansReadingStudy",
    "OperatorsName",
    "RequestingPhysician",
    "StudyID",
    "MilitaryRank",
    "EthnicGroup",
    "DeviceSerialNumber",
    "StationName",
)
# Codes that are kept as they stand. A header may hold anything here, names too; that becomes OTHER.
MODALITIES = ("CR", "DX", "RG", "OT", "SC", "CT", "MR", "US", "NM", "PT", "XA", "RF", "MG", "IO", "PX", "SEG")
BODY_PARTS = ("CSPINE", "SPINE", "NECK", "CTSPINE", "TSPINE", "TLSPINE", "LSPINE", "LSSPINE", "SSPINE", "WHOLESPINE")
BODY_PARTS += ("SKULL", "HEAD", "CHEST", "SHOULDER", "ABDOMEN", "PELVIS", "HIP", "EXTREMITY")
VIEW_POSITIONS = ("AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO", "LATERAL", "LAT")
VIEW_POSITIONS += ("OBLIQUE", "OBL", "FLEXION", "EXTENSION", "SWIMMERS", "ODONTOID")
INFLATED_LIMIT = 4 * MAX_PIXELS
logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # what is wrong with a file is said once, in our list


class DicomReader:
    """DICOM with or without preamble."""

    def header(self, path: Path) -> Header:
        """What the header says, by `KEPT_FIELDS` alone."""
        return _guarded(lambda: _header(_dataset(path, stop_before_pixels=True)))

    def read(self, path: Path, size: int) -> Radiograph:
        """Decode, reduce, put into viewing-box grey and upright."""
        return _guarded(lambda: _read(path, size))


def _guarded(action):  # noqa: ANN001, ANN202 (the value of `action`)
    """Whatever a damaged file makes pydicom or a codec raise becomes one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return action()
    except ImageFault:
        raise
    except Exception as error:  # codecs and parsers raise anything
        raise ImageFault(_reason(error)) from None


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "damaged DICOM: asks for more memory than there is"
    if "/" in text or "\\" in text or not text:
        text = type(error).__name__
    return f"damaged DICOM: {text[:160]}"


def _dataset(path: Path, **options: bool) -> Dataset:
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


def _header(dataset: Dataset) -> Header:
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise ImageFault(f"multi-frame: holds {frames} frames; one radiograph a file is expected")
    check_size(int(dataset.Columns), int(dataset.Rows))
    grey = str(dataset.get("PhotometricInterpretation", "")).strip()
    if grey == "PALETTE COLOR":
        raise ImageFault("a colour palette image, no radiograph")
    if not grey.startswith(("MONOCHROME", "RGB", "YBR")) or len(grey) > 16:
        raise ImageFault("states no photometric interpretation that is known here")
    spacing, aspect = _spacing(dataset)
    identifier = str(dataset.get("PatientID", "") or "").strip()
    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    return Header(
        format="DICOM",
        width=int(dataset.Columns),
        height=int(dataset.Rows),
        bits=int(dataset.get("BitsStored", 0) or dataset.get("BitsAllocated", 0) or 0),
        grey=grey,
        spacing_mm=spacing,
        aspect=aspect,
        transfer_syntax=syntax.name if syntax else "Implicit VR Little Endian (assumed)",
        modality=_code(dataset, "Modality", MODALITIES),
        body_part=_code(dataset, "BodyPartExamined", BODY_PARTS),
        view_position=_code(dataset, "ViewPosition", VIEW_POSITIONS),
        laterality=_code(dataset, "ImageLaterality", ("L", "R", "B", "U")) or _code(dataset, "Laterality", ("L", "R")),
        burnt_in_stated=_code(dataset, "BurnedInAnnotation", ("YES", "NO")) == "YES",
        private_fields=tuple(n for n in IDENTIFYING_FIELDS if str(dataset.get(n, "") or "").strip()),
        patient_digest=hashlib.sha256(identifier.encode()).hexdigest()[:16] if identifier else "",
    )


def _code(dataset: Dataset, name: str, known: tuple[str, ...]) -> str:
    """A code of the header if it is one of the known; OTHER where the field holds something else."""
    text = str(dataset.get(name, "") or "").strip().upper()
    return text if not text or text in known else "OTHER"


def _spacing(dataset: Dataset) -> tuple[float | None, float]:
    """Pixel pitch in mm (PixelSpacing, else ImagerPixelSpacing; zeros count as missing) and height over
    width.
    """
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        values = dataset.get(name)
        if values is not None and len(values) == 2 and min(float(v) for v in values) > 0:
            row, column = (float(v) for v in values)
            return round(column, 5), row / column
    ratio = dataset.get("PixelAspectRatio")
    if ratio is not None and len(ratio) == 2 and min(float(v) for v in ratio) > 0:
        return None, float(ratio[0]) / float(ratio[1])
    return None, 1.0


def _read(path: Path, size: int) -> Radiograph:
    dataset = _dataset(path)
    header = _header(dataset)
    if "PixelData" not in dataset:
        raise ImageFault("a DICOM file without pixel data")
    if not getattr(dataset, "file_meta", None) or "TransferSyntaxUID" not in dataset.file_meta:
        _assume_syntax(dataset)
    pixels = _decoded(dataset)
    reduced = reduce_blocks(pixels, size)
    unit = _viewing_grey(reduced, dataset)
    text = header.burnt_in_stated or looks_like_text(pixels, reversed_grey=header.grey == "MONOCHROME1")
    upright, turned = _orient(unit, dataset)
    return Radiograph(upright, replace(header, aspect=1 / header.aspect) if turned else header, text)


def _decoded(dataset: Dataset) -> np.ndarray:
    """Stored values, rows by columns; colour as the mean of its channels."""
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
    """A file without preamble need not name its transfer syntax: it is the default one, or follows from its
    encoding.
    """
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    implicit = dataset.original_encoding[0]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _viewing_grey(reduced: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Grey as on a viewing box, 0..1, bone bright. Block means go through the transformations, not single
    pixels.
    """
    padding = dataset.get("PixelPaddingValue")
    padded = reduced == float(padding) if isinstance(padding, int) else np.zeros(reduced.shape, bool)
    bits = int(dataset.BitsStored)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0, 2**bits - 1)
    if dataset.get("ModalityLUTSequence"):
        values = apply_modality_lut(np.rint(reduced).astype(np.int32), dataset)
        low, high = 0, 2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
    else:
        slope, intercept = (float(dataset.get("RescaleSlope", 1) or 1), float(dataset.get("RescaleIntercept", 0) or 0))
        values = reduced * slope + intercept
        low, high = sorted((low * slope + intercept, high * slope + intercept))
    if dataset.get("VOILUTSequence"):
        values = apply_voi_lut(np.rint(values).astype(np.int32), dataset, index=0, prefer_lut=True)
        low, high = 0, 2 ** int(dataset.VOILUTSequence[0].LUTDescriptor[2]) - 1
    elif dataset.get("WindowWidth") not in (None, ""):
        values = apply_voi_lut(values, dataset, index=0, prefer_lut=False)
    unit = np.clip((np.asarray(values, np.float32) - low) / max(high - low, 1e-12), 0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        unit = 1 - unit
    unit[padded] = 0
    return unit.astype(np.float32)


def _orient(pixels: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, bool]:
    """Head up, and frontal or oblique views as if facing the patient (patient's right on the left of the
    image).

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
