"""Uncertainty of metrics: resampled patients, and the variation between seeds (notebook 06).

**Patients.** A resample draws patients with replacement within strata (all images negative, all positive,
both), since the images of one patient are not independent. The intervals are therefore conditional on the
test set's mix of classes. All arms and seeds are scored on the same draws, so differences between arms are
paired. A bootstrap of n patients in h strata understates a variance by about (n - h) / n and ignores that the
variance is estimated; both are corrected, as in the expanded percentile interval (Hesterberg 2015,
doi:10.1080/00031305.2015.1089789).

**Seeds.** An estimate is the mean over k seeds. Its error has two parts: what the seeds share, because they
are tested on the same patients, and what each has of its own. To draw seeds with replacement along with the
patients would mix the parts: it understates the second by (k - 1) / k, ignores that k values tell little
about a variance, and counts the scatter that the finite test set adds to each seed more than once. Here the
second part is the plain variance of the k values over k, with k - 1 degrees of freedom. The first is the
variance of the mean between resamples, less the scatter between seeds within resamples over k, which the
second part already holds. The sum has Student's t distribution with 1 / freedom the average of the two parts'
1 / freedom, weighted by their shares of the variance. It is exact at both ends; between them Welch and
Satterthwaite's formula falls to 92 % coverage with 3 seeds and the Behrens-Fisher distribution rises to 98 %,
this keeps to 94 to 96 % (tests/test_statistics_coverage.py). Average precision is the slowest to converge:
simulated coverage 91 % with 200 patients, 95 % with 500. With one seed there is no second part, and a note
says that the interval describes this one trained network.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from foramen.core.errors import InputError
from foramen.evaluation import metrics
from foramen.evaluation.predictions import thresholds

Array = NDArray[np.float64]

#: Weights of about this many image-resamples are worked on at once: 0.8 MB, which a core's cache holds.
_BLOCK = 100_000


@dataclass(frozen=True)
class Run:
    """One arm and seed on the test images: `points` (metrics,), `draws` (metrics, resamples), why NaN."""

    points: Array
    draws: Array
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Resampled:
    """The test set under all resamples. `runs[arm][seed]` is a Run whose rows are `metrics`, in order."""

    metrics: tuple[str, ...]
    runs: dict[str, dict[int, Run]]
    n_images: int
    n_patients: int
    n_strata: int
    patients_with_label: dict[int, int]
    n_resamples: int
    seed: int

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms in the order of the predictions table."""
        return tuple(self.runs)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the variance between patients: patients less strata."""
        return self.n_patients - self.n_strata

    @property
    def understated(self) -> float:
        """The share of the variance between patients that a bootstrap within strata shows."""
        return self.freedom / self.n_patients

    def points(self, arm: str, metric: str, seeds: Iterable[int] | None = None) -> Array:
        """The metric of each seed: (seeds,). `seeds` chooses and orders; a single-seed arm is repeated."""
        return np.array([run.points[self.metrics.index(metric)] for run in self._runs(arm, seeds)])

    def draws(self, arm: str, metric: str, seeds: Iterable[int] | None = None) -> Array:
        """The metric of each seed under each resample: (seeds, resamples)."""
        return np.stack([run.draws[self.metrics.index(metric)] for run in self._runs(arm, seeds)])

    def _runs(self, arm: str, seeds: Iterable[int] | None) -> list[Run]:
        runs = self.runs[arm]
        if len(runs) == 1 and seeds is not None:
            return [next(iter(runs.values()))] * len(tuple(seeds))
        return [runs[seed] for seed in (runs if seeds is None else seeds)]

    def seeds_in_common(self, arms: Iterable[str]) -> tuple[int, ...]:
        """Seeds that all these arms have. An arm with one seed is a fixed system: it goes with every seed."""
        several = [set(self.runs[arm]) for arm in arms if len(self.runs[arm]) > 1]
        return tuple(sorted(set.intersection(*several))) if several else (0,)


def patient_strata(patients: NDArray, labels: NDArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The stratum of each patient (0: negative, 1: both, 2: positive) and the patient of each image."""
    _, index = np.unique(patients, return_inverse=True)
    share = np.bincount(index, weights=np.asarray(labels, float)) / np.bincount(index)
    return np.where(share == 0, 0, np.where(share == 1, 2, 1)), index


def patient_weights(strata: NDArray, n_resamples: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """How often each resample draws each patient, (resamples, patients), with replacement within strata."""
    weights = np.zeros((n_resamples, len(strata)), np.int16)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), n_resamples)
    return weights


