"""Small radiographs for tests: pictures that differ, and folders of them in several formats."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)
from scipy.ndimage import gaussian_filter, zoom

from radiographs import inspection

NATIVE = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big_endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}
ENCAPSULATED = {  # by GDCM's names
    "rle": "RLELossless",
    "jpeg_lossless": "JPEGLosslessProcess14_1",
    "jpeg_ls": "JPEGLSLossless",
    "jpeg_2000": "JPEG2000Lossless",
    "jpeg_baseline": "JPEGBaselineProcess1",
    "jpeg_extended": "JPEGExtendedProcess2_4",
}


def picture(seed: int, height: int = 96, width: int = 72) -> np.ndarray:
    """A neck-like picture in 0..1, bone bright: a bright column on darker tissue, differing from seed to
    seed.
    """
    rng = np.random.default_rng(seed)
    coarse = zoom(rng.random((7, 5)), (height / 7, width / 5), order=3)[:height, :width]
    rows, columns = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    bend = 0.5 + 0.12 * np.sin(3 * rows + rng.uniform(0, 6))
    column = np.exp(-(((columns - bend) / 0.13) ** 2)) * (0.7 + 0.3 * np.cos(rows * (40 + seed % 7)))
    texture = gaussian_filter(rng.standard_normal((height, width)), height / 48)
    return np.clip(0.1 + 0.3 * coarse + 0.4 * column + 0.08 * texture / texture.std(), 0.04, 0.96)


def save_png(path: Path, values: np.ndarray, bits: int = 8) -> None:
    """`values` in 0..1 as a grey PNG of 8 or 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(values * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)).save(path)


def save_dicom(path: Path, values: np.ndarray, syntax: str = "explicit", bits: int = 12, **tags: object) -> None:
    """`values` in 0..1 as a DX image; `tags` by keyword; `syntax` is a key of NATIVE or ENCAPSULATED."""
    dataset = dicom(values, bits, **tags)
    path.parent.mkdir(parents=True, exist_ok=True)
    native = NATIVE.get(syntax, ExplicitVRLittleEndian)
    dataset.file_meta.TransferSyntaxUID = native
    if native == ExplicitVRBigEndian and dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)
    if syntax in ENCAPSULATED:
        _compress(path, ENCAPSULATED[syntax])


def dicom(values: np.ndarray, bits: int = 12, **tags: object) -> Dataset:
    """A DX dataset of one frame."""
    signed = tags.pop("signed", False)
    stored = np.rint(values * (2**bits - 1)).astype(np.int64) - (2 ** (bits - 1) if signed else 0)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID)
    dataset.Modality = "DX"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated = 8 if bits == 8 else 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, int(signed)
    kind = {8: "u1", 16: "i2" if signed else "u2"}[dataset.BitsAllocated]
    dataset.PixelData = stored.astype("<" + kind).tobytes()
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated == 16 else "OB"
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def cohort_folder(folder: Path, patients: int = 24, suffix: str = ".png", **columns: object) -> pd.DataFrame:
    """A clean cohort of two films (L, R) a patient with manifest.csv; returns the table. `columns` are added
    as given.
    """
    rows = []
    for patient in range(patients):
        for k, side in enumerate("LR"):
            name = f"films/{patient:03d}_{side}{suffix}"
            save = save_dicom if suffix == ".dcm" else save_png
            save(folder / name, picture(2 * patient + k))
            rows.append((name, f"P{patient:03d}", (patient // 2 + k * (patient % 3 == 0)) % 2, side))
    table = pd.DataFrame(rows, columns=["image_path", "patient_id", "label", "side"]).assign(**columns)
    table.to_csv(folder / "manifest.csv", index=False)
    return table


def study_file(folder: Path, name: str = "films", **manifest: object) -> Path:
    """A study on `folder`/manifest.csv with one arm."""
    import yaml

    values = {
        "name": name,
        "cohort": {
            "source": "manifest",
            "image_size": 64,
            "manifest": {"path": str(folder / "manifest.csv")} | manifest,
        },
        "split": {"test": 0.55, "validation": 0.15},
        "arms": {"basic": {}},
        "plan": {"primary": {"arm": "basic"}},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def spoil(file: inspection.FileToRead) -> dict:
    """A decoder that takes its process down on one file, takes all the memory on a second and does not end on a third
    (here, where pools find it).
    """
    if file.path == "films/001_R.png":
        os.abort()
    if file.path == "films/005_R.png":
        np.ones(4 << 30, np.uint8)
    if file.path == "films/009_L.png":
        time.sleep(600)
    return inspection.inspect(file)


def _compress(path: Path, syntax: str) -> None:
    import gdcm  # before Pillow, its zlib would take the place of Pillow's, which then crashes

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    assert writer.Write()
