"""Metrics of a binary classifier under many weightings of the same images at once (notebook 06).

Every function takes `weights`, an array (resamples, images) of non-negative counts, and returns one value a
resample: a resample that draws a patient twice is the same images with weight 2. So thousands of resamples
cost a few matrix products and cumulative sums. A value that does not exist is NaN; `why_not_estimable` says
why in words.
"""

import numpy as np
from numpy.typing import NDArray

from diagnostic_accuracy.calibration import calibration_metrics

Array = NDArray[np.float64]

CONFUSION = ("accuracy", "f1", "specificity", "sensitivity", "precision", "npv", "balanced_accuracy", "mcc")
RANKING = ("auroc", "auprc")
CALIBRATION = ("calibration_intercept", "calibration_slope")
METRICS = (*CONFUSION, *RANKING, "brier", *CALIBRATION)

#: Metrics of which a smaller value is better: their gain is the decrease.
LOWER_IS_BETTER = ("brier",)
#: The values a metric can take; an interval is clipped to them.
BOUNDS = dict.fromkeys(METRICS, (0.0, 1.0)) | {"mcc": (-1.0, 1.0)} | dict.fromkeys(CALIBRATION, (-np.inf, np.inf))
#: The labels that must occur among the images for a metric to exist.
LABELS_NEEDED: dict[str, tuple[int, ...]] = dict.fromkeys(METRICS, (0, 1))
LABELS_NEEDED |= dict.fromkeys(("accuracy", "brier", "precision", "npv"), ())
LABELS_NEEDED |= {"sensitivity": (1,), "f1": (1,), "specificity": (0,)}
_HAIR = 1e-9  # to either side of a false positive rate at which a ROC curve may rise straight up


def direction(metric: str) -> int:
    """1 where a larger value is better, -1 where a smaller one is."""
    return -1 if metric in LOWER_IS_BETTER else 1


def operating_threshold(weights: Array, labels: NDArray, scores: NDArray) -> Array:
    """The threshold that calls as many of the weighted images positive as are positive: (resamples,).

    They must not be test images. An image is called positive where `score >= threshold`. Candidates are 0, the
    midpoints between neighbouring distinct scores that the resample drew, and a value just above the largest (all
    called negative). Where tied scores allow no exact match the nearest counts; among equals the candidate nearest to
    0.5 wins, then the lower one. With one class only there is nothing to match: 0.5.

    Notebook 06. Predicted prevalence equal to observed (Freeman and Moisen 2008, doi:10.1016/j.ecolmodel.2008.05.015)
    moves little with the sample; the maximum of a curve, such as of balanced accuracy, jumps between its near-equal
    peaks on a few hundred images. Chosen on the test set it would be optimistic (Leeflang et al. 2008).
    """
    labels, scores = np.asarray(labels, float), np.asarray(scores, float)
    if len(np.unique(labels)) < 2:
        return np.full(len(weights), 0.5)
    true, false = cumulated(weights, labels, scores)
    positive, negative, each = true[:, -1], false[:, -1], np.arange(len(weights))
    called = np.hstack([np.zeros((len(weights), 1)), true + false])  # (resamples, distinct scores + 1): at each cut
    lowest = np.concatenate([[np.inf], np.unique(scores)[::-1], [-np.inf]])  # score called at each cut
    enough = np.count_nonzero(called < positive[:, None], axis=1)  # the first cut that calls as many
    fewer, more = called[each, enough - 1], called[each, enough]
    above = lowest[np.count_nonzero(called < fewer[:, None], axis=1)]  # the neighbours that were drawn
    middle, below = lowest[enough], lowest[np.count_nonzero(called <= more[:, None], axis=1)]
    high = np.where(np.isinf(above), np.nextafter(middle, np.inf), (above + middle) / 2)
    low = np.where(np.isinf(below), 0.0, (middle + below) / 2)
    apart = positive - fewer - (more - positive)
    nearer = np.where(apart == 0, np.abs(high - 0.5) < np.abs(low - 0.5), apart < 0)
    return np.where((positive > 0) & (negative > 0), np.where(nearer, high, low), 0.5)


def evaluate(
    weights: Array, labels: NDArray, scores: NDArray, threshold: float | Array, metrics: tuple[str, ...] = METRICS
) -> Array:
    """The metrics of one score vector under each row of weights: (metrics, resamples), NaN where undefined.

    `labels` (images,) of 0/1, `scores` (images,) in 0-1, `threshold` from `operating_threshold`: one, or (resamples,).
    """
    labels, scores = np.asarray(labels, float), np.asarray(scores, float)
    values: dict[str, Array] = {}
    if set(metrics) & set(CONFUSION):
        values |= confusion_metrics(weights, labels, scores >= np.reshape(threshold, (-1, 1)))
    if set(metrics) & set(RANKING):
        values |= ranking_metrics(weights, labels, scores)
    if "brier" in metrics:
        values["brier"] = weights @ (scores - labels) ** 2 / weights.sum(axis=1)
    if set(metrics) & set(CALIBRATION):
        values |= calibration_metrics(weights, labels, scores)
    return np.stack([values[metric] for metric in metrics])


