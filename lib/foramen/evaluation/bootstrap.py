"""The patient-clustered bootstrap: every metric of every arm and seed under the same resampled patients (notebook 06).

A resample draws patients with replacement within strata (all images negative, all positive, both), since the images of
one patient are not independent. All arms and seeds are scored on the same draws, so differences between arms are
paired. What the draws say of a mean over seeds is the subject of `intervals`.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from foramen.core.errors import InputError
from foramen.evaluation import metrics
from foramen.evaluation.predictions import thresholds

Array = NDArray[np.float64]

#: Weights of about this many image-resamples are worked on at once: 0.8 MB, which a core's cache holds.
_BLOCK = 100_000


@dataclass(frozen=True)
class ScoredRun:
    """One arm and seed on the test images: `points` (metrics,), `draws` (metrics, resamples), why a value is NaN."""

    points: Array
    draws: Array
    reasons: dict[str, str] = field(default_factory=dict)


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
    threads: int = 2,
) -> Resampled:
    """Every metric of every arm and seed on the test images of a predictions table, under resampled patients.

    Thresholds come from the table's validation rows (`predictions.thresholds`). `names` are the metrics wanted. Values
    do not depend on `threads`. Raises InputError where the arms do not have the same test images or there are none.
    """
    drawn = _Drawn.of(frame, n_resamples, seed)
    limits = thresholds(frame).set_index(["arm", "seed"]).threshold
    runs: dict[str, dict[int, ScoredRun]] = {}
    with ThreadPoolExecutor(threads) as pool:
        jobs = {
            column: pool.submit(_score, drawn, drawn.scores[column].to_numpy(), float(limits[column]), names)
            for column in drawn.scores
        }
    for (arm, run_seed), job in jobs.items():
        runs.setdefault(arm, {})[int(run_seed)] = job.result()
    return drawn.resampled(names, runs)


def resample_at_specificity_of(
    frame: pd.DataFrame, reference: str, n_resamples: int = 2000, seed: int = 0
) -> Resampled:
    """The sensitivity of every arm where it is as specific as `reference` is at its threshold, seed by seed.

    In each resample the arm's ROC curve (ties joined by straight lines) is read at the specificity that the reference
    has there. Test labels choose these points, so they compare curves and are nobody's operating points. An arm with
    one seed is read at the specificity of each seed of the reference. Raises as `resample`.
    """
    drawn = _Drawn.of(frame, n_resamples, seed)
    limits = thresholds(frame).set_index(["arm", "seed"]).threshold
    seeds_of = {arm: list(part) for arm, part in drawn.scores.columns.to_frame().groupby(level=0, sort=False).seed}
    runs: dict[str, dict[int, ScoredRun]] = {}
    for arm, own in seeds_of.items():
        for run_seed in seeds_of[reference]:
            if run_seed in own or len(own) == 1:
                scores = drawn.scores[arm, run_seed if run_seed in own else own[0]].to_numpy()
                calls = drawn.scores[reference, run_seed].to_numpy() >= limits[reference, run_seed]
                runs.setdefault(arm, {})[int(run_seed)] = _score_at(drawn, scores, calls)
    return drawn.resampled(("sensitivity",), runs)


@dataclass(frozen=True)
class _Drawn:
    """The test images: `scores` (images, one column an arm and seed), their labels and patients, and how often each
    resample draws each patient, `weights` (resamples, patients).
    """

    scores: pd.DataFrame
    labels: NDArray
    strata: NDArray
    patient_of_image: NDArray
    weights: NDArray

    @classmethod
    def of(cls, frame: pd.DataFrame, n_resamples: int, seed: int) -> "_Drawn":
        """Test images of a predictions table, and the resampled patients."""
        scores, images = _score_matrix(frame)
        labels = images.label.to_numpy()
        strata, patient_of_image = patient_strata(images.patient_id.to_numpy(), labels)
        weights = patient_weights(strata, n_resamples, np.random.default_rng(seed))
        return cls(scores, labels, strata, patient_of_image, weights)

    def blocks(self) -> Iterator[Array]:
        """The weights of the images, (resamples, images), some resamples at a time."""
        rows = max(1, _BLOCK // len(self.labels))
        for start in range(0, len(self.weights), rows):
            yield self.weights[start : start + rows, self.patient_of_image].astype(float)

    def resampled(self, names: tuple[str, ...], runs: dict[str, dict[int, ScoredRun]]) -> Resampled:
        """What was measured on these resamples."""
        carriers = {label: len(np.unique(self.patient_of_image[self.labels == label])) for label in (0, 1)}
        return Resampled(names, runs, len(self.labels), len(self.strata), len(np.unique(self.strata)), carriers)


def _score(drawn: _Drawn, scores: Array, threshold: float, names: tuple[str, ...]) -> ScoredRun:
    """The metrics of one arm and seed on the images as they are and under each resample."""
    points = metrics.evaluate(np.ones((1, len(scores))), drawn.labels, scores, threshold, names)[:, 0]
    draws = [metrics.evaluate(block, drawn.labels, scores, threshold, names) for block in drawn.blocks()]
    missing = [name for name, value in zip(names, points, strict=True) if np.isnan(value)]
    reasons = {name: metrics.why_not_estimable(name, drawn.labels, scores, threshold) for name in missing}
    return ScoredRun(points, np.concatenate(draws, axis=1), reasons)


def _score_at(drawn: _Drawn, scores: Array, calls: NDArray[np.bool_]) -> ScoredRun:
    """The sensitivity of `scores` at the specificity of the reference's `calls`, on the images and each resample."""

    def read(weights: Array) -> Array:
        specificity = metrics.confusion_metrics(weights, drawn.labels, calls)["specificity"]
        return metrics.sensitivity_at(weights, drawn.labels, scores, specificity)

    points = read(np.ones((1, len(scores))))
    absent = [label for label in (0, 1) if not (drawn.labels == label).any()]
    reasons = {"sensitivity": f"no image with label {absent[0]}"} if absent else {}
    return ScoredRun(points, np.concatenate([read(block) for block in drawn.blocks()])[None], reasons)


def _score_matrix(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the test images, one column an (arm, seed); their patient and label; both by image_id."""
    test = frame[frame.split == "test"]
    if not len(test):
        raise InputError("the predictions table has no rows of the test split")
    if duplicates := int(test.duplicated(["arm", "seed", "image_id"]).sum()):
        raise InputError(f"the predictions table has {duplicates} duplicate rows of the test split")
    order = list(dict.fromkeys(zip(test.arm, test.seed, strict=True)))
    scores = test.pivot(index="image_id", columns=["arm", "seed"], values="score")[order]
    faults = [
        f"arm {arm!r}, seed {seed}: {count} images of the test split are missing"
        for (arm, seed), count in scores.isna().sum().items()
        if count
    ]
    if faults:
        raise InputError(faults)
    return scores, test.drop_duplicates("image_id").set_index("image_id").loc[scores.index, ["patient_id", "label"]]