def resample(
    frame: pd.DataFrame,
    n_resamples: int = 2000,
    seed: int = 0,
    names: tuple[str, ...] = metrics.METRICS,
    stratify: bool = True,
    threads: int = 2,
) -> Resampled:
    """Every metric of every arm and seed on the test images of a predictions table, under resampled patients.

    Thresholds come from the table's validation rows (`predictions.thresholds`). `names` are the metrics
    wanted. `stratify=False` draws patients regardless of label, for a test set whose class mix is itself a
    random sample of the population that is meant. Values do not depend on `threads`. Raises InputError where
    the arms do not have the same test images or there are none.
    """
    drawn = _draw(frame, n_resamples, seed, stratify)
    limits = thresholds(frame).set_index(["arm", "seed"]).threshold
    threshold_of = [float(limits[column]) for column in drawn.scores.columns]
    draws = _draws(drawn, threshold_of, names, threads)
    runs: dict[str, dict[int, Run]] = {}
    for i, (arm, run_seed) in enumerate(drawn.scores.columns):
        scores = drawn.scores[arm, run_seed].to_numpy()
        runs.setdefault(arm, {})[int(run_seed)] = _run(drawn.labels, scores, threshold_of[i], names, draws[i])
    return drawn.resampled(names, runs)


def resample_at_specificity_of(
    frame: pd.DataFrame, reference: str, n_resamples: int = 2000, seed: int = 0
) -> Resampled:
    """The sensitivity of every arm where it is as specific as `reference` is at its threshold, seed by seed.

    In each resample the arm's ROC curve (ties joined by straight lines) is read at the specificity that the reference
    has there. Test labels choose these points, so they compare curves and are nobody's operating points. An arm with
    one seed is read at the specificity of each seed of the reference. Raises as `resample`.
    """
    drawn = _draw(frame, n_resamples, seed, stratify=True)
    limits = thresholds(frame).set_index(["arm", "seed"]).threshold
    seeds_of = {arm: list(part) for arm, part in drawn.scores.columns.to_frame().groupby(level=0, sort=False).seed}
    runs: dict[str, dict[int, Run]] = {}
    for arm, own in seeds_of.items():
        for run_seed in seeds_of[reference]:
            if run_seed in own or len(own) == 1:
                scores = drawn.scores[arm, run_seed if run_seed in own else own[0]].to_numpy()
                calls = drawn.scores[reference, run_seed].to_numpy() >= limits[reference, run_seed]
                runs.setdefault(arm, {})[int(run_seed)] = _run_at(drawn, scores, calls)
    return drawn.resampled(("sensitivity",), runs)


def _run_at(drawn: "_Drawn", scores: Array, calls: NDArray[np.bool_]) -> Run:
    """The sensitivity of `scores` at the specificity of the reference's `calls`, on the images and each resample."""

    def read(weights: Array) -> Array:
        specificity = metrics.confusion_metrics(weights, drawn.labels, calls)["specificity"]
        return metrics.sensitivity_at(weights, drawn.labels, scores, specificity)

    points = read(np.ones((1, len(scores))))
    classes = [label for label in (0, 1) if not (drawn.labels == label).any()]
    reasons = {"sensitivity": f"no image with label {classes[0]}"} if classes else {}
    return Run(points, np.concatenate([read(block) for block in drawn.blocks()])[None], reasons)