def confusion_metrics(weights: Array, labels: Array, calls: NDArray[np.bool_]) -> dict[str, Array]:
    """Metrics of the confusion matrix; `calls` ((resamples or 1), images) says which are called positive.

    A ratio without a denominator is NaN, but MCC is 0 where all images are called alike (as in scikit-learn).
    """
    classes = np.stack([labels == 1, labels == 0], axis=1).astype(float)
    (tp, fp), (positive, negative) = (weights * calls @ classes).T, (weights @ classes).T
    tn, fn = negative - fp, positive - tp
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
        spread = np.sqrt((tp + fp) * (tn + fn)) * np.sqrt((tp + fn) * (tn + fp))
        mcc = np.where((tp + fp) * (tn + fn) == 0, 0.0, (tp * tn - fp * fn) / spread)
        return {
            "accuracy": (tp + tn) / (tp + tn + fp + fn),
            "f1": np.where(tp + fn == 0, np.nan, 2 * tp / (2 * tp + fp + fn)),
            "specificity": specificity,
            "sensitivity": sensitivity,
            "precision": tp / (tp + fp),
            "npv": tn / (tn + fn),
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "mcc": np.where((tp + fn) * (tn + fp) == 0, np.nan, mcc),
        }


def ranking_metrics(weights: Array, labels: Array, scores: Array) -> dict[str, Array]:
    """Area under the ROC curve (ties count half) and average precision by cumulative sums down the scores."""
    true_positives, false_positives = cumulated(weights, labels, scores)
    positive, negative = (np.diff(counts, prepend=0, axis=1) for counts in (true_positives, false_positives))
    n_positive, n_negative = true_positives[:, -1], false_positives[:, -1]
    # Where nothing is called yet, at the top of the list, the term of the sum is zero whatever the divisor.
    precision = true_positives / np.maximum(true_positives + false_positives, 1e-300)
    pairs = np.einsum("ij,ij->i", negative, true_positives) - np.einsum("ij,ij->i", negative, positive) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        auroc = pairs / (n_positive * n_negative)
        auprc = np.einsum("ij,ij->i", positive, precision) / n_positive
    return {"auroc": auroc, "auprc": np.where(n_negative == 0, np.nan, auprc)}


def sensitivity_at(weights: Array, labels: NDArray, scores: NDArray, specificity: Array) -> Array:
    """The sensitivity of a score vector where it is as specific as asked, one `specificity` a resample: (resamples,).

    Read from the ROC curve of each row of weights, joined by straight lines (ties are a slope); where the curve rises
    straight up, halfway. NaN with one class.
    """
    false, true = roc_points(weights, np.asarray(labels, float), np.asarray(scores, float))
    sides = np.stack([1 - specificity - _HAIR, 1 - specificity + _HAIR], axis=1)
    rows = zip(sides, false, true, strict=True)
    return np.array([np.interp(x, xs, ys).mean() if np.isfinite(xs).all() else np.nan for x, xs, ys in rows])


def roc_points(weights: Array, labels: Array, scores: Array) -> tuple[Array, Array]:
    """False and true positive rate (resamples, distinct scores + 1) from the highest score down, both from 0 to 1.

    A rate is NaN throughout where the resample has no image of its class.
    """
    true, false = cumulated(weights, labels, scores)
    zero = np.zeros((len(weights), 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = (np.hstack([zero, counts]) / counts[:, -1:] for counts in (false, true))
    return x, y


def cumulated(weights: Array, labels: Array, scores: Array) -> tuple[Array, Array]:
    """True and false positives (resamples, distinct scores) from the highest score down; ties count as one."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    weights, labels = weights[:, order], labels[order]
    parts = [weights * labels, weights * (1 - labels)]
    if len(starts) < len(scores):
        parts = [np.add.reduceat(part, starts, axis=1) for part in parts]
    true, false = (np.cumsum(part, axis=1) for part in parts)
    return true, false


def why_not_estimable(metric: str, labels: NDArray, scores: NDArray) -> str:
    """Why `metric` has no value on these images, in a few words; only called where its value is NaN."""
    for label in LABELS_NEEDED[metric]:
        if not (np.asarray(labels) == label).any():
            return f"no image with label {label}"
    if metric in CALIBRATION:
        return "all scores are equal" if len(np.unique(scores)) == 1 else "the scores separate the classes perfectly"
    return f"no image is called {'positive' if metric == 'precision' else 'negative'}"
