"""Leaks between training and test set: images of one patient in both, copies of one image in both (notebook 09).

Each comes twice: with the true labels, and with labels that are drawn for each patient by a coin and mean nothing: what
exceeds an AUROC of 50 % by more than chance is remembered patients (doi:10.1038/s41598-021-01681-w, arXiv 2301.10888).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foramen.pitfalls import outcome, probe

TEST = 0.3
COPIES = 2
COPY_NOISE = 0.3  # of a copy, in SD of each feature
COIN = ", labels by coin"


def by_image(
    features: NDArray, labels: NDArray, patients: NDArray, coin: bool = False, repetitions: int = 200, seed: int = 0
) -> outcome.Row:
    """AUROC of a small classifier on one image of each test patient: learned from their other images, too (wrong), or
    from other patients alone (right). The test images are the same for both; so is the number of training images.
    """
    found = []
    for i in range(repetitions):
        given = _labels(labels, patients, coin, seed + i)
        apart, tested = probe.parts(patients, (1 - TEST, TEST), seed + i)
        order = np.random.default_rng(seed + i).permutation(len(labels))
        test, mixed = np.zeros_like(tested), np.zeros_like(tested)
        test[order[np.unique(patients[order], return_index=True)[1]]] = True
        test &= tested
        mixed[np.concatenate([np.flatnonzero(tested & ~test), order[apart[order]]])[: apart.sum()]] = True
        found.append([probe.auroc(probe.kernel(), features, given, train, test) for train in (mixed, apart)])
    wrong, right = np.transpose(found)
    return _row("split by image, not by patient", wrong, right, coin)


def copies(
    features: NDArray, labels: NDArray, patients: NDArray, coin: bool = False, repetitions: int = 30, seed: int = 0
) -> outcome.Row:
    """The same where each image has noisy copies: dealt one by one, or made of the training patients' images alone.

    A copy is an image with noise on its features, as a slightly changed one would have it.
    """
    wrong, right, index = [], [], np.repeat(np.arange(len(labels)), 1 + COPIES)
    original = np.arange(len(index)) % (1 + COPIES) == 0
    for i in range(repetitions):
        given = _labels(labels, patients, coin, seed + i)[index]
        noise = np.random.default_rng(seed + i).normal(0, COPY_NOISE, (len(index), features.shape[1]))
        copied = features[index] + np.where(original[:, None], 0, noise) * features.std(axis=0)
        train, test = probe.parts(np.arange(len(index)), (1 - TEST, TEST), seed + i)
        wrong.append(probe.auroc(probe.kernel(), copied, given, train, test))
        train, test = probe.parts(patients[index], (1 - TEST, TEST), seed + i)
        right.append(probe.auroc(probe.kernel(), copied, given, train, test & original))
    return _row("copies made before the split", wrong, right, coin)


def _row(pitfall: str, wrong: ArrayLike, right: ArrayLike, coin: bool) -> outcome.Row:
    """Labels by coin are new in each repetition, which nothing then joins to another; else training sets overlap."""
    if coin:
        return outcome.over_repetitions(pitfall + COIN, "AUROC", wrong, right, 0.5)
    return outcome.over_repetitions(pitfall, "AUROC", wrong, right, right, TEST / (1 - TEST))


def _labels(labels: NDArray, patients: NDArray, coin: bool, seed: int) -> NDArray:
    """The labels, or one drawn for each patient."""
    if not coin:
        return labels
    names, index = np.unique(patients, return_inverse=True)
    return np.random.default_rng(seed).integers(0, 2, len(names))[index]
