"""From stored DICOM values to grey as on a viewing box: rescale or LUT, then window or LUT, then inversion.

The order is that of pydicom's `apply_rescale`, `apply_voi_lut` and `apply_presentation_lut` (DICOM PS3.3 C.11.1, C.11.2
and C.11.6), and its functions are used where they serve. Two do not: its look-up tables wrap round where an index
exceeds what the type of the entries holds, and it inverts about the largest value present, not the largest possible.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.pixels import apply_rescale, apply_windowing

from radiographs.radiograph import ImageFault, stored_range


@dataclass(frozen=True)
class Lut:
    """A look-up table whose first entry is for the input `first`; entries lie in 0 to `top`."""

    entries: np.ndarray
    first: int
    top: float

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The entries for `values`, rounded; the outermost entry for what lies beyond."""
        return self.entries[np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.int64)]


def viewing_grey(reduced: np.ndarray, stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Grey 0..1, bone bright, float32, from `reduced`, means over blocks of the `stored` values; padding is black.

    The window is the first LUT of values of interest, else the first window, else the whole range that can be stored.
    Colour has no window.
    """
    padding = dataset.get("PixelPaddingValue")
    low, high = _stored_range(stored, padding, dataset)
    if not dataset.PhotometricInterpretation.startswith("MONOCHROME"):
        return np.clip(reduced / high, 0, 1).astype(np.float32)
    values, low, high = _modality(reduced, low, high, dataset)
    lut, window = _lut(dataset, "VOILUTSequence", values), _window(dataset)
    if lut:
        unit = lut(values) / lut.top
    else:
        unit = apply_windowing(values, window) if window else (values - low) / max(high - low, 1e-12)
    unit = np.clip(unit, 0, 1)
    unit = 1 - unit if is_inverted(dataset) else unit
    if isinstance(padding, int):
        unit[reduced == padding] = 0
    return unit.astype(np.float32)


def is_inverted(dataset: Dataset) -> bool:
    """Whether low values are shown bright: as the presentation LUT says, else the photometric interpretation."""
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    return shape == "INVERSE" or (shape != "IDENTITY" and dataset.PhotometricInterpretation == "MONOCHROME1")


def _stored_range(stored: np.ndarray, padding: Any, dataset: Dataset) -> tuple[float, float]:
    """What can be stored. 16 bits are often what the file has room for, not what the detector had: there the depth
    follows from the values, as for TIFF.
    """
    bits = int(dataset.BitsStored)
    if bits >= 16:
        return stored_range(stored[stored != padding] if isinstance(padding, int) else stored)
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0.0, 2.0**bits - 1)


def _modality(reduced: np.ndarray, low: float, high: float, dataset: Dataset) -> tuple[np.ndarray, float, float]:
    """Values after the modality LUT, or rescale slope and intercept, and the range that they can have."""
    if lut := _lut(dataset, "ModalityLUTSequence", reduced):
        return lut(reduced), 0.0, lut.top
    rescale = Dataset()
    rescale.RescaleSlope = dataset.get("RescaleSlope") or 1
    rescale.RescaleIntercept = dataset.get("RescaleIntercept") or 0
    low, high = sorted(apply_rescale(np.array([low, high]), rescale).tolist())
    return apply_rescale(reduced, rescale), low, high


def _window(dataset: Dataset) -> Dataset | None:
    """The first window, for `apply_windowing` to map to 0..1; None where there is none (a width of 0 is none).

    pydicom maps to the range of the stored values after rescaling, which a negative slope turns upside down; one bit
    without rescaling has the range 0..1.
    """
    center, width = (_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if center is None or not width:
        return None
    function = str(dataset.get("VOILUTFunction") or "").strip().upper()
    window = Dataset()
    window.PhotometricInterpretation, window.BitsStored, window.PixelRepresentation = "MONOCHROME2", 1, 0
    window.WindowCenter, window.WindowWidth = center, width
    known = function in ("LINEAR_EXACT", "SIGMOID")
    window.VOILUTFunction = function if known else "LINEAR_EXACT" if 0 < width < 1 else "LINEAR"
    return window


def _first(values: Any) -> Any:
    """The first of several values; None where there is none."""
    values = [values] if isinstance(values, (str, float, int)) else values
    return values[0] if values and values[0] != "" else None


def _lut(dataset: Dataset, name: str, values: np.ndarray) -> Lut | None:
    """The first LUT of a sequence, to look `values` up in; None where there is none, or an empty item."""
    item = (dataset.get(name) or [Dataset()])[0]
    if not item.get("LUTDescriptor") or not item.get("LUTData"):
        return None
    length, first, bits = (int(value) for value in item.LUTDescriptor)
    length = length or 2**16
    entries = _words(item.LUTData, little_endian=dataset.original_encoding[1] is not False)
    if len(entries) < length:  # two entries of 8 bits a word
        entries = entries.astype("<u2").view(np.uint8)
    if len(entries) < length:
        raise ImageFault(f"damaged DICOM: a look-up table of {length} entries holds {len(entries)}")
    entries = entries[:length]
    # a descriptor that says 8 bits may stand for more; a first value below zero may be written as an unsigned one
    top = max(2.0**bits - 1, stored_range(entries)[1] if entries.max() >= 2**bits else 0)
    return Lut(entries, first - 2**16 if first >= 2**15 and values.min() < 0 else first, top)


def _words(data: Any, little_endian: bool) -> np.ndarray:
    """LUT data, a list of numbers or bytes, as words of 16 bits."""
    if isinstance(data, bytes):
        return np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little_endian else ">u2")
    return np.atleast_1d(np.asarray(data, np.uint16))
