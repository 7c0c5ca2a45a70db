"""The statistics tested by simulation: do 95 % intervals cover, do tests of no effect reject 5 %?

Patients have a left and a right image whose errors are alike. Each simulated study draws new patients to validate and
to test and, for each arm and seed, a new trained network, which chooses its threshold on the validation patients; no
arm is better than another. Naive forms, which take images for independent, draw seeds like patients or hold the
threshold fixed, are simulated beside ours and must fail, or the simulation would prove nothing. The quick forms run
always; the `slow` ones have the precision to tell 94 % from 95 %.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from diagnostic_accuracy import metrics, paired_tests
from diagnostic_accuracy.bootstrap import Resampled, ScoredRun, resample
from diagnostic_accuracy.comparisons import differences, equal_specificity
from diagnostic_accuracy.intervals import error
from diagnostic_accuracy.operating_point import called
from diagnostic_accuracy.results import estimates

QUICK = ("accuracy", "sensitivity", "specificity", "f1", "auroc")
NAIVE = ("accuracy", "auroc")
AT_THRESHOLD = ("sensitivity", "specificity")  # what moves most with the threshold
ARMS = ("reference", "arm")


@dataclass(frozen=True)
class World:
    """What a simulated study is like: how alike a patient's images are, how much trained networks differ."""

    patients: int = 120
    seeds: int = 1
    validation: int = 116  # patients; 0: the threshold is 0.5
    spread: float = 0.0  # standard deviation between seeds of the separation of the classes
    shared_patient: float = 0.9  # difficulty that every network sees: of the patient
    shared_image: float = 0.3  # and of the image
    own_patient: float = 1.0  # a network's own error: alike in a patient's images
    own_image: float = 0.2

    def labels(self, patients: int) -> np.ndarray:
        """(patients, 2): two fifths without, one fifth with one, two fifths with two positive images."""
        fifth = patients // 5
        rows = [[0, 0]] * 2 * fifth + [[0, 1]] * fifth + [[1, 1]] * (patients - 3 * fifth)
        return np.array(rows)

    def network(self, rng: np.random.Generator, labels: np.ndarray, difficulty: np.ndarray) -> np.ndarray:
        """Scores (patients, 2) of one newly trained network."""
        separation = 1.6 + self.spread * rng.normal()
        own = self.own_patient * rng.normal(size=(len(labels), 1)) + self.own_image * rng.normal(size=labels.shape)
        return expit(separation * (labels - 0.5) + self.spread * rng.normal() / 2 + difficulty + own)

    def difficulty(self, rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
        patient = self.shared_patient * rng.normal(size=(len(labels), 1))
        return patient + self.shared_image * rng.normal(size=labels.shape)

    def study(self, rng: np.random.Generator) -> pd.DataFrame:
        """The predictions of two equally good arms; image i is of patient i // 2."""
        labels = np.vstack([self.labels(self.patients), self.labels(self.validation)])
        difficulty, image = self.difficulty(rng, labels), np.arange(labels.size)
        facts = {"image_id": image, "patient_id": image // 2, "label": labels.ravel()}
        facts["split"] = np.where(image < 2 * self.patients, "test", "val")
        runs = [(arm, seed) for arm in ARMS for seed in range(self.seeds)]
        scores = (self.network(rng, labels, difficulty).ravel() for _ in runs)
        parts = [
            pd.DataFrame({**facts, "arm": arm, "seed": seed, "score": score})
            for (arm, seed), score in zip(runs, scores, strict=True)
        ]
        return pd.concat(parts, ignore_index=True)

    @lru_cache  # noqa: B019 (worlds are few and frozen)
    def truth(self) -> dict[str, float]:
        """The metrics' expected values over trained networks, and thresholds of theirs, on a very large test set."""
        rng = np.random.default_rng(2023)
        networks, patients, repeats = (400, 2500, 5) if self.spread else (40, 10000, 20)
        values = []
        for _ in range(networks):
            labels = np.vstack([*[self.labels(self.validation)] * repeats, self.labels(patients)])
            scores = self.network(rng, labels, self.difficulty(rng, labels)).ravel()
            labels, chosen = labels.ravel(), 2 * self.validation * repeats
            parts = zip(np.split(labels[:chosen], repeats), np.split(scores[:chosen], repeats), strict=True)
            limits = [metrics.operating_threshold(np.ones((1, len(y))), y, s)[0] for y, s in parts]
            once = np.ones((1, len(labels) - chosen))
            free = metrics.evaluate(once, labels[chosen:], scores[chosen:], 0.5)[:, 0]
            at = [
                metrics.evaluate(once, labels[chosen:], scores[chosen:], limit, metrics.CONFUSION)[:, 0]
                for limit in limits
            ]
            values.append([*np.mean(at, axis=0), *free[len(metrics.CONFUSION) :]])
        return dict(zip(metrics.METRICS, np.mean(values, axis=0), strict=True))


def outcomes(frame: pd.DataFrame, truth: dict[str, float], names: tuple[str, ...], resamples: int, seed: int):
    """Of one study, by metric: does the interval of the reference cover, and is the other arm's gain significant?
    Also whether percentiles of draws of patients and, with replacement, seeds cover.
    """
    resampled = resample(frame, resamples, seed, names)
    first = estimates(resampled).groupby("arm").get_group("reference").set_index("metric")
    value = pd.Series(truth).reindex(first.index)
    gains = differences(resampled, [("arm", "reference")]).set_index("metric").p_value.reindex(first.index) < 0.05
    drawn = {}
    for name in names:
        draws = resampled.draws("reference", name)
        chosen = np.random.default_rng([seed, 3]).integers(len(draws), size=draws.shape)
        low, high = np.quantile(np.take_along_axis(draws, chosen, axis=0).mean(axis=0), [0.025, 0.975])
        drawn[name] = low <= truth[name] <= high
    return (first.low <= value) & (value <= first.high), gains, pd.Series(drawn)


def rejected_tests(frame: pd.DataFrame) -> pd.Series:
    """Are the paired tests of the first network of each arm significant?"""
    tested = paired_tests.compare_pairs(frame[frame.seed == 0], [ARMS[::-1]])
    return tested.set_index("metric").p_value < 0.05


def simulate(world: World, studies: int, resamples: int, names: tuple[str, ...] = QUICK) -> pd.DataFrame:
    """Rates over simulated studies: one row a metric; coverage and rejection, ours and naive."""
    truth, rates = world.truth(), []
    naive, at_threshold = (tuple(name for name in some if name in names) for some in (NAIVE, AT_THRESHOLD))
    for study in range(studies):
        frame = world.study(np.random.default_rng([study, 1]))
        loose, held = frame.assign(patient_id=frame.image_id), called(frame)
        covered_held, gains_held, _ = outcomes(held.assign(score=held.called), truth, at_threshold, resamples, study)
        covered, gains, seeds = outcomes(frame, truth, names, resamples, study)
        covered_images, gains_images, _ = outcomes(loose, truth, naive, resamples, study)
        of = {"coverage": covered, "coverage_seeds": seeds, "gains": gains, "tests": rejected_tests(frame)}
        of |= {"coverage_held": covered_held, "gains_held": gains_held}
        of |= {"coverage_images": covered_images, "gains_images": gains_images, "tests_images": rejected_tests(loose)}
        rates.append(pd.DataFrame(of).astype(float))
    return pd.concat(rates).groupby(level=0, sort=False).mean()


@pytest.fixture(scope="module")
def quick() -> pd.DataFrame:
    return simulate(World(), studies=150, resamples=200)


def test_intervals_and_tests_keep_their_promise_with_correlated_images(quick):
    """Within three standard errors of 150 studies."""
    assert (quick.coverage.dropna() > 0.90).all()
    assert (quick.gains.dropna() < 0.10).all()
    assert (quick.tests[list(NAIVE)] < 0.10).all()


def test_holding_the_threshold_fixed_fails(quick):
    """The paired tests hold it fixed, too: they are about two networks with their thresholds."""
    held = quick.loc[list(AT_THRESHOLD)]
    assert (held.coverage_held < 0.90).all()
    assert (held[["gains_held", "tests"]] > held[["gains"]].to_numpy() + 0.03).all(axis=None)


def test_naive_forms_fail_with_correlated_images(quick):
    naive = quick.loc[list(NAIVE)]
    assert (naive.coverage_images < 0.90).all()
    assert (naive[["gains_images", "tests_images"]] > quick.loc[list(NAIVE), ["gains"]].to_numpy() + 0.03).all(
        axis=None
    )


def test_drawing_seeds_with_replacement_fails_with_three_seeds():
    names = ("accuracy", "sensitivity")
    rates = simulate(World(200, 3, spread=0.6), studies=100, resamples=100, names=names).loc["accuracy"]
    assert rates.coverage_seeds < 0.90
    assert 0.92 <= rates.coverage <= 0.98


def test_freedom_of_the_error_keeps_coverage_between_welch_and_behrens_fisher():
    """Normal estimates: a shared error of variance 1, seeds of variance `ratio` times 3 for a mean over 3."""
    rng = np.random.default_rng(0)
    coverage = {"ours": [], "welch": [], "behrens_fisher": []}
    t_grid = stats.t.ppf((np.arange(400) + 0.5) / 400, 2)
    for ratio in (0.0, 0.3, 1.0, 3.0, 10.0):
        inside = {key: [] for key in coverage}
        for _ in range(800):
            shared = rng.normal()
            points = shared + np.sqrt(3 * ratio) * rng.normal(size=3)
            draws = points[:, None] + rng.normal(size=100)
            found = error(points, draws, 10**6, 1.0)
            inside["ours"].append(abs(points.mean()) < found.half_width())
            own = points.var(ddof=1) / 3
            freedom = (1 + own) ** 2 / (own**2 / 2) if own else np.inf
            inside["welch"].append(abs(points.mean()) < stats.t.ppf(0.975, freedom) * np.sqrt(1 + own))
            chance = stats.norm.cdf(abs(points.mean()) - t_grid * np.sqrt(own)).mean()
            inside["behrens_fisher"].append(chance < 0.975)
        for key, values in inside.items():
            coverage[key].append(np.mean(values))
    assert 0.935 <= min(coverage["ours"]) <= max(coverage["ours"]) <= 0.97
    assert min(coverage["welch"]) < 0.935
    assert max(coverage["behrens_fisher"]) > 0.97


def two_seeds(arms: int, ratio: float, studies: int) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of an arm's result and false positives of a gain with two seeds each, known errors of patients (1 point)
    and trainings, whose standard deviation (2 points on average) is `ratio` times as large in the second half of arms.
    """
    rng = np.random.default_rng(5)
    spread = np.where(np.arange(arms) < arms // 2, 1, ratio)
    spread = 0.02 * spread / spread.mean()
    covered, gained = [], []
    for _ in range(studies):
        patients = 0.01 * rng.normal(size=101)  # of the test set, then of its resamples
        points = 0.8 + patients[0] + spread[:, None] * rng.normal(size=(arms, 2))
        draws = points[..., None] + patients[1:] + 0.002 * rng.normal(size=(arms, 1, 100))
        runs = {
            f"a{arm}": {seed: ScoredRun(points[arm, [seed]], draws[arm, [seed]], {}) for seed in range(2)}
            for arm in range(arms)
        }
        resampled = Resampled(("accuracy",), runs, 1000, 500, 2, {0: 300, 1: 300})
        found = estimates(resampled)
        covered.append(((found.low <= 0.8) & (found.high >= 0.8)).to_numpy())
        gained.append(differences(resampled, [("a1", "a0"), (f"a{arms - 1}", "a0")]).p_value.to_numpy() < 0.05)
    return np.mean(covered, axis=0).round(3), np.mean(gained, axis=0).round(3)


@pytest.mark.slow
@pytest.mark.parametrize("arms", [3, 5, 7])
def test_pooled_variance_of_two_seeds(arms):
    """It keeps its promise where arms vary alike; where some vary twice as much, to within a few points."""
    covered, gained = two_seeds(arms, 1.0, 1500)
    print(arms, "alike", covered, gained)
    assert (covered > 0.93 - noise(1500)).all() and (gained < 0.07 + noise(1500)).all()
    covered, gained = two_seeds(arms, 2.0, 1500)
    print(arms, "half of them twice as much", covered, gained)
    assert (covered > 0.85).all() and (gained < 0.15).all()


def noise(studies: int) -> float:
    """Two standard errors of a rate of 5 % among so many simulated studies."""
    return 2 * float(np.sqrt(0.05 * 0.95 / studies))


@pytest.mark.slow
@pytest.mark.parametrize("validation", [116, 500])
def test_coverage_and_false_positive_rates_of_every_metric(validation):
    """Coverage of 93 to 97 % and rejection of 4 to 6 %, to within the simulation's own error."""
    world = World(400, validation=validation)
    rates, slack = simulate(world, studies=1000, resamples=400, names=metrics.METRICS), noise(1000)
    print(rates.round(3).to_string())
    assert rates.coverage.dropna().between(0.93 - slack, 0.97 + slack).all()
    assert rates.coverage.mean() == pytest.approx(0.95, abs=0.02)
    assert rates.gains.dropna().between(0.04 - slack, 0.06 + slack).all()
    assert rates.tests[list(NAIVE)].between(0.04 - slack, 0.06 + slack).all()
    assert (rates.loc[list(AT_THRESHOLD), ["coverage_held"]] < 0.93 - slack).all(axis=None)
    naive = rates.loc[list(NAIVE)]
    assert (naive.coverage_images < 0.93 - slack).all()
    assert (naive[["gains_images", "tests_images"]] > 0.06 + slack).all(axis=None)


@pytest.mark.slow
@pytest.mark.parametrize("validation", [116, 500])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_coverage_and_false_positive_rates_over_seeds(seeds, validation):
    """Tests of one network each know nothing of other trainings, and find differences that are not there.

    Two seeds of two arms, whose variance nothing tells better, cover 89 to 96 %.
    """
    rates, slack = simulate(World(300, seeds, validation, 0.3), studies=400, resamples=300), noise(400)
    print(rates.round(3).to_string())
    least = 0.93 if seeds > 2 else 0.90
    assert rates.coverage.dropna().between(least - slack, 0.97 + slack).all()
    assert rates.gains.dropna().between(0.04 - slack, 0.06 + slack).all()
    assert (rates.tests.dropna() > 0.1).all()


@pytest.mark.slow
@pytest.mark.parametrize("world", [World(500), World(500, 3, spread=0.3)], ids=["one seed", "three seeds"])
def test_false_positive_rate_at_equal_specificity(world):
    """Two equally good arms, read at the specificity of one of them, differ significantly in 4 to 6 %."""
    studies = 600
    p_values = []
    for study in range(studies):
        frame = world.study(np.random.default_rng([study, 2]))
        found = equal_specificity(frame, "reference", 300, study)
        p_values.append(found.p_value.iloc[0])
    rate = float(np.mean(np.array(p_values) < 0.05))
    print(f"rejected: {rate:.3f}")
    assert 0.04 - noise(studies) < rate < 0.06 + noise(studies)
