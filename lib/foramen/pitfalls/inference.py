"""Tests and intervals that leave something out: patients, pairing, threshold, seeds, other arms (notebook 09).

An error rate is how often a 5 % test finds what is not there, or a 95 % interval misses the true value. It is counted
on test sets drawn from this study's predictions, for which the whole of them is the truth.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from diagnostic_accuracy import metrics
from diagnostic_accuracy.intervals import LEVEL
from diagnostic_accuracy.operating_point import called
from foramen.pitfalls import outcome, probe

NOMINAL = 1 - LEVEL
Z = float(stats.norm.ppf((1 + LEVEL) / 2))
SIGNIFICANT = Z**2
LEARNED, TESTED = 20, 40  # patients of a small study


class Answers(NamedTuple):
    """Which test images each network gets right: `right` (images, networks) 0 or 1, by (arm, seed); their patients."""

    right: pd.DataFrame
    patient: NDArray[np.intp]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Answers":
        """Those of a predictions table at each network's own threshold."""
        test = called(frame).assign(right=lambda rows: (rows.called == rows.label).astype(float))
        right = test.pivot(index=["image_id", "patient_id"], columns=["arm", "seed"], values="right")
        return cls(right, np.unique(right.index.get_level_values("patient_id"), return_inverse=True)[1])

    def by_patient(self, values: NDArray) -> NDArray:
        """Sums of values (images, k) over the images of each patient: (patients, k)."""
        sums = np.zeros((self.patient.max() + 1, values.shape[1]))
        np.add.at(sums, self.patient, values)
        return sums

    def over(self, reference: str) -> NDArray:
        """Right answers of each other arm less those of the reference with the same seed: (images, networks)."""
        pairs = [run for run in self.right if run[0] != reference and (reference, run[1]) in self.right]
        against = [(reference, seed) for _, seed in pairs]
        return self.right[pairs].to_numpy() - self.right[against].to_numpy()


def unclustered(frame: pd.DataFrame, reference: str, repetitions: int = 2000, seed: int = 0) -> outcome.Row:
    """False positives of McNemar's test that counts images, and of the one that counts patients, under no effect.

    No effect is made by giving each patient's answers of an arm to the reference and back by the toss of a coin. Score
    forms of both tests, over all arms and seeds.
    """
    answers = Answers.of(frame)
    differences = answers.over(reference)
    totals = answers.by_patient(differences)
    tossed = _coins(len(totals), repetitions, seed) @ totals  # (repetitions, networks)
    with np.errstate(divide="ignore", invalid="ignore"):
        wrong, right = ((tossed**2 / (x**2).sum(axis=0) > SIGNIFICANT).mean(axis=1) for x in (differences, totals))
    return outcome.over_repetitions("test that counts images", "false positives", wrong, right, NOMINAL)


def many_arms(frame: pd.DataFrame, reference: str, repetitions: int = 2000, seed: int = 0) -> outcome.Row:
    """How often one of all networks is significant when none differs from the reference; right: Holm's first step.

    No effect as in `unclustered`, with one toss a patient for all arms, which so stay as alike as they are.
    """
    answers = Answers.of(frame)
    totals = answers.by_patient(answers.over(reference))
    totals = totals[:, np.abs(totals).sum(axis=0) > 0]
    if not totals.shape[1]:
        return outcome.unknown("best of many arms", "false positives", "no arm differs from the reference")
    tossed = _coins(len(totals), repetitions, seed) @ totals
    smallest = stats.chi2.sf((tossed**2 / (totals**2).sum(axis=0)).max(axis=1), 1)
    wrong, right = ((smallest < level).astype(float) for level in (NOMINAL, NOMINAL / totals.shape[1]))
    return outcome.over_repetitions(f"best of {totals.shape[1]} networks", "false positives", wrong, right, NOMINAL)


def unpaired(
    frame: pd.DataFrame, arm: str, reference: str, size: int, repetitions: int = 2000, seed: int = 0
) -> outcome.Row:
    """How often a test set of `size` patients shows the difference of two arms: by a test of two independent shares
    (wrong), and by the paired one that counts patients (right, truth).

    Patients are drawn with replacement; the first seed of both.
    """
    answers = Answers.of(frame)
    seeds = answers.right.columns.to_frame(index=False).groupby("arm").seed.min()
    ours, theirs = (answers.right[name, seeds[name]].to_numpy() for name in (arm, reference))
    sums = answers.by_patient(np.stack([ours, theirs, ours - theirs, np.ones_like(ours)], axis=1))
    drawn = np.random.default_rng(seed).multinomial(size, np.full(len(sums), 1 / len(sums)), repetitions)
    right, right_reference, gained, images = (drawn @ sums).T
    pooled = (right + right_reference) / (2 * images)
    with np.errstate(divide="ignore", invalid="ignore"):
        z_squared = gained**2 / (2 * images * pooled * (1 - pooled)), gained**2 / (drawn @ sums[:, 2] ** 2)
    wrong, paired = ((np.nan_to_num(z) > SIGNIFICANT).astype(float) for z in z_squared)
    return outcome.over_repetitions("test that ignores pairing", "power", wrong, paired, paired)


