"""How results and gain of an arm depend on a nuisance, or on the number of patients (notebook 06)."""

import numpy as np
import pandas as pd
from scipy import stats

from foramen.cohort import step as cohort
from foramen.evaluation import performance as statistics
from foramen.evaluation import predictions, resampling
from foramen.fine_tuning import step as training
from foramen.study import sweeps
from foramen.study.model import Study

METRICS = ("accuracy", "auroc")
SHARE = "training.share"  # a sweep of this knob alone is a learning curve


def measure(study: Study) -> pd.DataFrame:
    """The results of each sweep's arm and of its control at each factor, and the gain of the one over the other.

    Columns `sweep, factor, arm, reference, metric, gain, low, high, p_value` (in points, paired, 95 %), `estimate,
    estimate_low, estimate_high` of the arm, `reference_estimate, reference_low, reference_high` of its control,
    `n_train, n_images` (radiographs learned from and tested on), `note`. A missing training is made; one whose
    transformer has collapsed is left out. With two or three seeds the variance between them is hardly known, so that of
    a gain is pooled over the factors of its sweep, which are taken to share it.
    """
    measured = {key: _resampled(study, key[0], member) for key, member in sweeps.members(study).items()}
    rows = []
    for (name, factor), member in sweeps.members(study).items():
        sweep, resampled = study.sweeps[name], measured[name, factor]
        alike = [one for (other, _), one in measured.items() if other == name]
        between = {
            metric: resampling.pooled(
                gains for one in alike if (gains := statistics.seed_gains(one, sweep.arm, sweep.control, metric)).any()
            )
            for metric in METRICS
        }
        films = cohort.load(member)
        gained = statistics.one_gain(resampled, sweep.arm, sweep.control, between)
        gained = gained.assign(sweep=name, factor=factor)
        own = statistics.results(resampled).set_index(["arm", "metric"])
        for arm, prefix in ((sweep.arm, "estimate"), (sweep.control, "reference")):
            part = own.loc[arm]
            middle = prefix if prefix == "estimate" else f"{prefix}_estimate"
            for column, value in ((middle, "estimate"), (f"{prefix}_low", "low"), (f"{prefix}_high", "high")):
                gained[column] = gained["metric"].map(part[value])
        gained["n_train"] = int(cohort.learned_from(member, films).sum())
        gained["n_images"] = resampled.n_images
        rows.append(gained)
    columns = ["sweep", "factor", "arm", "reference", "metric", "gain", "low", "high", "p_value"]
    columns += ["estimate", "estimate_low", "estimate_high"]
    columns += ["reference_estimate", "reference_low", "reference_high", "n_train", "n_images", "note"]
    return pd.concat(rows, ignore_index=True)[columns]


def _resampled(study: Study, name: str, member: Study) -> resampling.Resampled:
    """The arm and the control of a sweep at one factor, under resampled test patients."""
    sweep = study.sweeps[name]
    for arm in (sweep.control, sweep.arm):
        for seed in member.seeds:
            training.prepare(member, arm, seed)
    frame = predictions.gather(member, cohort.load(member))
    frame = predictions.standing(frame, predictions.collapsed(member))
    pair = frame[frame["arm"].isin([sweep.control, sweep.arm])]
    return resampling.resample(pair, study.evaluation.resamples, study.evaluation.seed, METRICS)


def learning(study: Study, measured: pd.DataFrame) -> pd.DataFrame:
    """The rows of `measure` that belong to learning curves; empty where no sweep is of `training.share` alone."""
    names = [name for name, sweep in study.sweeps.items() if sweep.knobs == [SHARE]]
    return measured[measured["sweep"].isin(names)]


def trends(study: Study, measured: pd.DataFrame) -> pd.DataFrame:
    """Does a gain grow with its nuisance? The slope of the gain over the factor: `sweep, metric, slope, low, high,
    p_value`, in points for each size of the study's own nuisance; learning curves and single points are left out.

    Least squares, each gain with the standard error that its interval implies. No weights: with few seeds an error is
    known too badly for that, and points whose seeds agree by chance would count most. The gains are taken as
    independent; that the same patients are tested at every factor makes the interval too wide rather than too narrow.
    """
    curves = measured[~measured["sweep"].isin(learning(study, measured)["sweep"]) & measured["low"].notna()]
    rows = []
    for (sweep, metric), part in curves.groupby(["sweep", "metric"], sort=False):
        if part["factor"].nunique() > 1:
            from_mean = part["factor"] - part["factor"].mean()
            share = from_mean / (from_mean**2).sum()
            half = np.sqrt((share**2 * ((part["high"] - part["low"]) / 2) ** 2).sum())
            slope = (share * part["gain"]).sum()
            p_value = 2 * stats.norm.sf(stats.norm.ppf(0.975) * abs(slope) / half)
            rows.append((sweep, metric, slope, slope - half, slope + half, p_value))
    return pd.DataFrame(rows, columns=["sweep", "metric", "slope", "low", "high", "p_value"])


def at_zero(study: Study, measured: pd.DataFrame) -> pd.DataFrame:
    """The gains that remain where a nuisance is zero, each with what a control takes to zero besides.

    The rows of `measured` with factor 0, and `further`: the knobs that this sweep has more than
    another sweep of the same two arms (its `control_of`), comma-separated. Where a gain remains at zero and is gone
    in such a control, it came from those knobs.
    """
    rows = measured[measured["factor"] == 0].copy()
    controlled = {name: _controlled(study, name) for name in rows["sweep"]}
    rows["control_of"] = [controlled[name] for name in rows["sweep"]]
    further = {
        name: ", ".join(knob for knob in study.sweeps[name].knobs if knob not in study.sweeps[base].knobs)
        if base
        else ""
        for name, base in controlled.items()
    }
    rows["further"] = rows["sweep"].map(further)
    return rows


def _controlled(study: Study, name: str) -> str:
    """The sweep of the same arms with the most of this sweep's knobs, but not all of them; empty where none is."""
    own = study.sweeps[name]
    smaller = [
        other
        for other, sweep in study.sweeps.items()
        if (sweep.arm, sweep.control) == (own.arm, own.control) and set(sweep.knobs) < set(own.knobs)
    ]
    return max(smaller, key=lambda other: len(study.sweeps[other].knobs), default="")
