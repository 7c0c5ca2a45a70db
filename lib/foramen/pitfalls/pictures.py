"""Mistakes with the pictures themselves: flips, padding, maps taken as proof (notebook 09)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from foramen.evaluation import pointing
from foramen.pitfalls import outcome, probe
from foramen.preprocessing.equalization import GREY_LEVELS, equalize

TEST = 0.3
MIDDLE = (0.05, 0.95)  # quantiles of a radiograph's grey levels


def flip(images: NDArray, sides: NDArray, patients: NDArray, repetitions: int = 5, seed: int = 0) -> outcome.Row:
    """Accuracy of telling the side from images (n, s, s), as they were taken. Each training image is there twice, as
    taken and mirrored: the mirrored one with the label left as it was (wrong), with the other label (right).

    A label that a mirror image changes must change with it; the truth is the right way's number. `sides` are L or R.
    """
    labels = (sides == "R").astype(int)
    found, upright, turned = [], probe.tones(images), probe.tones(images[..., ::-1])
    for i in range(repetitions):
        train, test = probe.parts(patients, (1 - TEST, TEST), seed + i)
        seen = np.concatenate([upright[train], turned[train]])
        told = (np.concatenate([labels[train], mirror[train]]) for mirror in (labels, 1 - labels))
        models = (probe.linear().fit(seen, given) for given in told)
        found.append([(model.predict(upright[test]) == labels[test]).mean() for model in models])
    wrong, right = np.transpose(found)
    pitfall = "flip that leaves the side's label"
    return outcome.over_repetitions(pitfall, "accuracy", wrong, right, right, TEST / (1 - TEST))


def padding(images: NDArray, boxes: NDArray, patients: NDArray) -> outcome.Row:
    """Share of the grey scale that a radiograph's middle 90 % use after equalization of the whole square (wrong), of
    the valid area alone (right, truth).

    `images` (n, S, S) uint16 and `boxes` (n, 4) are a cohort's, padding and collimated border outside the boxes;
    `patients` (n,) are whose they are.
    """
    square = np.array([0, 0, *images.shape[1:]])
    used = [
        (_range(equalize(image, square, "global"), box), _range(equalize(image, box, "global"), box))
        for image, box in zip(images, boxes, strict=True)
    ]
    return _over_patients("equalization over the padding", "grey scale used", used, patients)


def _range(treated: NDArray, box: NDArray) -> float:
    top, left, bottom, right = box
    low, high = np.quantile(treated[top:bottom, left:right], MIDDLE)
    return (high - low) / (GREY_LEVELS - 1)


def place(masks: NDArray, regions: NDArray, patients: NDArray) -> outcome.Row:
    """How often the middle of the picture, a map that has seen neither label nor network, lies at a foramen
    (`pointing.near`, as in notebook 08); truth: by chance.

    That is what a map must beat before its place proves anything (Adebayo et al. 2018, arXiv 1810.03292; notebook 08
    sets Grad-CAM beside it). `masks` (n, S, S) bool, the true foramina of films; `regions` (n, 3), the picture on each:
    its centre x, y and half its side, -1 to 1; `patients` (n,) are whose they are.
    """
    size, found = masks.shape[-1], []
    for mask, (x, y, half) in zip(masks, regions, strict=True):
        near = pointing.near(mask, half * size)
        down, right = (np.abs((np.arange(size) + 0.5) * 2 / size - 1 - centre) for centre in (y, x))
        found.append((near[down.argmin(), right.argmin()], near[np.ix_(down <= half, right <= half)].mean()))
    return _over_patients("place of a map taken as proof", "peaks at a foramen", found, patients)


def _over_patients(pitfall: str, metric: str, found: Sequence[tuple[float, float]], patients: NDArray) -> outcome.Row:
    """The wrong and the right number of each image, which is the truth: means of a patient's images are independent."""
    wrong, right = pd.DataFrame(found, dtype=float).groupby(patients).mean().to_numpy().T
    return outcome.over_repetitions(pitfall, metric, wrong, right, right) | {"of": "patients"}
