"""Tables of results with their uncertainty, from a predictions table alone (notebook 06).

`resampling.resample` scores every arm, seed and metric under the same resampled patients; the functions here
turn that into tables: `results` of each arm, `gains` over a reference, `steps` of the ladder, `factorial`
effects, `rank_swaps` between seeds, the smallest `detectable` gain; `subgroups` and `baselines` start from
the predictions. Where a number does not exist it is NaN and `note` says "not estimable" and why.

Gains are in percentage points, and positive where the arm is better (for the Brier score: where it is lower).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from foramen.core.errors import InputError
from foramen.evaluation import metrics, resampling
from foramen.evaluation.resampling import Error, Resampled, Spread, resample

#: Claimed gains of the proposed method over the basic ResNet50, in percentage points, as ranges: abstract of
#: Park J., Yang J., Park S., Kim J., Electronics 2023, 12(1), 195, doi:10.3390/electronics12010195. On other
#: data than ours.
PAPER_GAINS = {"accuracy": (5.3, 6.9), "f1": (5.2, 6.5), "specificity": (5.4, 9.2), "sensitivity": (0.8, 4.3)}
#: Metrics of which a difference is a gain; those of calibration have an ideal value, not a direction.
GAIN_METRICS = tuple(metric for metric in metrics.METRICS if metric not in metrics.CALIBRATION)
SUBGROUP_COLUMNS = ("side", "site", "sex", "age_band", "severity", "level")
SUBGROUP_METRICS = ("accuracy", "sensitivity", "specificity", "balanced_accuracy", "auroc")
AGE_BANDS = (45, 55, 65, 75)

_RESULT = ["arm", "metric", "estimate", "low", "high", "n_images", "n_patients", "n_seeds", "note"]
_LOST_RESAMPLES = 0.05
_NOTHING = 1e-12
_ONE_SEED = "one seed: the interval leaves out the variation between trainings"


def results(resampled: Resampled, level: float = 0.95) -> pd.DataFrame:
    """Every metric of every arm with its interval.

    Columns `arm, metric, estimate, low, high, n_images, n_patients, n_seeds, note`.

    The estimate is the mean over seeds of the metric on the test set; the interval is the percentile interval
    of `resampling`. Where the test set is all right or all wrong, so that resamples do not vary, accuracy,
    sensitivity and specificity have a Wilson interval that counts patients instead of images.
    """
    rows = []
    for arm in resampled.arms:
        for metric in resampled.metrics:
            rows.append([arm, metric, *_estimate(resampled, arm, metric, level)])
    frame = pd.DataFrame(rows, columns=["arm", "metric", "estimate", "low", "high", "note"])
    frame["n_images"], frame["n_patients"] = resampled.n_images, resampled.n_patients
    frame["n_seeds"] = [len(resampled.runs[arm]) for arm in frame.arm]
    return frame[_RESULT]


def _estimate(resampled: Resampled, arm: str, metric: str, level: float) -> tuple[float, float, float, str]:
    """Estimate, low, high and note of one metric of one arm."""
    points, draws = resampled.points(arm, metric), resampled.draws(arm, metric)
    if reason := _no_value(resampled, arm, metric):
        return np.nan, np.nan, np.nan, reason
    estimate = float(points.mean())
    if reason := _no_interval(resampled, [arm], metric):
        return estimate, np.nan, np.nan, reason
    notes = [_ONE_SEED] if len(points) == 1 else []
    if len(points) > 1 and np.ptp(points) == 0 and np.ptp(draws, axis=0).max() == 0:
        notes.append("the same with every seed")
    if np.ptp(draws, axis=1).max() == 0 and np.ptp(points) == 0:
        low, high, note = _interval_without_variation(resampled, metric, estimate, level)
        return estimate, low, high, "; ".join([note, *notes])
    if lost := _lost(draws):
        notes.append(f"interval from the {lost} resamples in which it exists")
    ends = resampling.percentile_interval(points, draws, resampled.freedom, resampled.understated, level)
    low, high = np.clip(ends, *metrics.BOUNDS[metric])
    return estimate, float(low), float(high), "; ".join(notes)


def _no_value(resampled: Resampled, arm: str, metric: str) -> str:
    """Why the arm has no estimate of the metric, or nothing."""
    reasons = {
        f"{run.reasons[metric]} (seed {seed})" for seed, run in resampled.runs[arm].items() if metric in run.reasons
    }
    return f"not estimable: {', '.join(sorted(reasons))}" if reasons else ""


def _no_interval(resampled: Resampled, arms: Iterable[str], metric: str) -> str:
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


def _lost(draws: np.ndarray) -> str:
    """How many resamples have a value, as "1990 of 2000"; nothing where all do."""
    kept = int((~np.isnan(draws).any(axis=0)).sum())
    return f"{kept} of {draws.shape[1]}" if kept < draws.shape[1] else ""


def _interval_without_variation(
    resampled: Resampled, metric: str, estimate: float, level: float
) -> tuple[float, float, str]:
    """Low, high and note where every resample gives the same value."""
    patients = {
        "accuracy": resampled.n_patients,
        "sensitivity": resampled.patients_with_label[1],
        "specificity": resampled.patients_with_label[0],
    }
    if metric in patients and estimate in (0.0, 1.0):
        n = patients[metric]
        low, high = proportion_confint(n * estimate, n, 1 - level, method="wilson")
        return (min(float(low), estimate), max(float(high), estimate), f"all alike: Wilson interval of {n} patients")
    return np.nan, np.nan, "interval not estimable: every resample gives the same value"


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
    resampled: Resampled, coefficients: dict[str, float], metric: str, between: Spread | None = None
) -> Contrast:
    """A linear contrast of arms (coefficients that sum to 0), paired over patients and seeds.

    Positive means better. Used with {arm: 1, reference: -1} it is a gain. `between` as in `resampling.error`.
    """
    arms = list(coefficients)
    if reason := next(filter(None, (_no_value(resampled, arm, metric) for arm in arms)), ""):
        return Contrast(note=reason)
    if reason := _no_interval(resampled, arms, metric):
        return Contrast(note=reason.removeprefix("interval "))
    seeds = resampled.seeds_in_common(arms)
    if not seeds:
        return Contrast(note="not estimable: the arms have no seed in common")
    sign = -1 if metric in metrics.LOWER_IS_BETTER else 1
    points = sum(sign * f * resampled.points(arm, metric, seeds) for arm, f in coefficients.items())
    draws = sum(sign * f * resampled.draws(arm, metric, seeds) for arm, f in coefficients.items())
    if not draws.any():  # arms that never differ
        between = None
    found = Contrast(
        float(points.mean()),
        resampling.error(points, draws, resampled.freedom, resampled.understated, between),
        _seed_note(resampled, arms, seeds),
    )
    if not found.nothing:
        return found
    if abs(found.estimate) < _NOTHING:
        return replace(found, estimate=0.0, note="the same in every resample")
    return Contrast(note="not estimable: every resample gives the same difference")


def _seed_note(resampled: Resampled, arms: Sequence[str], seeds: tuple[int, ...]) -> str:
    """What a reader must know about the seeds behind a contrast."""
    single = [arm for arm in arms if len(resampled.runs[arm]) == 1]
    if len(seeds) == 1:
        return _ONE_SEED
    if single:
        return f"one seed of {', '.join(single)}: its variation between trainings is left out"
    if any(set(resampled.runs[arm]) != set(seeds) for arm in arms):
        return f"from the seeds in common: {', '.join(map(str, seeds))}"
    return ""


def _row(found: Contrast, level: float) -> dict[str, object]:
    """Gain, interval and p-value of a contrast in percentage points."""
    gain, low, high, p_value = 100 * found.estimate, np.nan, np.nan, np.nan
    if found.nothing:
        low, high, p_value = gain, gain, 1.0
    elif found.error:
        half = 100 * found.error.half_width(level)
        low, high, p_value = gain - half, gain + half, found.error.p_value(found.estimate)
    return {"gain": gain, "low": low, "high": high, "p_value": p_value, "note": found.note}


def _holm(p_values: pd.Series, apart: pd.Series | None = None) -> np.ndarray:
    """Holm-adjusted p-values of the rows not set `apart`; NaN stays NaN, rows apart keep their p-value."""
    adjusted = p_values.to_numpy(float).copy()
    family = p_values.notna().to_numpy() & (True if apart is None else ~apart.to_numpy())
    if family.any():
        adjusted[family] = multipletests(adjusted[family], method="holm")[1]
    return adjusted


def _differences(
    resampled: Resampled,
    pairs: Iterable[tuple[str, str]],
    names: Iterable[str],
    level: float,
    between: dict[str, Spread | None] | None = None,
) -> pd.DataFrame:
    """One row a pair of arms and metric: `arm, reference, metric, gain, low, high, p_value, note`."""
    pairs = [tuple(pair) for pair in pairs]
    if unknown := sorted({arm for pair in pairs for arm in pair} - set(resampled.arms)):
        raise InputError([f"no predictions of arm {arm!r} (arms: {', '.join(resampled.arms)})" for arm in unknown])
    rows = [
        {
            "arm": arm,
            "reference": reference,
            "metric": metric,
            **_row(contrast(resampled, {arm: 1, reference: -1}, metric, (between or {}).get(metric)), level),
        }
        for arm, reference in pairs
        for metric in names
    ]
    columns = ["arm", "reference", "metric", "gain", "low", "high", "p_value", "note"]
    return pd.DataFrame(rows, columns=columns)


def _gain_names(resampled: Resampled) -> list[str]:
    return [metric for metric in resampled.metrics if metric in GAIN_METRICS]


def gains(
    resampled: Resampled, reference: str, primary: tuple[str, str] | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Gain of every arm over `reference`, in percentage points, beside the ranges that the paper claims.

    Columns `arm, metric, gain, low, high, p_value, paper_low, paper_high, paper_data, reference, primary,
    p_holm, note`. `primary` (arm, metric) is the one contrast named beforehand; its p-value stands as it is,
    Holm adjusts all others together. The paper's ranges stand with the primary arm, which is its proposed
    method, and are NaN elsewhere. Interval and p-value agree: p < 1 - level exactly where the interval leaves
    out 0.
    """
    arms = [arm for arm in resampled.arms if arm != reference]
    frame = _differences(resampled, [(arm, reference) for arm in arms], _gain_names(resampled), level)
    claimed = [
        PAPER_GAINS.get(metric) if primary and arm == primary[0] else None
        for arm, metric in zip(frame.arm, frame.metric, strict=True)
    ]
    frame["paper_low"] = [pair[0] if pair else np.nan for pair in claimed]
    frame["paper_high"] = [pair[1] if pair else np.nan for pair in claimed]
    frame["paper_data"] = ["other data" if pair else "" for pair in claimed]
    frame["primary"] = [
        (arm, metric) == tuple(primary or ()) for arm, metric in zip(frame.arm, frame.metric, strict=True)
    ]
    if primary and not frame.primary.any():
        raise InputError(
            f"the primary contrast, {primary[1]!r} of arm {primary[0]!r} over {reference!r}, does not exist"
        )
    frame["p_holm"] = _holm(frame.p_value, frame.primary)
    return frame[
        [
            "arm",
            "metric",
            "gain",
            "low",
            "high",
            "p_value",
            "paper_low",
            "paper_high",
            "paper_data",
            "reference",
            "primary",
            "p_holm",
            "note",
        ]
    ]