@dataclass(frozen=True)
class _Drawn:
    """The test images: `scores` (images, one column an arm and seed), `labels`, patients, and how often each resample
    draws each patient, `weights` (resamples, patients).
    """

    scores: pd.DataFrame
    labels: NDArray
    patient_of_image: NDArray
    patients_with_label: dict[int, int]
    n_strata: int
    weights: NDArray
    seed: int

    def blocks(self) -> Iterator[Array]:
        """The weights of the images, (resamples, images), some resamples at a time."""
        rows = max(1, _BLOCK // len(self.labels))
        for start in range(0, len(self.weights), rows):
            yield self.weights[start : start + rows, self.patient_of_image].astype(float)

    def resampled(self, names: tuple[str, ...], runs: dict[str, dict[int, Run]]) -> Resampled:
        """What was measured on these resamples."""
        resamples, patients = self.weights.shape
        return Resampled(
            names, runs, len(self.labels), patients, self.n_strata, self.patients_with_label, resamples, self.seed
        )


def _draw(frame: pd.DataFrame, n_resamples: int, seed: int, stratify: bool) -> _Drawn:
    """Test images of a predictions table, and the resampled patients."""
    scores, images = _score_matrix(frame)
    labels = images.label.to_numpy()
    strata, patient_of_image = patient_strata(images.patient_id.to_numpy(), labels)
    strata = strata if stratify else np.zeros_like(strata)
    weights = patient_weights(strata, n_resamples, np.random.default_rng(seed))
    carriers = {label: int(images.patient_id[labels == label].nunique()) for label in (0, 1)}
    return _Drawn(scores, labels, patient_of_image, carriers, len(np.unique(strata)), weights, seed)


def _draws(drawn: _Drawn, threshold_of: list[float], names: tuple[str, ...], threads: int) -> Array:
    """The metrics of each column of scores under each resample: (columns, metrics, resamples)."""
    columns = list(drawn.scores.to_numpy().T)
    parts = []
    with ThreadPoolExecutor(threads) as pool:
        for block in drawn.blocks():
            jobs = [
                pool.submit(metrics.evaluate, block, drawn.labels, scores, threshold, names)
                for scores, threshold in zip(columns, threshold_of, strict=True)
            ]
            parts.append(np.stack([job.result() for job in jobs]))
    return np.concatenate(parts, axis=2)


def _run(labels: NDArray, scores: Array, threshold: float, names: tuple[str, ...], draws: Array) -> Run:
    """The metrics of one column of scores on the images as they are, beside its draws."""
    points = metrics.evaluate(np.ones((1, len(labels))), labels, scores, threshold, names)[:, 0]
    missing = [name for name, value in zip(names, points, strict=True) if np.isnan(value)]
    reasons = {name: metrics.why_not_estimable(name, labels, scores, threshold) for name in missing}
    return Run(points, draws, reasons)


def _score_matrix(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the test images, one column an (arm, seed); their patient and label; both by image_id."""
    test = frame[frame.split == "test"]
    if not len(test):
        raise InputError("the predictions table has no rows of the test split")
    duplicated = test.duplicated(["arm", "seed", "image_id"])
    if duplicated.any():
        raise InputError(f"the predictions table has {int(duplicated.sum())} duplicate rows of the test split")
    order = list(dict.fromkeys(zip(test.arm, test.seed, strict=True)))
    scores = test.pivot(index="image_id", columns=["arm", "seed"], values="score")[order]
    absent = scores.isna().sum()
    if absent.any():
        raise InputError(
            [
                f"arm {arm!r}, seed {seed}: {count} images of the test split are missing"
                for (arm, seed), count in absent[absent > 0].items()
            ]
        )
    images = test.drop_duplicates("image_id").set_index("image_id").loc[scores.index, ["patient_id", "label"]]
    return scores, images


@dataclass(frozen=True)
class Error:
    """The standard error of a mean over seeds and the degrees of freedom of its t distribution."""

    standard_error: float
    freedom: float

    def half_width(self, level: float = 0.95) -> float:
        """What chance alone exceeds, either way, with probability 1 - level."""
        return float(stats.t.ppf((1 + level) / 2, self.freedom)) * self.standard_error

    def p_value(self, size: float) -> float:
        """Two-sided p-value of an estimate of this size; below 1 - level where half_width(level) < |size|."""
        return float(2 * stats.t.sf(abs(size) / self.standard_error, self.freedom))

    def detectable(self, power: float = 0.8, level: float = 0.95) -> float:
        """The true value that would be called different from 0 with probability `power`."""
        return self.half_width(level) + float(stats.norm.ppf(power)) * self.standard_error


@dataclass(frozen=True)
class Spread:
    """A variance between seeds with its degrees of freedom."""

    variance: float
    freedom: int


def pooled(points: Iterable[Array]) -> Spread | None:
    """The variance between seeds that several sets of values (seeds,) share; None where no set has two seeds."""
    several = [values for values in points if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    if not freedom:
        return None
    return Spread(sum(((v - v.mean()) ** 2).sum() for v in several) / freedom, freedom)


def error(points: Array, draws: Array, freedom: int, understated: float, between: Spread | None = None) -> Error:
    """The error of a mean over seeds, of `points` (k,) with `draws` (k, resamples) under resampled patients.

    `between` is the variance between seeds where it is known better than from these few (`pooled`).

    `freedom` and `understated` are those of `Resampled`. With one seed, or where all seeds give the same
    value, there is nothing to tell the two parts by: all is the patients'.
    """
    k = len(points)
    shared = float(np.nanvar(draws.mean(axis=0), ddof=1)) / understated
    between = between or pooled([points]) or Spread(0.0, 1)
    own = between.variance / k
    if own < 1e-20:
        return Error(float(np.sqrt(shared)), freedom)
    if k > 1:
        scatter = float(np.nanmean((draws - points[:, None]).var(axis=0, ddof=1))) / understated
        shared = max(0.0, shared - scatter / k)
    total = shared + own
    return Error(float(np.sqrt(total)), total / (shared / freedom + own / between.freedom))


def percentile_interval(
    points: Array, draws: Array, freedom: int, understated: float, level: float = 0.95
) -> tuple[float, float]:
    """The percentile interval of a mean over seeds, expanded to the half width of its `error`.

    So it has the skewness of the resamples and the width of both parts of the error; where the resamples do
    not vary it is symmetrical.
    """
    estimate, tail = float(points.mean()), (1 - level) / 2
    means = draws.mean(axis=0)
    spread = float(np.nanstd(means, ddof=1))
    half = error(points, draws, freedom, understated).half_width(level)
    if spread < 1e-12:
        return estimate - half, estimate + half
    low, high = np.nanquantile(means, [tail, 1 - tail]) - estimate
    factor = half / (spread * stats.norm.ppf(1 - tail))
    return estimate + factor * float(low), estimate + factor * float(high)
