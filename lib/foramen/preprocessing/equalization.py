"""Contrast treatments of a radiograph, on its valid area only (notebook 02).

Padding and collimated border are no part of the radiograph: they stay 0 and never enter a histogram. The
treatments are scikit-image's: linear stretch, global histogram equalization, and CLAHE (Pizer et al. 1987,
Zuiderveld 1994).
"""

from typing import Literal

import numpy as np
import pandas as pd
from skimage import exposure

Treatment = Literal["none", "minmax", "global", "clahe"]

GREY_LEVELS = 256  # of a treated image
# Detectors give 10 to 14 bits; two bits fewer than stored make a histogram four times as fast.
HISTOGRAM_BITS = 14


def equalize(
    image: np.ndarray, box: np.ndarray, kind: Treatment, clip_limit: float = 0.01, tiles: int = 8
) -> np.ndarray:
    """A treated radiograph: (S, S) uint16 to uint8, 0 outside `box` (top, left, bottom, right).

    `none` scales full range to full range, the same for every image. `clip_limit` (scikit-image's) and `tiles` along
    each side of the valid area belong to `clahe`. An image of one grey level keeps it.
    """
    top, left, bottom, right = (int(edge) for edge in box)
    valid = image[top:bottom, left:right]
    treated = np.zeros(image.shape, np.uint8)
    if valid.size:
        varies = valid.min() < valid.max()
        treated[top:bottom, left:right] = _treat(valid, kind if varies else "none", clip_limit, tiles)
    return treated


def _treat(valid: np.ndarray, kind: Treatment, clip_limit: float, tiles: int) -> np.ndarray:
    """The valid area of a radiograph, (H, W) uint16, on 256 grey levels."""
    if kind == "none":
        return valid >> 8
    if kind == "minmax":
        return np.rint(exposure.rescale_intensity(valid.astype(np.float32), out_range=(0, GREY_LEVELS - 1)))
    if kind == "global":
        return equalize_histogram(valid)
    tile = [max(1, side // tiles) for side in valid.shape]
    return np.rint((GREY_LEVELS - 1) * exposure.equalize_adapthist(valid, tile, clip_limit, GREY_LEVELS))


def equalize_histogram(image: np.ndarray) -> np.ndarray:
    """Histogram equalization s = (L - 1) CDF(r): (H, W) uint16 to uint8 (Gonzalez and Woods 2008, eq. 3.3-8).

    `exposure.equalize_hist` by a look-up table: the same grey levels, many times as fast.
    """
    levels = image >> (16 - HISTOGRAM_BITS)
    cdf, centres = exposure.cumulative_distribution(levels)
    table = np.zeros(1 << HISTOGRAM_BITS, np.uint8)
    table[int(centres[0]) : int(centres[-1]) + 1] = np.rint((GREY_LEVELS - 1) * cdf)
    return table[levels]


def valid_share(boxes: np.ndarray, size: int) -> np.ndarray:
    """Share (N,) of the square images of `size` pixels a side that lies within the boxes (N, 4)."""
    return np.prod(boxes[:, 2:].astype(int) - boxes[:, :2], axis=1) / size**2


def histograms(images: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Pixels of each grey level in the valid area of each treated image (N, S, S): (N, 256) int64."""
    areas = (image[top:bottom, left:right] for image, (top, left, bottom, right) in zip(images, boxes, strict=True))
    return np.stack([np.bincount(area.ravel(), minlength=GREY_LEVELS) for area in areas])


def cdfs(images: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Cumulative distribution of the grey levels of each treated image over its valid area: (N, 256) float32.

    Entry [i, g] is the share of the valid area of image i that is not brighter than g; NaN for an empty box.
    """
    counts = histograms(images, boxes)
    with np.errstate(invalid="ignore"):
        return (counts.cumsum(axis=1) / counts.sum(axis=1, keepdims=True)).astype(np.float32)


def cdf_spread(distributions: np.ndarray) -> pd.DataFrame:
    """How far the CDFs (N, 256) of a cohort lie apart: level, mean, sd, low, high (the middle 90 %).

    The mean of `sd` over the levels is the one-number spread that notebook 02 compares before and after a
    treatment: 0 where all images use the grey scale alike.
    """
    low, high = np.nanquantile(distributions, [0.05, 0.95], axis=0)
    mean, sd = np.nanmean(distributions, axis=0), np.nanstd(distributions, axis=0)
    return pd.DataFrame({"level": np.arange(GREY_LEVELS), "mean": mean, "sd": sd, "low": low, "high": high})


def normalisation(images: np.ndarray, boxes: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of treated images over their valid areas, on the scale 0 to 1.

    Computed on the training images of an arm, it brings each contrast treatment to the scale a network learns
    at: input = (grey / 255 - mean) / sd. Padding lands at -mean / sd, the darkest value.
    """
    counts, levels = histograms(images, boxes).sum(axis=0), np.arange(GREY_LEVELS) / (GREY_LEVELS - 1)
    mean = np.average(levels, weights=counts)
    return float(mean), float(np.sqrt(np.average((levels - mean) ** 2, weights=counts)))
