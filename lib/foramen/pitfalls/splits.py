"""Leaks between training and test set: images of one patient in both, copies of one image in both (notebook 09).

Each comes twice: with the true labels, and with labels that are drawn for each patient by a coin and mean nothing, of
which any AUROC but 50 % is remembered patients (doi:10.1038/s41598-021-01681-w, arXiv 2301.10888).
"""

import numpy as np
from numpy.typing import NDArray

from foramen.pitfalls import outcome, probe

TEST = 0.3
COPIES = 2
COPY_NOISE = 0.3  # of a copy, in SD of each feature
COIN = ", labels by coin"


def by_image(
    features: NDArray, labels: NDArray, patients: NDArray, coin: bool = False, repetitions: int = 10, seed: int = 0
) -> outcome.Row:
    """AUROC of a small classifier where images are dealt to training and test, and where patients are."""
    wrong: list[float] = []
    right: list[float] = []
    for i in range(repetitions):
        given = _labels(labels, patients, coin, seed + i)
        for found, groups in ((wrong, np.arange(len(labels))), (right, patients)):
            train, test = probe.parts(groups, (1 - TEST, TEST), seed + i)
            found.append(probe.auroc(probe.kernel(), features, given, train, test))
    truth = 0.5 if coin else right
    name = "split by image, not by patient" + COIN * coin
    return outcome.over_repetitions(name, "AUROC", wrong, right, truth, TEST / (1 - TEST))


def copies(
    features: NDArray, labels: NDArray, patients: NDArray, coin: bool = False, repetitions: int = 5, seed: int = 0
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
    truth = 0.5 if coin else right
    name = "copies made before the split" + COIN * coin
    return outcome.over_repetitions(name, "AUROC", wrong, right, truth, TEST / (1 - TEST))


def _labels(labels: NDArray, patients: NDArray, coin: bool, seed: int) -> NDArray:
    """The labels, or one drawn for each patient."""
    if not coin:
        return labels
    names, index = np.unique(patients, return_inverse=True)
    return np.random.default_rng(seed).integers(0, 2, len(names))[index]
