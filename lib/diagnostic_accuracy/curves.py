"""Curves of the arms on the test set with pointwise 95 % bands, from a predictions table alone (notebook 06).

Each curve is the mean over seeds of the seeds' own curves, read on a fixed grid. The band resamples patients
within label strata and holds point by point, not for the curve as a whole; the seeds' range stands beside it.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diagnostic_accuracy import metrics
from diagnostic_accuracy.bootstrap import image_weights
from diagnostic_accuracy.operating_point import called

Array = NDArray[np.float64]
Curve = Callable[[Array, Array, Array, Array], Array]

GRID = np.linspace(0, 1, 101)
PROBABILITIES = np.linspace(0.01, 0.99, 99)  # thresholds of the decision curve


def roc(frame: pd.DataFrame, resamples: int = 500, seed: int = 0) -> pd.DataFrame:
    """Sensitivity (y) against 1 - specificity (x): arm, x, y, low, high, seeds_low, seeds_high."""
    return _bands(frame, GRID, _sensitivity, resamples, seed).rename(columns={"grid": "x", "value": "y"})


def precision_recall(frame: pd.DataFrame, resamples: int = 500, seed: int = 0) -> pd.DataFrame:
    """Precision (y) against sensitivity (x) in steps: arm, x, y, low, high, seeds_low, seeds_high."""
    return _bands(frame, GRID[1:], _precision, resamples, seed).rename(columns={"grid": "x", "value": "y"})


def decision(frame: pd.DataFrame, resamples: int = 500, seed: int = 0) -> pd.DataFrame:
    """Net benefit against the threshold probability (Vickers & Elkin 2006).

    Columns: arm, threshold, net_benefit, low, high, seeds_low, seeds_high.
    """
    table = _bands(frame, PROBABILITIES, _net_benefit, resamples, seed, bounds=(-np.inf, 1))
    return table.rename(columns={"grid": "threshold", "value": "net_benefit"})


def reliability(frame: pd.DataFrame, bins: int = 8, resamples: int = 500, seed: int = 0) -> pd.DataFrame:
    """Observed share of label 1 in bins of equal numbers of scores, seeds pooled.

    Columns: arm, predicted (mean score), observed, low, high, count. The interval resamples patients only.
    """
    rows = []
    for arm, test in frame[frame["split"] == "test"].groupby("arm", sort=False):
        scores, labels, weights = _resampled(test, resamples, seed)
        edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)))
        place = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, max(len(edges) - 2, 0))
        for i in np.unique(place):
            inside = place == i
            drawn = weights[:, inside].sum(axis=1)
            shares = weights[:, inside] @ labels[inside] / np.where(drawn > 0, drawn, np.nan)
            low, high = np.nanquantile(shares, [0.025, 0.975])
            rows.append((arm, scores[inside].mean(), labels[inside].mean(), low, high, int(inside.sum())))
    return pd.DataFrame(rows, columns=["arm", "predicted", "observed", "low", "high", "count"])


def confusion(frame: pd.DataFrame) -> pd.DataFrame:
    """Test images by truth and call at the validation threshold, means over seeds: arm, tn, fp, fn, tp."""
    test = called(frame)
    call, truth = test["called"] == 1, test["label"] == 1
    cells = pd.DataFrame({"tn": ~call & ~truth, "fp": call & ~truth, "fn": ~call & truth, "tp": call & truth})
    counts = cells.groupby([test["arm"], test["seed"]], sort=False).sum()
    return counts.groupby(level="arm", sort=False).mean().reset_index()


def _resampled(rows: pd.DataFrame, resamples: int, seed: int) -> tuple[Array, Array, NDArray]:
    """Scores and labels (images,), and how often each resample of patients draws each image (resamples, images)."""
    weights = image_weights(rows["patient_id"].to_numpy(), rows["label"].to_numpy(), resamples, seed)
    return rows["score"].to_numpy(float), rows["label"].to_numpy(float), weights


def _bands(
    frame: pd.DataFrame, grid: Array, curve: Curve, resamples: int, seed: int, bounds: tuple = (0, 1)
) -> pd.DataFrame:
    """The curve of each arm on `grid`: arm, grid, value, low, high, seeds_low, seeds_high."""
    tables = []
    for arm, rows in frame[frame["split"] == "test"].groupby("arm", sort=False):
        values, resampled = [], []
        for _, run in rows.groupby("seed"):
            scores, labels, weights = _resampled(run.sort_values("image_id"), resamples, seed)
            values.append(curve(np.ones((1, len(run))), labels, scores, grid)[0])
            resampled.append(curve(weights.astype(float), labels, scores, grid))
        points, draws = np.array(values), np.array(resampled)
        low, high = np.clip(np.quantile(draws.mean(axis=0), [0.025, 0.975], axis=0), *bounds)
        table = {"grid": grid, "value": points.mean(axis=0), "low": low, "high": high}
        table |= {"seeds_low": points.min(axis=0), "seeds_high": points.max(axis=0)}
        tables.append(pd.DataFrame({"arm": arm, **table}))
    return pd.concat(tables, ignore_index=True)


def _sensitivity(weights: Array, labels: Array, scores: Array, grid: Array) -> Array:
    """Sensitivity at each false positive rate of the grid, joined by straight lines (a tie is a slope)."""
    if labels.min() == labels.max():
        return np.full((len(weights), len(grid)), np.nan)
    false, true = metrics.roc_points(weights, labels, scores)
    return np.array([np.interp(grid, x, y) for x, y in zip(false, true, strict=True)])


def _precision(weights: Array, labels: Array, scores: Array, grid: Array) -> Array:
    """Precision at the highest threshold that reaches each sensitivity of the grid."""
    if not labels.any():
        return np.full((len(weights), len(grid)), np.nan)
    positive, negative = metrics.cumulated(weights, labels, scores)
    with np.errstate(invalid="ignore"):
        precision, recall = positive / (positive + negative), positive / positive[:, -1:]
    places = [np.searchsorted(row, grid - 1e-9).clip(max=len(row) - 1) for row in recall]
    return np.array([row[place] for row, place in zip(precision, places, strict=True)])


def _net_benefit(weights: Array, labels: Array, scores: Array, grid: Array) -> Array:
    """True positives less false positives at the odds of the threshold, per image."""
    positive = (scores[:, None] >= grid).astype(float)
    true, false = (weights * labels) @ positive, (weights * (1 - labels)) @ positive
    return (true - false * grid / (1 - grid)) / weights.sum(axis=1, keepdims=True)
