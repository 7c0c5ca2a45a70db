"""Paired tests of two trained networks on the same test images (notebook 07).

Where every patient has one image, the textbook tests: exact McNemar for accuracy, sensitivity and
specificity, DeLong for the area under the ROC curve. Where patients have several images, which are alike,
these call chance significant too often; then their clustered forms: a permutation test that swaps the two
arms a patient at a time, and Obuchowski's clustered form of DeLong. The data choose, and the column `method`
says which.

All are conditional on the two networks at hand; `comparisons.gains` also counts the variation between seeds.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from foramen.core.errors import InputError
from foramen.evaluation.predictions import thresholds

_SUBSETS = {"accuracy": (0, 1), "sensitivity": (1,), "specificity": (0,)}
_PAIR = ["arm", "reference", "seed", "reference_seed"]
_TEST = ["metric", "difference", "p_value", "method", "n_images", "n_patients", "note"]


def sign_flip(differences: NDArray, mid: bool = False) -> float:
    """Two-sided p-value of a sum of whole-number differences, one a cluster, when each sign is a coin toss.

    With differences of -1, 0, 1 this is the exact McNemar test. The distribution of the sum is a convolution
    of binomials, one for each size of difference, so nothing is drawn at random. `mid` counts the observed
    sum half, which takes away the conservatism of a discrete test (Fagerland et al. 2013,
    doi:10.1186/1471-2288-13-91).
    """
    sizes = np.abs(np.asarray(differences)).astype(int)
    if not sizes.any():
        return 1.0
    pmf = np.ones(1)
    for size in np.unique(sizes[sizes > 0]):
        count = int((sizes == size).sum())
        part = np.zeros(count * size + 1)
        part[::size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        pmf = np.convolve(pmf, part)
    sums = np.abs(2 * np.arange(len(pmf)) - sizes.sum())
    observed = abs(int(np.sum(differences)))
    return float(min(1.0, pmf[sums > observed].sum() + pmf[sums == observed].sum() * (0.5 if mid else 1.0)))


def clustered_mcnemar(right: NDArray, right_reference: NDArray, patients: NDArray) -> tuple[float, float]:
    """Difference in the share of right answers and its p-value, the arms swapped a patient at a time.

    `right` and `right_reference` (images,) say which answers are right. With one image a patient it is exact
    McNemar; with several, the mid-p form.
    """
    gained = np.asarray(right, int) - np.asarray(right_reference, int)
    clusters, index = np.unique(patients, return_inverse=True)
    by_patient = np.bincount(index, weights=gained).round()
    return float(gained.mean()), sign_flip(by_patient, mid=len(clusters) < len(gained))


def auroc_difference(
    labels: NDArray, scores: NDArray, scores_reference: NDArray, patients: NDArray
) -> tuple[float, float, float]:
    """Difference of two areas under the ROC curve on the same images, its standard error and p-value.

    Structural components (DeLong et al. 1988, doi:10.2307/2531595) are summed over each patient's images
    (Obuchowski 1997, doi:10.2307/2533958); with one image a patient it is DeLong's test. The standard error
    is NaN where a class is carried by fewer than two patients; the p-value is NaN where the standard error is
    NaN or 0.
    """
    labels = np.asarray(labels) == 1
    components = [_structural_components(labels, np.asarray(s, float)) for s in (scores, scores_reference)]
    difference = components[0][2] - components[1][2]
    _, index = np.unique(patients, return_inverse=True)
    n_positive, n_negative = int(labels.sum()), int((~labels).sum())
    # Components of the difference, centred: the same algebra as the variance of each area less twice their
    # covariance.
    v10 = components[0][0] - components[1][0] - difference
    v01 = components[0][1] - components[1][1] - difference
    positive = np.bincount(index[labels], weights=v10, minlength=index.max() + 1)
    negative = np.bincount(index[~labels], weights=v01, minlength=index.max() + 1)
    clusters, with_positive, with_negative = (len(np.unique(i)) for i in (index, index[labels], index[~labels]))
    if min(with_positive, with_negative) < 2:
        return difference, np.nan, np.nan
    s10 = with_positive / (with_positive - 1) * (positive @ positive) / n_positive**2
    s01 = with_negative / (with_negative - 1) * (negative @ negative) / n_negative**2
    s11 = clusters / (clusters - 1) * (positive @ negative) / (n_positive * n_negative)
    error = float(np.sqrt(max(0.0, float(s10 + s01 + 2 * s11))))
    return difference, error, float(2 * stats.norm.sf(abs(difference) / error)) if error > 1e-12 else np.nan


def _structural_components(labels: NDArray[np.bool_], scores: NDArray) -> tuple[NDArray, NDArray, float]:
    """The share of negatives below each positive, of positives above each negative; the area."""
    positive, negative = scores[labels], scores[~labels]
    ranks, own = stats.rankdata(scores), np.empty(len(scores))
    own[labels], own[~labels] = stats.rankdata(positive), stats.rankdata(negative)
    v10 = (ranks - own)[labels] / len(negative)
    v01 = 1 - (ranks - own)[~labels] / len(positive)
    return v10, v01, float(v10.mean())


def compare_pairs(frame: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """McNemar and DeLong tests, or their clustered forms, of each pair (arm, reference) and common seed.

    Columns `arm, reference, seed, reference_seed, metric, difference, p_value, method, n_images, n_patients,
    note`, the difference in points. An arm with one seed meets every seed of the other. Answers are taken at
    each run's own operating threshold.
    """
    test = frame[frame.split == "test"].sort_values("image_id")
    limits = thresholds(frame).set_index(["arm", "seed"]).threshold
    runs = dict(list(test.groupby(["arm", "seed"])))
    rows = []
    for arm, reference in pairs:
        for seed, seed_reference in _seed_pairs(runs, arm, reference):
            first, second = runs[arm, seed], runs[reference, seed_reference]
            if list(first.image_id) != list(second.image_id):
                raise InputError(f"arms {arm!r} and {reference!r} do not have the same test images")
            calls = [
                run.score.to_numpy() >= limits[key]
                for run, key in ((first, (arm, seed)), (second, (reference, seed_reference)))
            ]
            pair = {"arm": arm, "reference": reference, "seed": seed, "reference_seed": seed_reference}
            rows += [pair | row for row in _tests_of_run(first, second, *calls)]
    return pd.DataFrame(rows, columns=[*_PAIR, *_TEST])


def _seed_pairs(runs: dict, arm: str, reference: str) -> list[tuple[int, int]]:
    """The seeds of two arms that belong together."""
    seeds, seeds_reference = ([seed for name, seed in runs if name == wanted] for wanted in (arm, reference))
    if missing := [name for name, found in ((arm, seeds), (reference, seeds_reference)) if not found]:
        raise InputError([f"no predictions of arm {name!r}" for name in missing])
    if len(seeds) == 1 or len(seeds_reference) == 1:
        return [(seed, other) for seed in seeds for other in seeds_reference]
    return [(seed, seed) for seed in seeds if seed in seeds_reference]


def _tests_of_run(first: pd.DataFrame, second: pd.DataFrame, calls: NDArray, calls_reference: NDArray) -> list[dict]:
    """Rows of one pair of networks, the columns `_TEST`."""
    labels, patients = first.label.to_numpy(), first.patient_id.to_numpy()
    rows = []
    for metric, subset in _SUBSETS.items():
        chosen = np.isin(labels, subset)
        right, right_reference = (c[chosen] == labels[chosen] for c in (calls, calls_reference))
        row = _accuracy_test(right, right_reference, patients[chosen])
        rows.append({"metric": metric} | row)
    return [*rows, {"metric": "auroc"} | _auroc_test(labels, first.score, second.score, patients)]


def _accuracy_test(right: NDArray, right_reference: NDArray, patients: NDArray) -> dict[str, Any]:
    """McNemar's test or its clustered form, as columns of a row."""
    row, clustered = _size(patients)
    row["method"] = "permutation by patient (mid-p)" if clustered else "exact McNemar"
    if row["n_patients"] < 2:
        return row | {"note": "not estimable: fewer than two patients"}
    gain, p_value = clustered_mcnemar(right, right_reference, patients)
    note = "the two arms are right on the same images" if (right == right_reference).all() else ""
    return row | {"difference": 100 * gain, "p_value": p_value, "note": note}


def _auroc_test(labels: NDArray, scores: pd.Series, scores_reference: pd.Series, patients: NDArray) -> dict[str, Any]:
    """DeLong's test or its clustered form, as columns of a row."""
    row, clustered = _size(patients)
    row["method"] = "DeLong clustered by patient (Obuchowski)" if clustered else "DeLong"
    if len(np.unique(labels)) < 2:
        return row | {"note": "not estimable: one class"}
    gain, error, p_value = auroc_difference(labels, scores.to_numpy(), scores_reference.to_numpy(), patients)
    note = ""
    if np.isnan(error):
        note = "not estimable: fewer than two patients with a label"
    elif np.isnan(p_value):
        alike = abs(gain) < 1e-12
        p_value, note = (1.0, "the two arms rank alike") if alike else (p_value, "not estimable: no variation")
    return row | {"difference": 100 * gain, "p_value": p_value, "note": note}


def _size(patients: NDArray) -> tuple[dict[str, Any], bool]:
    """Number of images and patients, as columns of a row without a value yet; does a patient have several images?"""
    images, persons = len(patients), len(np.unique(patients))
    row: dict[str, Any] = {"difference": np.nan, "p_value": np.nan, "n_images": images, "n_patients": persons}
    return row, images > persons
