"""Where the variance of a result comes from: exact cases, and a simulation in which networks learn from patients."""

import numpy as np
import pandas as pd
import pytest

from diagnostic_accuracy import metrics, variance

SHAPE = (5, 3, 5, 5)  # training cohorts, seeds, cohorts of the threshold, test cohorts
SOURCES = ["training patients", "seed", "threshold", "test patients"]


def drawn(sds: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """A crossed result with independent normal parts of these standard deviations."""
    shapes = {"training patients": (5, 1, 1, 1), "seed": (5, 3, 1, 1), "threshold": (1, 1, 5, 1)}
    shapes |= {"test patients": (1, 1, 1, 5), "their combinations": SHAPE}
    return np.sum(np.broadcast_arrays(*(sd * rng.normal(size=shapes[name]) for name, sd in sds.items())), axis=0)


def test_a_single_source_is_found_and_nothing_else():
    varying = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    for axis, source in ((0, "training patients"), (2, "threshold"), (3, "test patients")):
        crossed = np.broadcast_to(np.moveaxis(varying[:, None, None, None], 0, axis), SHAPE)
        table = variance.components(crossed, 200).set_index("source")
        assert table.sd[source] == pytest.approx(varying.std(ddof=1))
        assert table.sd[variance.ONE_STUDY] == pytest.approx(varying.std(ddof=1))
        assert table.sd.drop([source, variance.ONE_STUDY, variance.HELD]).max() == pytest.approx(0, abs=1e-9)
        held = 0.0 if axis == 0 else varying.std(ddof=1)
        assert table.sd[variance.HELD] == pytest.approx(held, abs=1e-9)


def test_squares_add_up_to_the_total():
    crossed = np.random.default_rng(0).normal(size=(3, 2, 3, 4))
    squares, freedoms = variance.mean_squares(crossed)
    assert squares @ freedoms == pytest.approx(((crossed - crossed.mean()) ** 2).sum())
    assert freedoms.sum() == crossed.size - 1


def test_normal_parts_are_recovered_and_their_intervals_cover():
    rng, sds = np.random.default_rng(1), {"training patients": 2.0, "seed": 1.0, "threshold": 1.5}
    sds |= {"test patients": 2.5, "their combinations": 0.5}
    tables = [variance.components(drawn(sds, rng), 400, i).set_index("source") for i in range(150)]
    for source, sd in sds.items():
        mean = np.mean([table.sd[source] ** 2 for table in tables])
        assert mean == pytest.approx(sd**2, rel=0.25)
        covered = np.mean([table.low[source] <= sd <= table.high[source] for table in tables])
        assert covered >= 0.9


def test_scores_are_crossed_cell_by_cell():
    rng, rows = np.random.default_rng(2), []
    for trained in ("a", "b"):
        for tested in ("a", "b"):
            for split, n in (("val", 30), ("test", 40)):
                label = rng.permutation(np.arange(n) % 2)
                score = np.clip(0.5 + 0.2 * (label - 0.5) + 0.2 * rng.normal(size=n), 0, 1)
                part = {"trained": trained, "tested": tested, "arm": "net", "seed": 7, "split": split}
                rows.append(pd.DataFrame(part | {"label": label, "score": score}))
    frame = pd.concat(rows, ignore_index=True)
    crossed = variance.cross(frame, "net")
    assert crossed["accuracy"].shape == (2, 1, 2, 2)
    own = frame[frame.trained == "b"]
    val, test = own[(own.split == "val") & (own.tested == "a")], own[(own.split == "test") & (own.tested == "b")]
    limit = metrics.operating_threshold(np.ones((1, 30)), val.label, val.score)[0]
    assert crossed["accuracy"][1, 0, 0, 1] == pytest.approx(((test.score >= limit) == test.label).mean())
    assert np.ptp(crossed["auroc"], axis=2).max() == 0  # no threshold


# What follows learns from patients: nothing in it is a sum of parts.

FEATURES, STRENGTH = 12, 1.2
N_TRAIN, N_VAL, N_TEST = 60, 10, 120
DRAWN = ("train", "seed", "val", "test")
SHARED = dict(zip(SOURCES, [{"train"}, {"train", "seed"}, {"val"}, {"test"}], strict=True))


def patients(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, k) of patients and their labels."""
    labels = rng.permutation(np.arange(n) % 2)
    return rng.normal(size=(n, FEATURES)) + STRENGTH * (labels - 0.5)[:, None] / np.sqrt(FEATURES), labels


def learned(train: np.random.Generator, seed: np.random.Generator) -> np.ndarray:
    """Weights from training patients; a seed starts somewhere and stops early."""
    features, labels = patients(train, N_TRAIN)
    return features.T @ (labels - 0.5) / N_TRAIN + 0.1 * seed.normal(size=FEATURES)


def scores(weights: np.ndarray, features: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-features @ weights))


def accuracy(weights: np.ndarray, val: tuple, test: tuple) -> float:
    limit = metrics.operating_threshold(np.ones((1, len(val[1]))), val[1], scores(weights, val[0]))[0]
    return float(((scores(weights, test[0]) >= limit) == test[1]).mean())


def result(rng: np.random.Generator, alike: set[str], key: int) -> float:
    """The accuracy of a study; what is `alike` is drawn as in all others with this key, all else anew."""
    keys = {name: [key, i] if name in alike else rng.integers(2**62, size=2) for i, name in enumerate(DRAWN)}
    drawn = {name: np.random.default_rng(own) for name, own in keys.items()}
    network = learned(drawn["train"], drawn["seed"])
    return accuracy(network, patients(drawn["val"], N_VAL), patients(drawn["test"], N_TEST))


def crossed_study(rng: np.random.Generator) -> np.ndarray:
    """Five cohorts of patients, three seeds: every network with every cohort's threshold on every cohort."""
    cohorts = [(patients(rng, N_VAL), patients(rng, N_TEST)) for _ in range(5)]
    crossed = np.empty(SHAPE)
    for trained in range(5):
        train = rng.integers(2**63)
        for seed in range(3):
            network = learned(np.random.default_rng(train), rng)
            for v, (val, _) in enumerate(cohorts):
                crossed[trained, seed, v] = [accuracy(network, val, test) for _, test in cohorts]
    return crossed


@pytest.mark.slow
def test_components_are_those_of_networks_that_learn(capsys):
    """The truth by brute force: a source's variance is the covariance of two results that share it alone."""
    rng, n, repeats = np.random.default_rng(3), 8000, 200
    products = {}
    for source, alike in SHARED.items():
        pairs = np.array([[result(rng, alike, key) for _ in range(2)] for key in range(n)])
        products[source] = np.prod(pairs - pairs.mean(), axis=1)
    products["seed"] = products["seed"] - products["training patients"]
    estimated, covered = [], []
    for repeat in range(repeats):
        crossed = crossed_study(rng)
        unbiased = np.linalg.solve(variance.expected(SHAPE), variance.mean_squares(crossed)[0])
        table = variance.components(crossed, 1000, repeat).set_index("source")
        truth = {source: np.sqrt(max(products[source].mean(), 0)) for source in SOURCES}
        estimated.append([unbiased @ variance.shares(3)[source] for source in SOURCES])
        covered.append([table.low[source] <= truth[source] <= table.high[source] for source in SOURCES])
    for source, found, held in zip(SOURCES, np.transpose(estimated), np.mean(covered, axis=0), strict=True):
        true, mean = products[source].mean(), found.mean()
        error = np.hypot(products[source].std() / np.sqrt(n), found.std() / np.sqrt(repeats))
        with capsys.disabled():
            print(
                f"\n{source}: variance {true:.2e}, estimated {mean:.2e}, error of both {error:.1e}, coverage {held:.3f}"
            )
        assert abs(mean - true) < 4 * error, source
        assert held > 0.85, source  # of a truth that has an error of its own
