"""The patient-clustered bootstrap: every metric of every arm and seed under the same resampled patients (notebook 06).

A resample draws patients with replacement within strata (all images negative, all positive, both), since the images of
one patient are not independent: those of the test set, and those of the validation set, on which each arm and seed
chooses its threshold again. All arms and seeds share the draws, so differences between arms are paired. What the draws
say of a mean over seeds is the subject of `intervals`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diagnostic_accuracy import intervals, metrics, table

Array = NDArray[np.float64]
Run = tuple[str, int]  # arm and seed
Measure = Callable[[Run, Array, slice], Array]  # of weights (rows, images) at these rows: (metrics, rows)

#: Weights of about this many image-resamples are worked on at once: 0.8 MB, which a core's cache holds.
_BLOCK = 100_000


@dataclass(frozen=True)
class ScoredRun:
    """One arm and seed on the test images: `points` (metrics,), `draws` (metrics, resamples), why a value is NaN."""

    points: Array
    draws: Array
    reasons: dict[str, str]


@dataclass(frozen=True)
class Resampled:
    """The test set under all resamples. `runs[arm][seed]` is a ScoredRun whose rows are `metrics`, in order."""

    metrics: tuple[str, ...]
    runs: dict[str, dict[int, ScoredRun]]
    n_images: int
    n_patients: int
    n_strata: int
    patients_with_label: dict[int, int]

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

    def between(self, metric: str) -> intervals.Spread | None:
        """The variance between trainings of an arm, where two seeds do not tell it: pooled over the arms that vary.

        They are taken to vary alike. None with more seeds, where each arm's own is used, and with fewer than three
        such arms.
        """
        own = [self.points(arm, metric) for arm in self.arms]
        varying = [points for points in own if np.ptp(points) > 0]
        two = len(varying) >= 3 and max(map(len, own)) == 2
        return intervals.pooled(varying) if two else None

    def points(self, arm: str, metric: str, seeds: Iterable[int] | None = None) -> Array:
        """The metric of each seed: (seeds,). `seeds` chooses and orders; a single-seed arm is repeated."""
        return np.array([run.points[self.metrics.index(metric)] for run in self._runs(arm, seeds)])

    def draws(self, arm: str, metric: str, seeds: Iterable[int] | None = None) -> Array:
        """The metric of each seed under each resample: (seeds, resamples)."""
        return np.stack([run.draws[self.metrics.index(metric)] for run in self._runs(arm, seeds)])

    def _runs(self, arm: str, seeds: Iterable[int] | None) -> list[ScoredRun]:
        runs = self.runs[arm]
        if len(runs) == 1 and seeds is not None:
            return [next(iter(runs.values()))] * len(tuple(seeds))
        return [runs[seed] for seed in (runs if seeds is None else seeds)]

    def seeds_in_common(self, arms: Iterable[str]) -> tuple[int, ...]:
        """Seeds that all these arms have. An arm with one seed is a fixed system: it goes with every seed."""
        several = [set(self.runs[arm]) for arm in arms if len(self.runs[arm]) > 1]
        return tuple(sorted(set.intersection(*several))) if several else (0,)


def seed_pairs(seeds: Collection[int], others: Collection[int]) -> list[tuple[int, int]]:
    """The seeds of two arms that belong together: the same ones, and every one with the one seed of a fixed system."""
    if len(seeds) == 1 or len(others) == 1:
        return list(product(seeds, others))
    return [(seed, seed) for seed in seeds if seed in others]


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


def image_weights(patients: NDArray, labels: NDArray, n_resamples: int, seed: int) -> NDArray[np.int16]:
    """How often each resample of the patients of some images draws each image: (resamples, images)."""
    strata, index = patient_strata(patients, labels)
    return patient_weights(strata, n_resamples, np.random.default_rng(seed))[:, index]


class _TestImages(NamedTuple):
    """Scores (images,) of each arm and seed on the test images, their labels and patients, and which are counted."""

    scores: dict[Run, Array]
    labels: NDArray
    patients: NDArray
    counted: NDArray[np.bool_]

    @classmethod
    def of(cls, frame: pd.DataFrame, only: Collection[str] | None = None) -> "_TestImages":
        """The test images of a predictions table; raises as `resample`."""
        table.check(frame)
        test = frame[frame.split == "test"]
        runs = dict.fromkeys(zip(test.arm, test.seed.tolist(), strict=True))
        scores = test.pivot(index="image_id", columns=["arm", "seed"], values="score")
        images = test.drop_duplicates("image_id").sort_values("image_id")
        counted = images.image_id.isin(images.image_id if only is None else only)
        facts = (images.label.to_numpy(), images.patient_id.to_numpy(), counted.to_numpy())
        return cls({run: scores[run].to_numpy() for run in runs}, *facts)


def _as_drawn(images: pd.DataFrame, n_resamples: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """The stratum of each patient of some images, and weights (1 + resamples, patients), the first row all ones."""
    strata, _ = patient_strata(images.patient_id.to_numpy(), images.label.to_numpy())
    weights = patient_weights(strata, n_resamples, rng)
    return strata, np.vstack([np.ones_like(weights, shape=(1, len(strata))), weights])


def _blocks(weights: NDArray, patient_of_image: NDArray) -> Iterator[tuple[slice, Array]]:
    """The rows of each block of resamples, and the weights (rows, images) there."""
    step = max(1, _BLOCK // max(1, len(patient_of_image)))
    for rows in (slice(i, i + step) for i in range(0, len(weights), step)):
        yield rows, weights[rows, patient_of_image].astype(float)


def threshold_draws(frame: pd.DataFrame, n_resamples: int = 2000, seed: int = 0) -> dict[Run, Array]:
    """The operating threshold of each arm and seed (1 + resamples,): that of the validation rows as they are
    (`operating_point.thresholds`), then those of resampled validation patients; 0.5 without validation rows.
    """
    val = frame[frame.split == "val"]
    images = val.drop_duplicates("image_id")
    _, weights = _as_drawn(images, n_resamples, np.random.default_rng([seed, 1]))  # other draws than the test set's
    patients = np.unique(images.patient_id)
    limits = dict.fromkeys(zip(frame.arm, frame.seed.tolist(), strict=True), np.full(1 + n_resamples, 0.5))
    for run, rows in val.groupby(["arm", "seed"]):
        labels, scores = rows.label.to_numpy(), rows.score.to_numpy()
        blocks = _blocks(weights, np.searchsorted(patients, rows.patient_id))
        limits[run] = np.concatenate([metrics.operating_threshold(drawn, labels, scores) for _, drawn in blocks])
    return limits


def resample(
    frame: pd.DataFrame,
    n_resamples: int = 2000,
    seed: int = 0,
    names: tuple[str, ...] = metrics.METRICS,
    only: Collection[str] | None = None,
) -> Resampled:
    """Every metric of every arm and seed on the test images of a predictions table, under resampled patients.

    Thresholds come from the table's validation rows, resampled as well (`threshold_draws`). `names` are the metrics
    wanted. Where `only` some images count, all patients are drawn still, so that parts of a test set share the draws.
    Raises ValueError for a table that cannot be evaluated (`table.check`).
    """
    test, limits = _TestImages.of(frame, only), threshold_draws(frame, n_resamples, seed)

    def measure(run: Run, weights: Array, rows: slice) -> Array:
        scores = test.scores[run][test.counted]
        return metrics.evaluate(weights, test.labels[test.counted], scores, limits[run][rows], names)

    def why(run: Run, metric: str) -> str:
        return metrics.why_not_estimable(metric, test.labels[test.counted], test.scores[run][test.counted])

    return _measured(test, list(test.scores), names, measure, why, n_resamples, seed)


def resample_at_specificity_of(
    frame: pd.DataFrame, reference: str, n_resamples: int = 2000, seed: int = 0
) -> Resampled:
    """The sensitivity of every arm where it is as specific as `reference` is at its threshold, seed by seed.

    In each resample the arm's ROC curve (ties joined by straight lines) is read at the specificity that the reference
    has there. Test labels choose these points, so they compare curves and are nobody's operating points. An arm with
    one seed is read at the specificity of each seed of the reference, and every seed of an arm at that of a reference
    with one. Arms without a seed of the reference's are left out. Raises as `resample`.
    """
    test, limits = _TestImages.of(frame), threshold_draws(frame, n_resamples, seed)
    seeds_of: dict[str, list[int]] = {}
    for arm, own in test.scores:
        seeds_of.setdefault(arm, []).append(own)
    read_at = {
        (arm, own if len(seeds) > 1 else of): ((arm, own), (reference, of))
        for arm, seeds in seeds_of.items()
        for own, of in seed_pairs(seeds, seeds_of[reference])
    }

    def measure(run: Run, weights: Array, rows: slice) -> Array:
        own, of = read_at[run]
        calls = test.scores[of] >= limits[of][rows, None]
        specificity = metrics.confusion_metrics(weights, test.labels, calls)["specificity"]
        return metrics.sensitivity_at(weights, test.labels, test.scores[own], specificity)[None]

    def why(run: Run, metric: str) -> str:  # what a ROC curve needs
        return metrics.why_not_estimable("auroc", test.labels, test.scores[read_at[run][1]])

    return _measured(test, list(read_at), ("sensitivity",), measure, why, n_resamples, seed)


def _measured(
    test: _TestImages,
    runs: list[Run],
    names: tuple[str, ...],
    measure: Measure,
    why: Callable[[Run, str], str],
    n_resamples: int,
    seed: int,
) -> Resampled:
    """What `measure` gives on the images as they are and on resampled patients, and `why` (arm and seed, metric) a
    value is NaN.
    """
    _, patient_of_image = np.unique(test.patients, return_inverse=True)
    images = pd.DataFrame({"patient_id": test.patients, "label": test.labels})
    strata, weights = _as_drawn(images, n_resamples, np.random.default_rng(seed))
    scored: dict[str, dict[int, ScoredRun]] = {}
    for run in runs:
        blocks = _blocks(weights, patient_of_image[test.counted])
        values = np.concatenate([measure(run, drawn, rows) for rows, drawn in blocks], axis=1)
        reasons = {name: why(run, name) for name, value in zip(names, values[:, 0], strict=True) if np.isnan(value)}
        scored.setdefault(run[0], {})[run[1]] = ScoredRun(values[:, 0], values[:, 1:], reasons)
    patients, labels = patient_of_image[test.counted], test.labels[test.counted]
    carriers = {label: len(np.unique(patients[labels == label])) for label in (0, 1)}
    present = np.unique(patients)
    return Resampled(names, scored, len(labels), len(present), len(np.unique(strata[present])), carriers)