def without_threshold(
    frame: pd.DataFrame, arm: str, size: int, validated: int, repetitions: int = 300, seed: int = 0
) -> outcome.Row:
    """How often a 95 % interval of sensitivity misses, the threshold held fixed (wrong), its variance added (right).

    Each repetition draws `validated` patients, who choose the threshold, and `size` patients, on whom the sensitivity
    is measured, from all that the arm's first seed was not trained on. The true value is the mean sensitivity at such
    thresholds on all of them.
    """
    runs = frame[(frame.arm == arm) & frame.split.isin(("val", "test"))]
    run = runs[runs.seed == runs.seed.min()]
    labels, scores = run.label.to_numpy(), run.score.to_numpy()
    _, patient = np.unique(run.patient_id, return_inverse=True)
    rng, everyone = np.random.default_rng(seed), np.ones((1, len(run)))

    def draw(count: int, of: NDArray, times: int) -> NDArray:
        return rng.multinomial(count, of / of.sum(), times)

    equal = np.ones(patient.max() + 1)
    val, test = (draw(count, equal, repetitions) for count in (validated, size))
    limits = metrics.operating_threshold(val[:, patient].astype(float), labels, scores)
    found = metrics.evaluate(test[:, patient].astype(float), labels, scores, limits, ("sensitivity",))[0]
    at = np.unique(limits, return_inverse=True)
    known = metrics.evaluate(np.repeat(everyone, len(at[0]), axis=0), labels, scores, at[0], ("sensitivity",))[0]
    target, missed = known[at[1]].mean(), []
    for i in range(repetitions):
        again = draw(size, test[i], 100)[:, patient].astype(float)
        fixed = metrics.evaluate(again, labels, scores, limits[i], ("sensitivity",))[0].var(ddof=1)
        others = metrics.operating_threshold(draw(validated, val[i], 100)[:, patient].astype(float), labels, scores)
        weights = np.repeat(test[i][None, patient].astype(float), 100, axis=0)
        moved = metrics.evaluate(weights, labels, scores, others, ("sensitivity",))[0].var(ddof=1)
        missed.append([abs(found[i] - target) > Z * np.sqrt(v) for v in (fixed, fixed + moved)])
    wrong, right = np.transpose(missed).astype(float)
    pitfall = "interval without the threshold"
    return outcome.over_repetitions(pitfall, "intervals that miss", wrong, right, NOMINAL)


def without_seeds(frame: pd.DataFrame, size: int, repetitions: int = 500, seed: int = 0) -> outcome.Row:
    """How often a 95 % interval of accuracy from one trained network misses the mean over the arm's seeds: patients
    alone counted (wrong), the variance between seeds added (right).

    Patients are drawn with replacement, `size` of them; a repetition takes every network of every arm with two seeds.
    """
    answers = Answers.of(frame)
    pitfall, metric = "interval without the seeds", "intervals that miss"
    several = answers.right.T.groupby(level="arm").filter(lambda runs: len(runs) > 1).T
    if several.empty:
        return outcome.unknown(pitfall, metric, "no arm has two seeds")
    sums = answers.by_patient(np.column_stack([several.to_numpy(), np.ones(len(several))]))
    drawn = np.random.default_rng(seed).multinomial(size, np.full(len(sums), 1 / len(sums)), repetitions)
    found = drawn @ sums[:, :-1] / (drawn @ sums[:, -1:])
    own = several.mean()
    target, between = (own.groupby(level="arm").transform(f).to_numpy() for f in ("mean", "var"))
    centred = sums[:, :-1] - own.to_numpy() * sums[:, -1:]
    variance = size * centred.var(axis=0) / (size * sums[:, -1].mean()) ** 2
    wrong, right = ((np.abs(found - target) > Z * np.sqrt(v)).mean(axis=1) for v in (variance, variance + between))
    return outcome.over_repetitions(pitfall, metric, wrong, right, NOMINAL)


def without_training(
    features: NDArray, labels: NDArray, patients: NDArray, repetitions: int = 60, seed: int = 0
) -> outcome.Row:
    """How often a 95 % interval of accuracy from one training set misses the mean over training sets: test patients
    alone counted (wrong), the variance between training sets added (right).

    Each repetition trains a linear probe on 20 patients and draws test sets of 40 of the others, with replacement;
    `features` (images, d) are those of `probe`. What is said of a method, and not of one network, is about that mean.
    These patients are the population that training and test sets are drawn from, so repetitions are independent.
    """
    names, index = np.unique(patients, return_inverse=True)
    pitfall, metric = "interval without the training sample", "intervals that miss"
    if len(names) <= LEARNED:
        return outcome.unknown(pitfall, metric, "too few patients")
    rng, share, own, variance, found = np.random.default_rng(seed), LEARNED / len(names), [], [], []
    for i in range(repetitions):
        train, _ = probe.parts(patients, (share, 1 - share), seed + i)
        right = probe.linear().fit(features[train], labels[train]).predict(features) == labels
        others = pd.Series(right[~train]).groupby(index[~train]).mean().to_numpy(float)
        own.append(others.mean())
        variance.append(others.var() / TESTED)
        found.append(rng.choice(others, (50, TESTED)).mean(axis=1))
    apart, within, between = np.abs(np.array(found) - np.mean(own)), np.array(variance), np.var(own, ddof=1)
    wrong, right = ((apart > Z * np.sqrt(v)[:, None]).mean(axis=1) for v in (within, within + between))
    return outcome.over_repetitions(pitfall, metric, wrong, right, NOMINAL)


def _coins(patients: int, repetitions: int, seed: int) -> NDArray[np.float64]:
    """Signs (repetitions, patients), each -1 or 1."""
    return np.random.default_rng(seed).choice([-1.0, 1.0], (repetitions, patients))
