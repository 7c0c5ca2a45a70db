"""How results and gain of an arm depend on a nuisance, or on the number of patients it learns from (notebook 07)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from diagnostic_accuracy import intervals
from diagnostic_accuracy.bootstrap import Resampled
from diagnostic_accuracy.comparisons import differences, equivalence, seed_gains
from diagnostic_accuracy.multiple_testing import holm
from diagnostic_accuracy.results import estimates
from foramen.study.model import Sweep

METRICS = ("accuracy", "auroc")
SHARE = "training.share"  # a sweep of this number alone is a learning curve
_OWN = ["estimate", "estimate_low", "estimate_high"]
_REFERENCE = ["reference_estimate", "reference_low", "reference_high"]
_TESTED = ["gain", "low", "high", "p_value", "p_equivalence"]
COLUMNS = ["factor", "arm", "reference", "metric", *_TESTED, *_OWN, *_REFERENCE]


def gain_curve(
    at: Mapping[float, Resampled], arm: str, control: str, margin: Mapping[str, float] = {}, own: float = 1
) -> pd.DataFrame:
    """The results of an arm and its control at each factor of a sweep, and the gain of the one over the other.

    `at` holds the resampled predictions (of `METRICS`) at each factor. Columns `factor, arm, reference, metric,
    gain, low, high, p_value` (in points, paired, 95 %), `p_equivalence` (`comparisons.equivalence`), `estimate,
    estimate_low, estimate_high` of the arm, `reference_estimate, reference_low, reference_high` of its control,
    `n_images` (tested on), `note`. With two or three seeds the variance between them is hardly known, so that of a
    gain is pooled over the factors, which are taken to share it; at `own`, the study itself, the interval is the
    study's own.
    """
    between = {
        metric: intervals.pooled(gains for one in at.values() if (gains := seed_gains(one, arm, control, metric)).any())
        for metric in METRICS
    }
    tables = []
    for factor, resampled in at.items():
        table = differences(resampled, [(arm, control)], between if factor != own else None)
        table["p_equivalence"] = equivalence(table, margin)
        arms = estimates(resampled).set_index("arm")[["estimate", "low", "high"]]
        table[_OWN], table[_REFERENCE] = arms.loc[[arm]].to_numpy(), arms.loc[[control]].to_numpy()
        tables.append(table.assign(factor=factor, n_images=resampled.n_images))
    return pd.concat(tables, ignore_index=True)[[*COLUMNS, "n_images", "note"]]


def learning(measured: pd.DataFrame, sweeps: Mapping[str, Sweep]) -> pd.DataFrame:
    """The rows that belong to learning curves: sweeps of `training.share` alone."""
    return measured[measured["sweep"].isin([name for name, sweep in sweeps.items() if sweep.knobs == [SHARE]])]


def trends(measured: pd.DataFrame, sweeps: Mapping[str, Sweep]) -> pd.DataFrame:
    """Does a gain grow with its nuisance? The slope of the gain over the factor: `sweep, metric, slope, low, high,
    p_value, p_holm` (over all of them), in points for each size of the study's own nuisance; learning curves and single
    points are left out.

    Least squares, each gain with the standard error that its interval implies. No weights: with few seeds an error is
    known too badly for that, and points whose seeds agree by chance would count most. The gains are taken as
    independent; that the same patients are tested at every factor makes the interval too wide rather than too narrow.
    """
    curves = measured[~measured["sweep"].isin(learning(measured, sweeps)["sweep"]) & measured["low"].notna()]
    rows = []
    for (sweep, metric), part in curves.groupby(["sweep", "metric"], sort=False):
        if part["factor"].nunique() > 1:
            from_mean = part["factor"] - part["factor"].mean()
            share = from_mean / (from_mean**2).sum()
            half = np.sqrt((share**2 * ((part["high"] - part["low"]) / 2) ** 2).sum())
            slope = (share * part["gain"]).sum()
            p_value = 2 * stats.norm.sf(stats.norm.ppf(0.975) * abs(slope) / half)
            rows.append((sweep, metric, slope, slope - half, slope + half, p_value))
    table = pd.DataFrame(rows, columns=["sweep", "metric", "slope", "low", "high", "p_value"])
    return table.assign(p_holm=holm(table["p_value"]))


def at_zero(measured: pd.DataFrame, sweeps: Mapping[str, Sweep]) -> pd.DataFrame:
    """The gains that remain where a nuisance is zero, each with what a control takes to zero besides.

    The rows of `measured` with factor 0; `control_of`, another sweep of the same two arms with fewer numbers, or empty;
    and `further`, the numbers that this sweep has besides, comma-separated. Where a gain remains at zero and is gone in
    such a control, it came from those numbers.
    """
    rows = measured[measured["factor"] == 0].copy()
    rows["control_of"] = [_controlled(name, sweeps) for name in rows["sweep"]]
    rows["further"] = [
        ", ".join(knob for knob in sweeps[name].knobs if base and knob not in sweeps[base].knobs)
        for name, base in zip(rows["sweep"], rows["control_of"], strict=True)
    ]
    return rows


def _controlled(name: str, sweeps: Mapping[str, Sweep]) -> str:
    """The sweep of the same arms with the most of this sweep's numbers, but not all of them; empty where none is."""
    own = sweeps[name]
    alike = {other: sweep for other, sweep in sweeps.items() if (sweep.arm, sweep.control) == (own.arm, own.control)}
    fewer = [other for other, sweep in alike.items() if set(sweep.knobs) < set(own.knobs)]
    return max(fewer, key=lambda other: len(sweeps[other].knobs), default="")
