"""Gains of one arm over another with their uncertainty: over the reference, step by step, at equal specificity; the
smallest detectable gain and rank swaps between seeds (notebooks 06 and 07).

Everything starts from `bootstrap.resample`, which scores every arm, seed and metric under the same resampled patients.
Gains are in percentage points, and positive where the arm is better (for the Brier score: where it is lower). Where a
number does not exist it is NaN, and `note` says "not estimable" and why.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from foramen.core.errors import InputError
from foramen.evaluation import bootstrap, intervals, metrics
from foramen.evaluation.bootstrap import Resampled
from foramen.evaluation.intervals import Error, Spread
from foramen.evaluation.multiple_testing import holm, holm_within
from foramen.evaluation.results import ONE_SEED, no_interval, no_value

#: Claimed gains of the proposed method over the basic ResNet50, in percentage points, as ranges: abstract of
#: Park J., Yang J., Park S., Kim J., Electronics 2023, 12(1), 195, doi:10.3390/electronics12010195. On other
#: data than ours.
PAPER_GAINS = {"accuracy": (5.3, 6.9), "f1": (5.2, 6.5), "specificity": (5.4, 9.2), "sensitivity": (0.8, 4.3)}
#: Metrics of which a difference is a gain; those of calibration have an ideal value, not a direction.
GAIN_METRICS = tuple(metric for metric in metrics.METRICS if metric not in metrics.CALIBRATION)
_GAIN = ["arm", "reference", "metric", "gain", "low", "high", "p_value", "note"]
_NOTHING = 1e-12
LONE_SEED = "one seed of {}: its variation between trainings is left out"


@dataclass(frozen=True)
class Contrast:
    """A linear contrast of arms: its estimate and error, or None where not estimable, and a note."""

    estimate: float = np.nan
    error: Error | None = None
    note: str = ""

    @property
    def nothing(self) -> bool:
        """The arms are the same in every resample and at every seed."""
        return self.error is not None and self.error.standard_error < _NOTHING


def contrast(
    resampled: Resampled, coefficients: Mapping[str, float], metric: str, between: Spread | None = None
) -> Contrast:
    """A linear contrast of arms (coefficients that sum to 0), paired over patients and seeds.

    Positive means better. Used with {arm: 1, reference: -1} it is a gain. `between` as in `intervals.error`.
    """
    arms = list(coefficients)
    if reason := next(filter(None, (no_value(resampled, arm, metric) for arm in arms)), ""):
        return Contrast(note=reason)
    if reason := no_interval(resampled, arms, metric):
        return Contrast(note=reason.removeprefix("interval "))
    seeds = resampled.seeds_in_common(arms)
    if not seeds:
        return Contrast(note="not estimable: the arms have no seed in common")
    signed = {arm: metrics.direction(metric) * coefficient for arm, coefficient in coefficients.items()}
    zero = np.zeros(())
    points = sum((factor * resampled.points(arm, metric, seeds) for arm, factor in signed.items()), zero)
    draws = sum((factor * resampled.draws(arm, metric, seeds) for arm, factor in signed.items()), zero)
    if not draws.any():  # arms that never differ
        between = None
    error = intervals.error(points, draws, resampled.freedom, resampled.understated, between)
    found = Contrast(float(points.mean()), error, _seed_note(resampled, arms, seeds))
    if not found.nothing:
        return found
    if abs(found.estimate) < _NOTHING:
        return replace(found, estimate=0.0, note="the same in every resample")
    return Contrast(note="not estimable: every resample gives the same difference")


def _seed_note(resampled: Resampled, arms: Sequence[str], seeds: tuple[int, ...]) -> str:
    """What a reader must know about the seeds behind a contrast."""
    single = [arm for arm in arms if len(resampled.runs[arm]) == 1]
    if len(seeds) == 1:
        return ONE_SEED
    if single:
        return LONE_SEED.format(", ".join(single))
    if any(set(resampled.runs[arm]) != set(seeds) for arm in arms):
        return f"from the seeds in common: {', '.join(map(str, seeds))}"
    return ""


def gain_row(found: Contrast) -> dict[str, object]:
    """Gain, interval and p-value of a contrast in percentage points."""
    gain, low, high, p_value = 100 * found.estimate, np.nan, np.nan, np.nan
    if found.nothing:
        low, high, p_value = gain, gain, 1.0
    elif found.error:
        half = 100 * found.error.half_width()
        low, high, p_value = gain - half, gain + half, found.error.p_value(found.estimate)
    return {"gain": gain, "low": low, "high": high, "p_value": p_value, "note": found.note}


def differences(
    resampled: Resampled, pairs: Iterable[tuple[str, str]], between: Mapping[str, Spread | None] | None = None
) -> pd.DataFrame:
    """The gain of the first arm of each pair over the second: `arm, reference, metric, gain, low, high, p_value, note`.

    `between` has the variance between seeds of each metric's gain where it was pooled over studies alike
    (`intervals.pooled`). Raises InputError for an arm without predictions.
    """
    pairs = [(arm, reference) for arm, reference in pairs]
    if unknown := sorted({arm for pair in pairs for arm in pair} - set(resampled.arms)):
        raise InputError([f"no predictions of arm {arm!r} (arms: {', '.join(resampled.arms)})" for arm in unknown])
    rows = []
    for arm, reference in pairs:
        for metric in gain_metrics(resampled):
            found = contrast(resampled, {arm: 1, reference: -1}, metric, (between or {}).get(metric))
            rows.append({"arm": arm, "reference": reference, "metric": metric, **gain_row(found)})
    return pd.DataFrame(rows, columns=_GAIN)


def gain_metrics(resampled: Resampled) -> list[str]:
    """The metrics at hand of which a difference is a gain."""
    return [metric for metric in resampled.metrics if metric in GAIN_METRICS]


def over(resampled: Resampled, reference: str) -> list[tuple[str, str]]:
    """Every other arm with the reference."""
    return [(arm, reference) for arm in resampled.arms if arm != reference]


def gains(resampled: Resampled, reference: str, primary: tuple[str, str] | None = None) -> pd.DataFrame:
    """Gain of every arm over `reference`, in percentage points, beside the ranges that the paper claims.

    Columns `arm, metric, gain, low, high, p_value, paper_low, paper_high, paper_data, reference, primary, p_holm,
    note`. `primary` (arm, metric) is the one prespecified contrast; its p-value stands as it is, Holm adjusts all
    others together. The paper's ranges stand with the primary arm, which is its proposed method, and are NaN elsewhere.
    Interval and p-value agree: p < 0.05 exactly where the interval leaves out 0.
    """
    frame = differences(resampled, over(resampled, reference))
    arm, metric = primary or (None, None)
    claimed = (frame.arm == arm) & frame.metric.isin(list(PAPER_GAINS))
    for i, column in enumerate(("paper_low", "paper_high")):
        frame[column] = frame.metric.map({name: ends[i] for name, ends in PAPER_GAINS.items()}).where(claimed)
    frame["paper_data"] = np.where(claimed, "other data", "")
    frame["primary"] = (frame.arm == arm) & (frame.metric == metric)
    if primary and not frame.primary.any():
        raise InputError(f"the primary contrast, {metric!r} of arm {arm!r} over {reference!r}, does not exist")
    frame["p_holm"] = holm(frame.p_value, frame.primary)
    paper = ["paper_low", "paper_high", "paper_data", "reference", "primary", "p_holm"]
    return frame[["arm", "metric", "gain", "low", "high", "p_value", *paper, "note"]]


def steps(resampled: Resampled, ladder: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Each step of the ladder, the gain of an arm over its predecessor; `ladder` holds pairs of them.

    Columns `arm, reference, metric, gain, low, high, p_value, p_holm, note`, in points. Holm over the steps within each
    metric: the metrics say much the same of one step, so all of them together would be corrected far too much.
    """
    frame = differences(resampled, ladder)
    frame.insert(7, "p_holm", holm_within(frame, "metric"))
    return frame


