"""A written synthetic cohort as a folder of DICOM files with a manifest, to try a program for DICOM files on.

Digital X-Ray Image Storage - For Presentation (PS3.3 A.26). Site A stores MONOCHROME2, site B MONOCHROME1, each with
the bits of its detector and a window over the whole range, so a reader gets the cohort's images back to within
rounding. Patients are fictitious.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from cervical_phantom.acquisition import EQUIPMENT, FILM_MM
from cervical_phantom.files import replacing
from cervical_phantom.patients import MANIFEST_COLUMNS

FULL_SCALE = 65535
UID_ROOT = "2.25."  # UIDs made from numbers (PS3.5 B.2)
VIEW_CODES = {
    "LPO": codes.cid4010.LeftPosteriorOblique,
    "RPO": codes.cid4010.RightPosteriorOblique,
    "LAO": codes.cid4010.LeftAnteriorOblique,
    "RAO": codes.cid4010.RightAnteriorOblique,
}


def write_dicom_folder(cohort: Path, out: Path) -> Path:
    """Write every image of the cohort written to `cohort` as `out/<image_id>.dcm`, and `out/manifest.csv` last.

    The manifest has the columns image_id, image_path, patient_id, label, side, view, site, age, sex. Returns its path.
    """
    cohort, out = Path(cohort), Path(out)
    manifest, truth = (pd.read_parquet(cohort / f"{name}.parquet", use_threads=False) for name in ("manifest", "truth"))
    manifest = manifest[MANIFEST_COLUMNS].assign(image_path=manifest["image_id"] + ".dcm")
    images = np.load(cohort / "images.npy", mmap_mode="r")
    boxes = np.load(cohort / "boxes.npy")
    for i, (row, known) in enumerate(zip(manifest.itertuples(), truth.itertuples(), strict=True)):
        dataset = as_dicom(images[i], boxes[i], row, known)
        with replacing(out / row.image_path) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
    path = out / "manifest.csv"
    with replacing(path) as temporary:
        manifest.to_csv(temporary, index=False)
    return path


def as_dicom(image: np.ndarray, box: np.ndarray, row: Any, known: Any) -> Dataset:
    """One image (S, S) uint16 with its valid box as a dataset; row of the manifest and of the truth as named tuples."""
    size = image.shape[0]
    margin = round(size * (1 - FILM_MM[1] / FILM_MM[0]) / 2)
    film, box = image[:, margin : size - margin], box - np.array([0, margin, 0, margin])
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = _uid("image", row.image_id)
    _patient_and_study(dataset, row)
    _anatomy_and_view(dataset, row)
    _geometry(dataset, known, FILM_MM[0] / size, box)
    _pixels(dataset, film, EQUIPMENT[row.site].bits, reverse=row.site == "B")
    return dataset


def _uid(*parts: str) -> UID:
    """The same UID for the same parts, derived from their SHA-256."""
    return UID(UID_ROOT + str(int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:16], "big")))


def _patient_and_study(dataset: Dataset, row: Any) -> None:
    """Patient, General Study, General Series, DX Series, General Equipment and SOP Common modules."""
    equipment = EQUIPMENT[row.site]
    dataset.PatientName, dataset.PatientID = f"Synthetic^{row.patient_id}", row.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = "", row.sex
    dataset.PatientAge = f"{int(row.age):03d}Y"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (_uid("study", row.patient_id), _uid("series", row.image_id))
    dataset.StudyDate = dataset.StudyTime = dataset.ContentDate = dataset.ContentTime = ""
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "1", "", ""
    dataset.SeriesNumber = dataset.InstanceNumber = 1 if row.side == "L" else 2
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = _uid("image", row.image_id)
    dataset.Modality, dataset.PresentationIntentType = "DX", "FOR PRESENTATION"
    dataset.Manufacturer, dataset.ManufacturerModelName = "foramen phantom", f"site {row.site}"
    dataset.KVP = equipment.kvp
    dataset.DetectorType, dataset.DetectorID = ("DIRECT", "A") if row.site == "A" else ("STORAGE", "B")
    dataset.AcquisitionContextSequence = Sequence([])


def _coded(code: Code) -> Sequence:
    """A sequence with one coded entry."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (code.value, code.scheme_designator, code.meaning)
    return Sequence([item])


def _anatomy_and_view(dataset: Dataset, row: Any) -> None:
    """DX Anatomy Imaged and DX Positioning modules.

    Displayed as if the patient faced the reader: rows run to the patient's left, and backwards or forwards with the
    rotation; columns run to the feet.
    """
    dataset.BodyPartExamined, dataset.ImageLaterality = "CSPINE", row.side
    dataset.AnatomicRegionSequence = _coded(codes.cid4031.CervicalSpine)
    dataset.ViewPosition = row.view
    dataset.ViewCodeSequence = _coded(VIEW_CODES[row.view])
    dataset.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence([])
    dataset.PatientOrientation = ["LP" if row.side == "L" else "LA", "F"]


def _geometry(dataset: Dataset, known: Any, pitch: float, box: np.ndarray) -> None:
    """Spacing at the detector, distances, and the collimator's edges in rows and columns counted from 1."""
    dataset.ImagerPixelSpacing = dataset.PixelSpacing = [round(pitch, 6)] * 2
    dataset.DistanceSourceToDetector = round(known.source_detector, 1)
    dataset.DistanceSourceToPatient = round(known.source_detector - known.object_detector, 1)
    dataset.EstimatedRadiographicMagnificationFactor = round(known.magnification, 4)
    top, left, bottom, right = (int(edge) for edge in box)
    dataset.CollimatorShape = "RECTANGULAR"
    dataset.CollimatorUpperHorizontalEdge, dataset.CollimatorLowerHorizontalEdge = top, bottom + 1
    dataset.CollimatorLeftVerticalEdge, dataset.CollimatorRightVerticalEdge = left, right + 1


def _pixels(dataset: Dataset, film: np.ndarray, bits: int, reverse: bool) -> None:
    """Image Pixel, DX Image and VOI LUT modules; reverse: MONOCHROME1, in which small values are bright."""
    levels = 2**bits - 1
    stored = np.rint(film * (levels / FULL_SCALE)).astype(np.uint16)
    stored = levels - stored if reverse else stored
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (1, "MONOCHROME1" if reverse else "MONOCHROME2")
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = (16, bits, bits - 1, 0)
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", 1 if reverse else -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = "INVERSE" if reverse else "IDENTITY"
    dataset.WindowCenter, dataset.WindowWidth = (levels + 1) / 2, levels + 1
    dataset.LossyImageCompression, dataset.BurnedInAnnotation = "00", "NO"
    dataset.PixelData = stored.astype("<u2").tobytes()
