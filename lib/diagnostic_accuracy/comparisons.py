"""Gains of one arm over another with their uncertainty: over the reference, step by step, at equal specificity; the
smallest detectable gain and rank swaps between seeds (notebooks 06 and 07).

Everything starts from `bootstrap.resample`, which scores every arm, seed and metric under the same resampled patients.
Gains are in percentage points, and positive where the arm is better (for the Brier score: where it is lower). Where a
number does not exist it is NaN, and `note` says "not estimable" and why.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from diagnostic_accuracy import bootstrap, intervals, metrics
from diagnostic_accuracy.bootstrap import Resampled
from diagnostic_accuracy.intervals import Spread
from diagnostic_accuracy.multiple_testing import holm, in_families
from diagnostic_accuracy.results import ONE_SEED, TWO_SEEDS, no_interval, no_value

#: Metrics of which a difference is a gain; those of calibration have an ideal value, not a direction.
GAIN_METRICS = tuple(metric for metric in metrics.METRICS if metric not in metrics.CALIBRATION)
FOUND = ["gain", "low", "high", "p_value", "detectable", "standard_error", "freedom"]
_NOTHING = 1e-12
_SAME = "the same in every resample"
_NO_SEED = "not estimable: the arms have no seed in common"
_LONE_SEED = "one seed of {}: its variation between trainings is left out"


def contrast(
    resampled: Resampled, coefficients: Mapping[str, float], metric: str, between: Spread | None = None
) -> dict[str, object]:
    """A linear contrast of arms (coefficients that sum to 0), paired over patients and seeds; positive means better.

    With {arm: 1, reference: -1} it is a gain. `gain, low, high, p_value, detectable` (the smallest true gain that is
    significant with 80 % probability), `standard_error`, in points, its `freedom`, and `note`. `between` is the
    contrast's variance between seeds where it is known better than from these seeds; with two, that of the arms
    (`Resampled.between`) is.
    """
    arms, row = list(coefficients), dict.fromkeys(FOUND, np.nan)
    seeds = resampled.seeds_in_common(arms)
    reasons = [no_value(resampled, arm, metric) for arm in arms]
    reasons += [no_interval(resampled, arms, metric).removeprefix("interval ")]
    reasons += [] if seeds else [_NO_SEED]
    if any(reasons):
        return row | {"note": next(filter(None, reasons))}
    signed = {arm: metrics.direction(metric) * coefficient for arm, coefficient in coefficients.items()}
    points = np.sum([factor * resampled.points(arm, metric, seeds) for arm, factor in signed.items()], axis=0)
    draws = np.sum([factor * resampled.draws(arm, metric, seeds) for arm, factor in signed.items()], axis=0)
    if not draws.any():  # arms that never differ
        between = None
    elif between is None and (own := resampled.between(metric)):
        varying = [factor for arm, factor in signed.items() if np.ptp(resampled.points(arm, metric)) > 0]
        between = Spread(own.variance * sum(factor**2 for factor in varying), own.freedom)
    error = intervals.error(points, draws, resampled.freedom, resampled.understated, between)
    estimate = float(points.mean())
    if error.standard_error >= _NOTHING:
        gain, half, power = 100 * estimate, 100 * error.half_width(), 100 * error.detectable()
        found = [gain, gain - half, gain + half, error.p_value(estimate), power, 100 * error.standard_error]
        notes = [_seed_note(resampled, arms, seeds), TWO_SEEDS if len(seeds) == 2 and between is None else ""]
        return dict(zip(FOUND, [*found, error.freedom], strict=True)) | {"note": "; ".join(filter(None, notes))}
    if abs(estimate) < _NOTHING:
        return row | {"gain": 0.0, "low": 0.0, "high": 0.0, "p_value": 1.0, "note": _SAME}
    return row | {"note": "not estimable: every resample gives the same difference"}


def _seed_note(resampled: Resampled, arms: list[str], seeds: tuple[int, ...]) -> str:
    """What a reader must know about the seeds behind a contrast."""
    single = [arm for arm in arms if len(resampled.runs[arm]) == 1]
    if len(seeds) == 1:
        return ONE_SEED
    if single:
        return _LONE_SEED.format(", ".join(single))
    if any(set(resampled.runs[arm]) != set(seeds) for arm in arms):
        return f"from the seeds in common: {', '.join(map(str, seeds))}"
    return ""


def contrasts(
    resampled: Resampled,
    wanted: Iterable[tuple[Mapping[str, object], Mapping[str, float]]],
    between: Mapping[str, Spread | None] | None = None,
) -> pd.DataFrame:
    """Contrasts, a row for each and each metric of which a difference is a gain: columns that name it, and `contrast`.

    `wanted` holds pairs of these columns and the coefficients, `between` a variance between seeds by metric.
    """
    rows = [
        {**name, "metric": metric, **contrast(resampled, coefficients, metric, (between or {}).get(metric))}
        for name, coefficients in wanted
        for metric in resampled.metrics
        if metric in GAIN_METRICS
    ]
    return pd.DataFrame(rows)


def differences(
    resampled: Resampled, pairs: Iterable[tuple[str, str]], between: Mapping[str, Spread | None] | None = None
) -> pd.DataFrame:
    """The gain of the first arm of each pair over the second: `arm, reference, metric, gain, low, high, p_value,
    detectable, standard_error, freedom, note`, in points.

    `between` has the variance between seeds of each metric's gain where it was pooled over studies alike
    (`intervals.pooled`). Raises ValueError for an arm without predictions.
    """
    pairs = list(dict.fromkeys(pairs))
    if unknown := sorted({arm for pair in pairs for arm in pair} - set(resampled.arms)):
        raise ValueError(f"no predictions of arm {', '.join(map(repr, unknown))} (arms: {', '.join(resampled.arms)})")
    wanted = [({"arm": arm, "reference": reference}, {arm: 1, reference: -1}) for arm, reference in pairs]
    return contrasts(resampled, wanted, between).reindex(columns=["arm", "reference", "metric", *FOUND, "note"])


def over(resampled: Resampled, reference: str) -> list[tuple[str, str]]:
    """Every other arm with the reference."""
    return [(arm, reference) for arm in resampled.arms if arm != reference]


def gains(
    resampled: Resampled,
    reference: str,
    primary: tuple[str, str] | None = None,
    planned: Collection[str] | None = None,
    by_metric: bool = False,
    paper: Mapping[str, tuple[float, float]] = {},
) -> pd.DataFrame:
    """Gain of every arm over `reference`, in percentage points, beside the ranges that a paper claims on other data.

    Columns `arm, metric, gain, low, high, p_value, paper_low, paper_high, paper_data, reference, primary, p_holm,
    note`. `primary` (arm, metric) is the one prespecified contrast; its p-value stands as it is, Holm adjusts the
    others in families (`planned`, `by_metric`: see `multiple_testing.in_families`). The ranges of `paper`, by metric,
    stand with the primary arm, which is its proposed method, and are NaN elsewhere.
    Interval and p-value agree: p < 0.05 exactly where the interval leaves out 0.
    """
    frame = differences(resampled, over(resampled, reference))
    arm, metric = primary or (None, None)
    ranges = pd.DataFrame(paper, index=["paper_low", "paper_high"], dtype=float).T
    frame[list(ranges)] = ranges.reindex(frame.metric.where(frame.arm == arm)).to_numpy()
    frame["paper_data"] = np.where(frame.paper_low.notna(), "other data", "")
    frame["primary"] = (frame.arm == arm) & (frame.metric == metric)
    if primary and not frame.primary.any():
        raise ValueError(f"the primary contrast, {metric!r} of arm {arm!r} over {reference!r}, does not exist")
    frame["p_holm"] = in_families(frame, planned, by_metric)
    claimed = [*ranges, "paper_data", "reference", "primary", "p_holm"]
    return frame[["arm", "metric", "gain", "low", "high", "p_value", *claimed, "note"]]


def equivalence(table: pd.DataFrame, margin: Mapping[str, float]) -> pd.Series:
    """The p-value of two one-sided tests (Schuirmann 1987, doi:10.1007/BF01068419) that a difference lies within the
    `margin` of its metric, in points; NaN without a margin or an estimate. `table` is from `differences`.

    Below 0.05 the two arms are equivalent; "not significant" alone is no sign of that.
    """
    inside = table.metric.map(margin).astype(float) - table.gain.abs()
    return pd.Series(stats.t.sf(inside / table.standard_error, table.freedom), table.index)


def steps(
    resampled: Resampled,
    ladder: Iterable[tuple[str, str]],
    margin: Mapping[str, float] = {},
    planned: Collection[str] | None = None,
    by_metric: bool = True,
) -> pd.DataFrame:
    """Each step of the ladder, the gain of an arm over its predecessor; `ladder` holds pairs of them.

    Columns `arm, reference, metric, gain, low, high, p_value, p_holm, p_equivalence, note`, in points. Holm over the
    steps, by default within each metric: the metrics say much the same of one step. `planned`, `by_metric` as in
    `gains`, `margin` as in `equivalence`.
    """
    frame = differences(resampled, ladder)
    frame["p_holm"], frame["p_equivalence"] = in_families(frame, planned, by_metric), equivalence(frame, margin)
    tested = ["p_value", "p_holm", "p_equivalence"]
    return frame[["arm", "reference", "metric", "gain", "low", "high", *tested, "note"]]


def equal_specificity(frame: pd.DataFrame, reference: str, n_resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """What every arm gains in sensitivity where it is held to the specificity of `reference`, in points.

    Columns `arm, reference, sensitivity, specificity, gain, low, high, p_value, p_holm, note`; the first two
    numbers are means over seeds (0-1). An arm that tells the classes better apart may gain specificity only,
    sensitivity only or some of both, as its threshold happens to fall; held to one specificity, all of it
    shows as sensitivity. The place on a ROC curve converges more slowly than a rate at a threshold: simulated,
    equally good arms differ "significantly" in 5 to 6 % with 500 patients, in 7 % with 200.
    """
    resampled = bootstrap.resample_at_specificity_of(frame, reference, n_resamples, seed)
    own = bootstrap.resample(frame[frame.arm == reference], 1, seed, ("specificity",))
    table = differences(resampled, over(resampled, reference)).set_index("arm")
    table["sensitivity"] = [resampled.points(arm, "sensitivity").mean() for arm in table.index]
    others = pd.Index(frame.arm[frame.split == "test"].unique(), name="arm").drop(reference)
    table = table.reindex(others).fillna({"note": _NO_SEED}).reset_index()
    table["reference"], table["specificity"] = reference, own.points(reference, "specificity").mean()
    table["p_holm"] = holm(table.p_value)
    single = frame.groupby("arm").seed.nunique() == 1
    alone = table.arm.map(single) & ~single[reference]
    said = (table.note + "; " + table.arm.map(_LONE_SEED.format)).str.removeprefix("; ")
    table["note"] = table.note.where(~alone, said)
    measured = ["sensitivity", "specificity", "gain", "low", "high", "p_value", "p_holm"]
    return table[["arm", "reference", *measured, "note"]]


def seed_gains(resampled: Resampled, arm: str, reference: str, metric: str) -> np.ndarray:
    """The gain of one arm over another at each seed, (seeds,); positive is better."""
    seeds = resampled.seeds_in_common([arm, reference])
    apart = resampled.points(arm, metric, seeds) - resampled.points(reference, metric, seeds)
    return metrics.direction(metric) * apart


def detectable(resampled: Resampled, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """The smallest true gain of each pair (arm, reference), in points, that is significant with 80 % probability.

    Columns `arm, reference, metric, detectable, standard_error, n_images, n_patients, n_seeds, note`. It
    follows from the observed variance of the paired difference (patients and seeds), not from the observed
    gain.
    """
    table = differences(resampled, pairs).drop(columns=["gain", "low", "high", "p_value", "freedom"])
    seeds = [len(resampled.seeds_in_common(pair)) for pair in zip(table.arm, table.reference, strict=True)]
    table = table.assign(n_images=resampled.n_images, n_patients=resampled.n_patients, n_seeds=seeds)
    table["note"] = table.pop("note").replace(_SAME, "not estimable: the arms give the same value in every resample")
    return table


def rank_swaps(resampled: Resampled) -> pd.DataFrame:
    """How often two arms swap rank between seeds: `arm, other, metric, n_seeds, leads, swaps, note`.

    `leads` is the share of paired seeds at which `arm` is better (ties count half); `swaps` the share of
    pairs of seeds that order the two arms oppositely, so the chance that a repetition with one other seed
    reverses the ranking.
    """
    rows = []
    for arm, other in combinations(resampled.arms, 2):
        fixed = ", ".join(name for name in (arm, other) if len(resampled.runs[name]) == 1)
        for metric in filter(GAIN_METRICS.__contains__, resampled.metrics):
            order = np.sign(seed_gains(resampled, arm, other, metric))
            leads = swaps = np.nan
            if len(order) < 2:
                note = "not estimable: fewer than two seeds in common"
            elif np.isnan(order).any():
                note = "not estimable: a seed has no value"
            else:
                leads, swaps = np.mean((order + 1) / 2), np.mean([a * b < 0 for a, b in combinations(order, 2)])
                note = f"one seed of {fixed}" if fixed else ""
            rows.append((arm, other, metric, len(order), leads, swaps, note))
    return pd.DataFrame(rows, columns=["arm", "other", "metric", "n_seeds", "leads", "swaps", "note"])