def equal_specificity(frame: pd.DataFrame, reference: str, n_resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """What every arm gains in sensitivity where it is held to the specificity of `reference`, in points.

    Columns `arm, reference, sensitivity, specificity, gain, low, high, p_value, p_holm, note`; the first two
    numbers are means over seeds (0-1). An arm that tells the classes better apart may gain specificity only,
    sensitivity only or some of both, as its threshold happens to fall; held to one specificity, all of it
    shows as sensitivity. The place on a ROC curve converges more slowly than a rate at a threshold: simulated,
    equally good arms differ "significantly" in 5 to 6 % with 500 patients, in 7 % with 200.
    """
    resampled = bootstrap.resample_at_specificity_of(frame, reference, n_resamples, seed)
    table = differences(resampled, over(resampled, reference)).drop(columns="metric")
    own = bootstrap.resample(frame[frame.arm == reference], 1, seed, ("specificity",))
    table.insert(2, "sensitivity", [resampled.points(arm, "sensitivity").mean() for arm in table.arm])
    table.insert(3, "specificity", own.points(reference, "specificity").mean())
    table.insert(8, "p_holm", holm(table.p_value))
    single = frame.groupby("arm").seed.nunique() == 1
    lone = table.arm.map(single) & (not single[reference])
    notes = zip(table.note[lone], table.arm[lone], strict=True)
    table.loc[lone, "note"] = ["; ".join(filter(None, [note, LONE_SEED.format(arm)])) for note, arm in notes]
    return table


def seed_gains(resampled: Resampled, arm: str, reference: str, metric: str) -> np.ndarray:
    """The gain of one arm over another at each seed, (seeds,); positive is better."""
    seeds = resampled.seeds_in_common([arm, reference])
    return metrics.direction(metric) * (
        resampled.points(arm, metric, seeds) - resampled.points(reference, metric, seeds)
    )


def detectable(resampled: Resampled, reference: str) -> pd.DataFrame:
    """The smallest true gain over `reference`, in points, that is significant with 80 % probability.

    Columns `arm, reference, metric, detectable, standard_error, n_images, n_patients, n_seeds, note`. It
    follows from the observed variance of the paired difference (patients and seeds), not from the observed
    gain.
    """
    rows = []
    for arm, _ in over(resampled, reference):
        seeds = len(resampled.seeds_in_common([arm, reference]))
        size = {"n_images": resampled.n_images, "n_patients": resampled.n_patients, "n_seeds": seeds}
        for metric in gain_metrics(resampled):
            found = contrast(resampled, {arm: 1, reference: -1}, metric)
            row = {"arm": arm, "reference": reference, "metric": metric, "detectable": np.nan, "standard_error": np.nan}
            row |= size | {"note": found.note}
            if found.nothing:
                row["note"] = "not estimable: the arms give the same value in every resample"
            elif found.error:
                row["detectable"] = 100 * found.error.detectable()
                row["standard_error"] = 100 * found.error.standard_error
            rows.append(row)
    columns = ["arm", "reference", "metric", "detectable", "standard_error"]
    return pd.DataFrame(rows, columns=[*columns, "n_images", "n_patients", "n_seeds", "note"])


def rank_swaps(resampled: Resampled) -> pd.DataFrame:
    """How often two arms swap rank between seeds: `arm, other, metric, n_seeds, leads, swaps, note`.

    `leads` is the share of paired seeds at which `arm` is better (ties count half); `swaps` the share of
    pairs of seeds that order the two arms oppositely, so the chance that a repetition with one other seed
    reverses the ranking.
    """
    rows = []
    for arm, other in combinations(resampled.arms, 2):
        seeds = resampled.seeds_in_common([arm, other])
        fixed = ", ".join(name for name in (arm, other) if len(resampled.runs[name]) == 1)
        for metric in gain_metrics(resampled):
            row = {"arm": arm, "other": other, "metric": metric, "n_seeds": len(seeds)}
            order = np.sign(seed_gains(resampled, arm, other, metric))
            if len(seeds) < 2:
                row["note"] = "not estimable: fewer than two seeds in common"
            elif np.isnan(order).any():
                row["note"] = "not estimable: a seed has no value"
            else:
                row["leads"], row["swaps"] = (
                    np.mean((order + 1) / 2),
                    np.mean([a * b < 0 for a, b in combinations(order, 2)]),
                )
                row["note"] = f"one seed of {fixed}" if fixed else ""
            rows.append(row)
    return pd.DataFrame(rows, columns=["arm", "other", "metric", "n_seeds", "leads", "swaps", "note"])