def steps(resampled: Resampled, ladder: Iterable[tuple[str, str]], level: float = 0.95) -> pd.DataFrame:
    """Each step of the ladder, the gain of an arm over its predecessor; `ladder` holds pairs of them.

    Columns `arm, reference, metric, gain, low, high, p_value, p_holm, note`, in points. Holm over the steps within each
    metric: the metrics say much the same of one step, so all of them together would be corrected far too much.
    """
    frame = _differences(resampled, ladder, _gain_names(resampled), level)
    frame.insert(7, "p_holm", np.nan)
    for _, part in frame.groupby("metric"):
        frame.loc[part.index, "p_holm"] = _holm(part.p_value)
    return frame


def equal_specificity(
    frame: pd.DataFrame, reference: str, n_resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """What every arm gains in sensitivity where it is held to the specificity of `reference`, in points.

    Columns `arm, reference, sensitivity, specificity, gain, low, high, p_value, p_holm, note`; the first two
    numbers are means over seeds (0-1). An arm that tells the classes better apart may gain specificity only,
    sensitivity only or some of both, as its threshold happens to fall; held to one specificity, all of it
    shows as sensitivity. The place on a ROC curve converges more slowly than a rate at a threshold: simulated,
    equally good arms differ "significantly" in 5 to 6 % with 500 patients, in 7 % with 200.
    """
    resampled = resampling.resample_at_specificity_of(frame, reference, n_resamples, seed)
    pairs = [(arm, reference) for arm in resampled.arms if arm != reference]
    table = _differences(resampled, pairs, ["sensitivity"], level).drop(columns="metric")
    at = resample(frame[frame.arm == reference], 1, seed, ("specificity",)).points(reference, "specificity").mean()
    table.insert(2, "sensitivity", [resampled.points(arm, "sensitivity").mean() for arm, _ in pairs])
    table.insert(3, "specificity", at)
    table.insert(8, "p_holm", _holm(table.p_value))
    single = frame.groupby("arm").seed.nunique() == 1
    fixed = table.arm.map(single) & ~single[reference]
    table.loc[fixed, "note"] = [
        f"{note}; " * bool(note) + f"one seed of {arm}: its variation between trainings is left out"
        for arm, note in table.loc[fixed, ["arm", "note"]].itertuples(index=False)
    ]
    return table


def one_gain(
    resampled: Resampled, arm: str, reference: str, between: dict[str, Spread | None], level: float = 0.95
) -> pd.DataFrame:
    """The gain of one arm over another: `arm, reference, metric, gain, low, high, p_value, note`, in points.

    `between` has the variance between seeds of each metric's gain, pooled over studies that are like this one.
    """
    return _differences(resampled, [(arm, reference)], _gain_names(resampled), level, between)


def seed_gains(resampled: Resampled, arm: str, reference: str, metric: str) -> np.ndarray:
    """The gain of one arm over another at each seed, (seeds,); positive is better."""
    seeds = resampled.seeds_in_common([arm, reference])
    sign = -1 if metric in metrics.LOWER_IS_BETTER else 1
    return sign * (resampled.points(arm, metric, seeds) - resampled.points(reference, metric, seeds))


def detectable(resampled: Resampled, reference: str, power: float = 0.8, level: float = 0.95) -> pd.DataFrame:
    """The smallest true gain over `reference`, in points, that is significant with probability `power`.

    Columns `arm, reference, metric, detectable, standard_error, n_images, n_patients, n_seeds, note`. It
    follows from the observed variance of the paired difference (patients and seeds), not from the observed
    gain.
    """
    rows = []
    for arm in (arm for arm in resampled.arms if arm != reference):
        for metric in _gain_names(resampled):
            found = contrast(resampled, {arm: 1, reference: -1}, metric)
            size, error, note = np.nan, np.nan, found.note
            if found.nothing:
                note = "not estimable: the arms give the same value in every resample"
            elif found.error:
                size, error = 100 * found.error.detectable(power, level), 100 * found.error.standard_error
            seeds = len(resampled.seeds_in_common([arm, reference]))
            rows.append([arm, reference, metric, size, error, resampled.n_images, resampled.n_patients, seeds, note])
    return pd.DataFrame(
        rows,
        columns=[
            "arm",
            "reference",
            "metric",
            "detectable",
            "standard_error",
            "n_images",
            "n_patients",
            "n_seeds",
            "note",
        ],
    )


def factorial(resampled: Resampled, switches: pd.DataFrame, order: int = 2, level: float = 0.95) -> pd.DataFrame:
    """Main effects and interactions of a full factorial of arms, in points.

    Columns `term, order, metric, gain, low, high, p_value, p_holm, note`.

    `switches` has one row for each arm (its index) and one boolean column for each switch, every combination
    once. A main effect is the mean of the arms with the switch on less that with it off. The interaction
    `a:b` is the effect of a where b is on less its effect where b is off, and so on for higher orders. Holm
    within each metric.
    """
    switches = switches.astype(bool)
    cells = len(switches.drop_duplicates())
    if cells != len(switches) or cells != 2 ** switches.shape[1]:
        raise InputError(
            f"not a full factorial: {len(switches)} arms with {cells} different combinations of "
            f"{switches.shape[1]} switches (needed: each of {2 ** switches.shape[1]} once)"
        )
    if absent := [arm for arm in switches.index if arm not in resampled.arms]:
        raise InputError([f"no predictions of arm {arm!r}, which the factorial needs" for arm in absent])
    rows = []
    for size in range(1, min(order, switches.shape[1]) + 1):
        for term in combinations(switches.columns, size):
            signs = np.where(switches[list(term)], 1, -1).prod(axis=1)
            coefficients = dict(zip(switches.index, signs * 2.0**size / cells, strict=True))
            rows += [
                {
                    "term": ":".join(term),
                    "order": size,
                    "metric": metric,
                    **_row(contrast(resampled, coefficients, metric), level),
                }
                for metric in _gain_names(resampled)
            ]
    frame = pd.DataFrame(rows)
    frame.insert(7, "p_holm", np.nan)
    for _, part in frame.groupby("metric"):
        frame.loc[part.index, "p_holm"] = _holm(part.p_value)
    return frame


def rank_swaps(resampled: Resampled) -> pd.DataFrame:
    """How often two arms swap rank between seeds: `arm, other, metric, n_seeds, leads, swaps, note`.

    `leads` is the share of paired seeds at which `arm` is better (ties count half); `swaps` the share of
    pairs of seeds that order the two arms oppositely, so the chance that a repetition with one other seed
    reverses the ranking.
    """
    rows = []
    for arm, other in combinations(resampled.arms, 2):
        seeds = resampled.seeds_in_common([arm, other])
        fixed = [name for name in (arm, other) if len(resampled.runs[name]) == 1]
        for metric in _gain_names(resampled):
            sign = -1 if metric in metrics.LOWER_IS_BETTER else 1
            if len(seeds) < 2:
                rows.append(
                    [arm, other, metric, len(seeds), np.nan, np.nan, "not estimable: fewer than two seeds in common"]
                )
                continue
            order = np.sign(sign * (resampled.points(arm, metric, seeds) - resampled.points(other, metric, seeds)))
            if np.isnan(order).any():
                rows.append([arm, other, metric, len(seeds), np.nan, np.nan, "not estimable: a seed has no value"])
                continue
            swaps = np.mean([a * b < 0 for a, b in combinations(order, 2)])
            note = f"one seed of {', '.join(fixed)}" if fixed else ""
            rows.append([arm, other, metric, len(seeds), np.mean((order + 1) / 2), swaps, note])
    return pd.DataFrame(rows, columns=["arm", "other", "metric", "n_seeds", "leads", "swaps", "note"])


def subgroups(
    frame: pd.DataFrame,
    metadata: pd.DataFrame,
    columns: Sequence[str] = SUBGROUP_COLUMNS,
    names: tuple[str, ...] = SUBGROUP_METRICS,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Results within subgroups of the test images: `subgroup, value` before the columns of `results`.

    `metadata` has image_id and any of `columns`; `age` in years becomes `age_band`. Columns it lacks are
    passed over, a number with many values is cut into quarters, images without a value form no subgroup. The
    operating thresholds are those of the whole validation set. The first rows, subgroup "all", are the whole
    test set.
    """
    metadata = metadata.assign(image_id=metadata.image_id.astype(str)).set_index("image_id")
    if "age" in metadata and "age_band" not in metadata:
        metadata["age_band"] = age_bands(metadata.age)
    parts = [("all", "all", frame)]
    for column in (column for column in columns if column in metadata):
        value = frame.image_id.astype(str).map(_grouped(metadata[column]))
        parts += [
            (column, group, frame[(frame.split != "test") | (value == group)])
            for group in sorted(value[frame.split == "test"].dropna().unique())
        ]
    tables = []
    for column, group, part in parts:
        table = results(resample(part, n_resamples, seed, names))
        table.insert(0, "value", group)
        table.insert(0, "subgroup", column)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def age_bands(age: pd.Series) -> pd.Series:
    """Age in years as text bands that sort by age: 0-44, 45-54, 55-64, 65-74, 75+; missing stays missing."""
    edges = [-np.inf, *AGE_BANDS, np.inf]
    names = [
        f"0-{AGE_BANDS[0] - 1}",
        *(f"{a}-{b - 1}" for a, b in zip(AGE_BANDS[:-1], AGE_BANDS[1:], strict=True)),
        f"{AGE_BANDS[-1]}+",
    ]
    return pd.cut(age, edges, right=False, labels=names).astype(object)


def _grouped(values: pd.Series) -> pd.Series:
    """Values as text; numbers with more than 8 different values as quarters."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 8:
        values = pd.qcut(values, 4, duplicates="drop").map(lambda cut: f"{cut.left:.3g} to {cut.right:.3g}")
    text = values.astype("string")
    return text.where(text.str.strip() != "")


def baselines(
    frame: pd.DataFrame,
    truth: pd.Series | None = None,
    blind: pd.Series | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """What every accuracy must be read beside, with the columns of `results`.

    `majority rule` always answers the commoner label of the validation images (of the test images where there
    are none); `no-information rate` is the share of the commoner label of the test images. `without the film`, where
    there are scores from what is known of the patients alone (`blind`, by image_id: `audit.without_the_film`), is
    thresholded as an arm is. `known ceiling`,
    where the cohort's true state is known (`truth`: 0/1 by image_id), is a reader who sees the true state and
    is marked against the recorded, noisy label: no arm can be expected to do better.
    """
    images = frame[frame.split == "test"].drop_duplicates("image_id").assign(seed=0)
    known = frame[frame.split == "val"].drop_duplicates("image_id")
    majority = int((known if len(known) else images).label.mean() >= 0.5)
    arms = [images.assign(arm="majority rule", score=float(majority))]
    if blind is not None:
        both = pd.concat([known.assign(seed=0), images])
        arms.append(both.assign(arm="without the film", score=both.image_id.map(blind)))
    if truth is not None:
        state = images.image_id.map(truth)
        if state.isna().any():
            raise InputError(f"the true state of {int(state.isna().sum())} test images is missing")
        arms.append(images.assign(arm="known ceiling", score=state.astype(float)))
    names = (*metrics.CONFUSION, *metrics.RANKING)
    table = results(resample(pd.concat(arms), n_resamples, seed, names))
    table["note"] = [note.replace(_ONE_SEED, "").strip("; ") for note in table.note]
    share = images.label.mean()
    rate = [
        "no-information rate",
        "accuracy",
        max(share, 1 - share),
        np.nan,
        np.nan,
        len(images),
        images.patient_id.nunique(),
        0,
        "a property of this test set, so without an interval",
    ]
    return pd.concat([table, pd.DataFrame([rate], columns=_RESULT)], ignore_index=True)
