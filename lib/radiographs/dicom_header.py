"""What a DICOM header says about its image: geometry, grey scale, acquisition. Nothing that names a person is kept."""

import hashlib

import numpy as np
from pydicom import Dataset

from radiographs.radiograph import ORIENTATIONS, Header, ImageFault, check_size

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
PHOTOMETRIC = ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
# Codes that are kept as they stand. A header may hold anything here, names too; that becomes OTHER.
MODALITIES = ("CR", "DX", "RG", "OT", "SC", "CT", "MR", "US", "NM", "PT", "XA", "RF", "MG", "IO", "PX", "SEG")
NECK_AND_SPINE = (
    "CSPINE",
    "SPINE",
    "NECK",
    "CTSPINE",
    "TSPINE",
    "TLSPINE",
    "LSPINE",
    "LSSPINE",
    "SSPINE",
    "WHOLESPINE",
)
BODY_PARTS = NECK_AND_SPINE + ("SKULL", "HEAD", "CHEST", "SHOULDER", "ABDOMEN", "PELVIS", "HIP", "EXTREMITY")
PROJECTIONS = ("AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO", "LATERAL", "LAT")
VIEW_POSITIONS = PROJECTIONS + ("OBLIQUE", "OBL", "FLEXION", "EXTENSION", "SWIMMERS", "ODONTOID")


def header_of(dataset: Dataset) -> Header:
    """The facts of a header; ImageFault where they say that this is no single grey or RGB image."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise ImageFault(f"multi-frame: holds {frames} frames; one radiograph a file is expected")
    check_size(int(dataset.Columns), int(dataset.Rows))
    grey = photometric_interpretation(dataset)
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
        orientation=_orientation(dataset),
        transfer_syntax=syntax.name if syntax else "Implicit VR Little Endian (assumed)",
        modality=_code(dataset, "Modality", MODALITIES),
        body_part=_code(dataset, "BodyPartExamined", BODY_PARTS),
        view_position=_code(dataset, "ViewPosition", VIEW_POSITIONS),
        laterality=_code(dataset, "ImageLaterality", ("L", "R", "B", "U")) or _code(dataset, "Laterality", ("L", "R")),
        burnt_in_stated=_code(dataset, "BurnedInAnnotation", ("YES", "NO")) == "YES",
        private_fields=tuple(n for n in IDENTIFYING_FIELDS if str(dataset.get(n, "") or "").strip()),
        patient_digest=hashlib.sha256(identifier.encode()).hexdigest()[:16] if identifier else "",
    )


def photometric_interpretation(dataset: Dataset) -> str:
    """How stored values mean grey or colour, in DICOM's own spelling; ImageFault where it is none that is read here."""
    stated = str(dataset.get("PhotometricInterpretation") or "").upper().replace(" ", "")
    if stated == "PALETTECOLOR":
        raise ImageFault("a colour palette image, no radiograph")
    if stated not in PHOTOMETRIC:
        raise ImageFault("states no photometric interpretation that is known here")
    return stated


def _code(dataset: Dataset, name: str, known: tuple[str, ...]) -> str:
    """A code of the header if it is one of the known; OTHER where the field holds something else."""
    text = str(dataset.get(name, "") or "").strip().upper()
    return text if not text or text in known else "OTHER"


def _spacing(dataset: Dataset) -> tuple[float | None, float]:
    """Pixel pitch in mm (PixelSpacing, else ImagerPixelSpacing) and height over width. Impossible values (zeros, say)
    count as missing.
    """
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        if pair := _lengths(dataset, name):
            return round(pair[1], 5), pair[0] / pair[1]
    pair = _lengths(dataset, "PixelAspectRatio")
    return None, pair[0] / pair[1] if pair else 1.0


def _lengths(dataset: Dataset, name: str) -> tuple[float, float] | None:
    """Height and width of a pixel: two positive numbers, neither ten times the other."""
    values = dataset.get(name)
    if values is None or isinstance(values, (str, float)) or len(values) != 2:
        return None
    row, column = (float(value) for value in values)
    return (row, column) if 0 < row < np.inf and 0.1 <= row / max(column, 1e-300) <= 10 else None


def _orientation(dataset: Dataset) -> int:
    """A key of ORIENTATIONS: what brings the head up, and frontal or oblique views as if facing the patient (patient's
    right on the left of the image).

    PatientOrientation names where rows and columns run to (PS3.3 C.7.6.1.1.1): `L\\F` is how it should be.
    """
    directions = [str(v).upper() for v in dataset.get("PatientOrientation") or []]
    if len(directions) != 2:
        return 1
    turned = directions[0][:1] in ("H", "F")
    along_row, along_column = reversed(directions) if turned else directions
    needed = (turned, along_column[:1] == "H", "R" in along_row)
    return next(orientation for orientation, steps in ORIENTATIONS.items() if steps == needed)
