"""Contrast treatments of a radiograph, on its valid area only (notebook 02).

Padding and collimated border are no part of the image: they stay 0 and never enter a histogram. The
treatments are scikit-image's: linear stretch, global histogram equalization, and CLAHE (Pizer et al. 1987,
Zuiderveld 1994).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from skimage import exposure

from foramen.cohort import step as cohort
from foramen.core.files import replacing
from foramen.study.model import Preprocessing, Study
from foramen.study.step import make

LEVELS = 256  # of a treated image
# Detectors give 10 to 14 bits; two bits fewer than stored make a histogram four times as fast.
HISTOGRAM_BITS = 14


def equalize(image: np.ndarray, box: np.ndarray, method: str, parameters: Preprocessing) -> np.ndarray:
    """A treated radiograph: (S, S) uint16 to uint8, 0 outside `box` (top, left, bottom, right).

    `none` scales full range to full range, the same for every image. An image of one grey level keeps it.
    """
    top, left, bottom, right = (int(edge) for edge in box)
    valid = image[top:bottom, left:right]
    treated = np.zeros(image.shape, np.uint8)
    if valid.size:
        varied = valid.min() < valid.max()
        treated[top:bottom, left:right] = _TREATMENTS[method if varied else "none"](valid, parameters)
    return treated


def _none(valid: np.ndarray, parameters: Preprocessing) -> np.ndarray:
    return (valid >> 8).astype(np.uint8)


def _minmax(valid: np.ndarray, parameters: Preprocessing) -> np.ndarray:
    return np.rint(exposure.rescale_intensity(valid.astype(np.float32), out_range=(0, LEVELS - 1)))


def _global(valid: np.ndarray, parameters: Preprocessing) -> np.ndarray:
    """`exposure.equalize_hist` by a look-up table: the same grey levels, many times as fast."""
    levels = valid >> (16 - HISTOGRAM_BITS)
    cdf, centres = exposure.cumulative_distribution(levels)
    table = np.zeros(1 << HISTOGRAM_BITS, np.uint8)
    table[int(centres[0]) : int(centres[-1]) + 1] = np.rint((LEVELS - 1) * cdf)
    return table[levels]


def _clahe(valid: np.ndarray, parameters: Preprocessing) -> np.ndarray:
    tile = [max(1, side // parameters.clahe_tiles) for side in valid.shape]
    return np.rint((LEVELS - 1) * exposure.equalize_adapthist(valid, tile, parameters.clahe_clip_limit, LEVELS))


_TREATMENTS = {"none": _none, "minmax": _minmax, "global": _global, "clahe": _clahe}


def prepare(study: Study, equalization: str) -> np.ndarray:
    """The cohort's images after one contrast treatment, (N, S, S) uint8 in manifest order, mapped from disk.

    Made and cached where missing or stale, with the spread of its CDFs (cdf.parquet) beside it.
    """
    films = cohort.prepare(study)
    folder, stage, inputs = study.paths.variant(equalization), f"variant_{equalization}", [films.folder]

    def work(facts: dict) -> None:
        images = _treat_cohort(folder / "images.npy", films, equalization, study.preprocessing)
        with replacing(folder / "cdf.parquet") as temporary:
            cdf_spread(cdfs(images, films.boxes)).to_parquet(temporary)
        facts["images"] = len(images)

    make(folder, study, stage, inputs, work)
    return np.load(folder / "images.npy", mmap_mode="r")


def _treat_cohort(path: Path, films: cohort.Cohort, method: str, parameters: Preprocessing) -> np.ndarray:
    with replacing(path) as temporary:
        treated = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=films.images.shape)
        for i, (image, box) in enumerate(zip(films.images, films.boxes, strict=True)):
            treated[i] = equalize(image, box, method, parameters)
        treated.flush()
    return np.load(path, mmap_mode="r")


def cdfs(images: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Cumulative distribution of the grey levels of each treated image over its valid area: (N, 256) float32.

    Entry [i, g] is the share of the valid area of image i that is not brighter than g; NaN for an empty box.
    """
    counts = np.stack(
        [
            np.bincount(image[top:bottom, left:right].ravel(), minlength=LEVELS)
            for image, (top, left, bottom, right) in zip(images, boxes, strict=True)
        ]
    )
    with np.errstate(invalid="ignore"):
        return (counts.cumsum(axis=1) / counts.sum(axis=1, keepdims=True)).astype(np.float32)


def cdf_spread(distributions: np.ndarray) -> pd.DataFrame:
    """How far the CDFs (N, 256) of a cohort lie apart: level, mean, sd, low, high (the middle 90 %).

    The mean of `sd` over the levels is the one-number spread that notebook 02 compares before and after a
    treatment: 0 where all images use the grey scale alike.
    """
    low, high = np.nanquantile(distributions, [0.05, 0.95], axis=0)
    mean, sd = np.nanmean(distributions, axis=0), np.nanstd(distributions, axis=0)
    return pd.DataFrame({"level": np.arange(LEVELS), "mean": mean, "sd": sd, "low": low, "high": high})


def normalisation(images: np.ndarray, boxes: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of treated images over their valid areas, on the scale 0 to 1.

    Computed on the training images of an arm, it brings each contrast treatment to the scale a network learns
    at: input = (grey / 255 - mean) / sd. Padding lands at -mean / sd, the darkest value.
    """
    counts = np.zeros(LEVELS, np.int64)
    for image, (top, left, bottom, right) in zip(images, boxes, strict=True):
        counts += np.bincount(image[top:bottom, left:right].ravel(), minlength=LEVELS)
    levels = np.arange(LEVELS) / (LEVELS - 1)
    mean = np.average(levels, weights=counts)
    return float(mean), float(np.sqrt(np.average((levels - mean) ** 2, weights=counts)))
