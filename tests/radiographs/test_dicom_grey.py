"""Grey values of DICOM over all that changes them together: each file is encoded from a picture by the formulas of the
standard, so the truth is the picture itself; where dcmtk is installed, its `dcmj2pnm` must say the same.
"""

import itertools
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

import films
from radiographs import read

PICTURE = films.picture(3)
BITS, INTERCEPT = 12, 8190
# What a viewing box shows of a picture stored with low values dark: itself, or its negative (PS3.3 C.11.6.1.2, C.7.6.3)
NEGATIVE = {
    ("MONOCHROME1", ""): True,
    ("MONOCHROME1", "IDENTITY"): False,
    ("MONOCHROME1", "INVERSE"): True,
    ("MONOCHROME2", ""): False,
    ("MONOCHROME2", "IDENTITY"): False,
    ("MONOCHROME2", "INVERSE"): True,
}
VOI = ("none", "linear", "linear_exact", "sigmoid", "lut_16_bits", "lut_8_bits_in_words", "lut_8_bits_packed")


class Case(NamedTuple):
    """One way to store a picture."""

    photometric: str
    presentation: str
    voi: str
    slope: int
    signed: bool
    left_aligned: bool


def cases(photometric: str, presentation: str, voi: str) -> list[Case]:
    """All ways with this display and window: slope none, positive, negative; signed or not; both alignments."""
    others = itertools.product((0, 2, -2), (False, True), (False, True))
    return [Case(photometric, presentation, voi, *other) for other in others]


def save(path: Path, case: Case) -> None:
    """Write PICTURE as the case says: shown value → modality value → stored value → bits of a word."""
    shown = 1 - PICTURE if NEGATIVE[case.photometric, case.presentation] else PICTURE
    smallest = -(2 ** (BITS - 1)) if case.signed else 0
    slope, intercept = case.slope or 1, INTERCEPT if case.slope < 0 else 0
    ends = sorted(slope * value + intercept for value in (smallest, smallest + 2**BITS - 1))
    values, tags = before_voi(shown, case.voi, *ends)
    stored = np.rint((values - intercept) / slope).astype(np.int64)
    dataset = films.dicom(PICTURE, BITS, PhotometricInterpretation=case.photometric, **tags)
    if case.presentation:
        dataset.PresentationLUTShape = case.presentation
    if case.slope:
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = slope, intercept, "US"
    dataset.PixelRepresentation, dataset.HighBit = int(case.signed), 15 if case.left_aligned else BITS - 1
    words = (stored << 4 if case.left_aligned else stored) & 0xFFFF
    dataset.PixelData = words.astype("<u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = films.NATIVE["explicit"]
    dataset.save_as(path, enforce_file_format=True)


def before_voi(shown: np.ndarray, voi: str, low: int, high: int) -> tuple[np.ndarray, dict]:
    """Values in low..high that a transformation of values of interest maps to `shown`, and its tags (PS3.3 C.11.2)."""
    center, width = (low + high + 1) / 2, (high - low + 1) / 2
    window = {"WindowCenter": center, "WindowWidth": width, "VOILUTFunction": voi.upper()}
    if voi == "none":
        return low + shown * (high - low), {}
    if voi == "linear":
        return center - 0.5 + (shown - 0.5) * (width - 1), window
    if voi == "linear_exact":
        return center + (shown - 0.5) * width, window
    if voi == "sigmoid":
        return center - width / 4 * np.log(1 / shown - 1), window
    bits, length = 16 if voi == "lut_16_bits" else 8, high - low + 1
    entries = np.rint(np.linspace(2**bits - 1, 0, length)).astype("<u1" if voi.endswith("packed") else "<u2")
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if low < 0 else "US", [length, low, bits])
    item.add_new("LUTData", "OW", entries.tobytes() + bytes(entries.nbytes % 2))
    return low + (1 - shown) * (high - low), {"VOILUTSequence": Sequence([item])}


@pytest.mark.parametrize(("photometric", "presentation"), NEGATIVE)
@pytest.mark.parametrize("voi", VOI)
def test_grey_is_the_truth(tmp_path, photometric, presentation, voi):
    for case in cases(photometric, presentation, voi):
        save(tmp_path / "film.dcm", case)
        assert np.abs(read(tmp_path / "film.dcm", 64).pixels - PICTURE).max() < 0.004, case


@pytest.mark.skipif(not shutil.which("dcmj2pnm"), reason="dcmtk is not installed")
@pytest.mark.parametrize(("photometric", "presentation"), NEGATIVE)
@pytest.mark.parametrize("voi", VOI)
def test_grey_is_that_of_dcmtk(tmp_path, photometric, presentation, voi):
    option = [] if voi == "none" else ["+Wl" if voi.startswith("lut") else "+Wi", "1"]
    for case in cases(photometric, presentation, voi):
        save(tmp_path / "film.dcm", case)
        assert np.abs(read(tmp_path / "film.dcm", 64).pixels - of_dcmtk(tmp_path / "film.dcm", *option)).max() < 0.006


def of_dcmtk(path: Path, *options: str) -> np.ndarray:
    """What dcmtk shows of a file, 0..1."""
    command = ["dcmj2pnm", *options, "+opn", "16", str(path), str(path.with_suffix(".pnm"))]
    subprocess.run(command, check=True, capture_output=True)
    lines = [line for line in path.with_suffix(".pnm").read_text().splitlines() if not line.startswith("#")]
    return np.array(" ".join(lines).split()[4:], float).reshape(PICTURE.shape) / 65535
