"""Every metric of every arm with its interval, from resampled patients (notebook 06).

Where a number does not exist it is NaN, and `note` says "not estimable" and why.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from diagnostic_accuracy import intervals, metrics
from diagnostic_accuracy.bootstrap import Resampled

COLUMNS = ["arm", "metric", "estimate", "low", "high", "n_images", "n_patients", "n_seeds", "note"]
ONE_SEED = "one seed: the interval leaves out the variation between trainings"
TWO_SEEDS = "two seeds cannot tell how much trainings differ"
_LOST_RESAMPLES = 0.05


def estimates(resampled: Resampled) -> pd.DataFrame:
    """Every metric of every arm with its interval: `arm, metric, estimate, low, high, n_images, n_patients, n_seeds,
    note`.

    The estimate is the mean over seeds of the metric on the test set; the interval is that of
    `intervals.percentile_interval`. Where the test set is all right or all wrong, so that resamples do not vary,
    accuracy, sensitivity and specificity have a Wilson interval that counts patients instead of images.
    """
    rows = []
    for arm, runs in resampled.runs.items():
        for metric in resampled.metrics:
            *interval, note = _estimate(resampled, arm, metric)
            rows.append((arm, metric, *interval, resampled.n_images, resampled.n_patients, len(runs), note))
    return pd.DataFrame(rows, columns=COLUMNS)


def by_seed(resampled: Resampled) -> pd.DataFrame:
    """Every metric of every single training: `arm, seed, metric, estimate`."""
    rows = [
        (arm, seed, metric, point)
        for arm, runs in resampled.runs.items()
        for seed, run in runs.items()
        for metric, point in zip(resampled.metrics, run.points, strict=True)
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "metric", "estimate"])


def _estimate(resampled: Resampled, arm: str, metric: str) -> tuple[float, float, float, str]:
    """Estimate, low, high and note of one metric of one arm."""
    points, draws = resampled.points(arm, metric), resampled.draws(arm, metric)
    if reason := no_value(resampled, arm, metric):
        return np.nan, np.nan, np.nan, reason
    estimate = float(points.mean())
    if reason := no_interval(resampled, [arm], metric):
        return estimate, np.nan, np.nan, reason
    notes, alike = [ONE_SEED] if len(points) == 1 else [], np.ptp(points) == 0
    if len(points) > 1 and alike and np.ptp(draws, axis=0).max() == 0:
        notes.append("the same with every seed")
    if alike and np.ptp(draws, axis=1).max() == 0:
        low, high, note = _interval_without_variation(resampled, metric, estimate)
        return estimate, low, high, "; ".join([note, *notes])
    kept = int((~np.isnan(draws).any(axis=0)).sum())
    if kept < draws.shape[1]:
        notes.append(f"interval from the {kept} of {draws.shape[1]} resamples in which it exists")
    between = None if alike else resampled.between(metric)
    if len(points) == 2 and not alike and between is None:
        notes.append(TWO_SEEDS)
    ends = intervals.percentile_interval(points, draws, resampled.freedom, resampled.understated, between)
    low, high = np.clip(ends, *metrics.BOUNDS[metric])
    return estimate, float(low), float(high), "; ".join(notes)


def percentages(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Results and baselines as text for people: a row an arm, a column a metric, in per cent with the interval."""
    form = np.where(table.low.isna(), "{:.1f}", "{:.1f} ({:.1f}–{:.1f})")
    values = 100 * table[["estimate", "low", "high"]]
    texts = [one.format(*row) for one, row in zip(form, values.to_numpy(), strict=True)]
    shown = table.assign(text=pd.Series(texts, table.index).where(table.estimate.notna()))
    return shown.pivot(index="arm", columns="metric", values="text").loc[table.arm.unique(), list(names)].fillna("–")


def no_value(resampled: Resampled, arm: str, metric: str) -> str:
    """Why the arm has no estimate of the metric, or nothing."""
    reasons = {
        f"{run.reasons[metric]} (seed {seed})" for seed, run in resampled.runs[arm].items() if metric in run.reasons
    }
    return f"not estimable: {', '.join(sorted(reasons))}" if reasons else ""


def no_interval(resampled: Resampled, arms: Iterable[str], metric: str) -> str:
    """Why resampling patients gives no interval, or nothing."""
    few = [label for label in metrics.LABELS_NEEDED[metric] if resampled.patients_with_label[label] < 2]
    if resampled.n_patients < 2:
        return "interval not estimable: only one patient"
    if resampled.freedom < 1:
        return "interval not estimable: no two patients share a label stratum"
    if few:
        return f"interval not estimable: only one patient with label {few[0]}"
    for arm in arms:
        draws = resampled.draws(arm, metric)
        share = np.isnan(draws).any(axis=0).mean()
        if share > _LOST_RESAMPLES:
            return f"interval not estimable: {share:.0%} of the resamples of arm {arm} have no value"
    return ""


def _interval_without_variation(resampled: Resampled, metric: str, estimate: float) -> tuple[float, float, str]:
    """Low, high and note where every resample gives the same value."""
    carriers = {"accuracy": resampled.n_patients}
    carriers |= {"sensitivity": resampled.patients_with_label[1], "specificity": resampled.patients_with_label[0]}
    if metric not in carriers or estimate not in (0.0, 1.0):
        return np.nan, np.nan, "interval not estimable: every resample gives the same value"
    n = carriers[metric]
    low, high = proportion_confint(n * estimate, n, 1 - intervals.LEVEL, method="wilson")
    return min(float(low), estimate), max(float(high), estimate), f"all alike: Wilson interval of {n} patients"
