"""Paired tests of two trained networks on the same test images (notebook 07).

Where every patient has one image, the textbook tests: exact McNemar for accuracy, sensitivity and
specificity, DeLong for the area under the ROC curve. Where patients have several images, which are alike,
these call chance significant too often; then their clustered forms: a permutation test that swaps the two
arms a patient at a time, and Obuchowski's clustered form of DeLong. The data choose, and the column `method`
says which.

All are conditional on the two networks at hand; `comparisons.gains` also counts the variation between seeds.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from diagnostic_accuracy.bootstrap import seed_pairs
from diagnostic_accuracy.operating_point import called

_SUBSETS = {"accuracy": (0, 1), "sensitivity": (1,), "specificity": (0,), "auroc": (0, 1)}
_COLUMNS = ["arm", "reference", "seed", "reference_seed", "metric", "difference", "p_value", "method"]
_COLUMNS += ["n_images", "n_patients", "note"]


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
    test = called(frame).sort_values("image_id").set_index("image_id")
    runs = dict(list(test.groupby(["arm", "seed"])))
    rows = []
    for arm, reference in pairs:
        for seed, seed_reference in _seed_pairs(runs, arm, reference):
            first, second = runs[arm, seed], runs[reference, seed_reference]
            if not first.index.equals(second.index):
                raise ValueError(f"arms {arm!r} and {reference!r} do not have the same test images")
            for metric, labels in _SUBSETS.items():
                chosen = first.label.isin(labels)
                found = (_auroc_test if metric == "auroc" else _accuracy_test)(first[chosen], second[chosen])
                rows.append((arm, reference, seed, seed_reference, metric, *found))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _seed_pairs(runs: dict, arm: str, reference: str) -> list[tuple[int, int]]:
    """The seeds of two arms that belong together."""
    seeds, seeds_reference = ([seed for name, seed in runs if name == wanted] for wanted in (arm, reference))
    if absent := [name for name, own in ((arm, seeds), (reference, seeds_reference)) if not own]:
        raise ValueError(f"no predictions of arm {', '.join(map(repr, absent))}")
    return seed_pairs(seeds, seeds_reference)


def _accuracy_test(run: pd.DataFrame, reference: pd.DataFrame) -> tuple:
    """McNemar's test or its clustered form: difference (points), p-value, method, images, patients, note."""
    images, patients = len(run), run.patient_id.nunique()
    size = ("permutation by patient (mid-p)" if images > patients else "exact McNemar", images, patients)
    if patients < 2:
        return np.nan, np.nan, *size, "not estimable: fewer than two patients"
    right, right_reference = run.called == run.label, reference.called == reference.label
    gain, p_value = clustered_mcnemar(right.to_numpy(), right_reference.to_numpy(), run.patient_id.to_numpy())
    alike = "the two arms are right on the same images" if right.equals(right_reference) else ""
    return 100 * gain, p_value, *size, alike


def _auroc_test(run: pd.DataFrame, reference: pd.DataFrame) -> tuple:
    """DeLong's test or its clustered form, as `_accuracy_test`."""
    images, patients = len(run), run.patient_id.nunique()
    size = ("DeLong clustered by patient (Obuchowski)" if images > patients else "DeLong", images, patients)
    if run.label.nunique() < 2:
        return np.nan, np.nan, *size, "not estimable: one class"
    gain, error, p_value = auroc_difference(run.label, run.score, reference.score, run.patient_id)
    if np.isnan(error):
        return 100 * gain, p_value, *size, "not estimable: fewer than two patients with a label"
    if np.isnan(p_value) and abs(gain) < 1e-12:
        return 100 * gain, 1.0, *size, "the two arms rank alike"
    return 100 * gain, p_value, *size, "not estimable: no variation" if np.isnan(p_value) else ""
