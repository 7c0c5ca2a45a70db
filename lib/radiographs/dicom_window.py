"""From stored DICOM values to grey as on a viewing box: rescale or LUT, window, inversion of MONOCHROME1.

DICOM PS3.3: modality transformation C.11.1, values of interest (window) C.11.2, photometric interpretation C.7.6.3.
"""

import numpy as np
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut


def viewing_grey(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Grey 0..1, bone bright, float32, from stored values or means of blocks of them; padding is black.

    The window is the values-of-interest LUT, else the first window, else the whole range that can be stored.
    """
    values, low, high = _modality(stored, dataset)
    if dataset.get("VOILUTSequence"):
        values, low, high = _whole(values), 0, _largest(dataset.VOILUTSequence[0])
    values = apply_voi_lut(values, dataset, index=0)  # the LUT, else the first window, else as they are
    unit = np.clip((np.asarray(values, np.float32) - low) / max(high - low, 1e-12), 0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        unit = 1 - unit
    padding = dataset.get("PixelPaddingValue")
    if isinstance(padding, int):
        unit[stored == padding] = 0
    return unit.astype(np.float32)


def _modality(stored: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, float, float]:
    """Values after rescale slope and intercept, or the modality LUT, and the range that they can have."""
    dataset.RescaleSlope = dataset.get("RescaleSlope") or 1
    dataset.RescaleIntercept = dataset.get("RescaleIntercept") or 0
    if dataset.get("ModalityLUTSequence"):
        return apply_modality_lut(_whole(stored), dataset), 0, _largest(dataset.ModalityLUTSequence[0])
    bits = int(dataset.BitsStored)
    ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0, 2**bits - 1)
    low, high = sorted(apply_modality_lut(np.array(ends), dataset).tolist())
    return apply_modality_lut(stored, dataset), low, high


def _whole(values: np.ndarray) -> np.ndarray:
    """Whole numbers, as a LUT needs them."""
    return np.rint(values).astype(np.int32)


def _largest(lut: Dataset) -> int:
    """The largest value that a LUT can give."""
    return 2 ** int(lut.LUTDescriptor[2]) - 1
