"""Chosen on the test set: threshold, arm, epoch (notebook 09). What was chosen for its number has too good a number.

The test set of each repetition is a random part of the test patients. Wrong: it chooses, and is reported. Right: as
many others choose. Truth: the wrong choice, measured on patients who had no part in it (Leeflang et al. 2008,
doi:10.1373/clinchem.2007.096032). Right and truth are one quantity, what the choice of so many patients is worth on
others: they agree but for chance.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from diagnostic_accuracy import metrics
from diagnostic_accuracy.operating_point import called
from foramen.pitfalls import outcome, probe

EPOCHS, STEP = 30, 0.1  # of the linear probe; the step is divided by the number of features


def drawn(patients: NDArray, size: int, repetitions: int, seed: int, after: int = 0) -> NDArray[np.float64]:
    """Weights (repetitions, images): 1 for the images of `size` patients, drawn without replacement, 0 for others.

    They are the next ones in an order at random, `after` so many: the same seed then draws other patients.
    """
    names, index = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(len(names)), (repetitions, 1)), axis=1)
    return ((order >= after) & (order < after + size))[:, index].astype(float)


def most_accurate(weights: NDArray, labels: NDArray, scores: NDArray) -> NDArray[np.float64]:
    """The threshold (repetitions,) of the largest accuracy on the weighted images: what not to do on a test set."""
    true, false = metrics.cumulated(weights, labels.astype(float), scores)
    return np.unique(scores)[::-1][np.argmax(true - false, axis=1)]


def threshold(frame: pd.DataFrame, arm: str, size: int, repetitions: int = 500, seed: int = 0) -> outcome.Row:
    """Accuracy at the threshold that is best on a test set of `size` patients, or best on as many others.

    `frame` is a predictions table, of which the arm's first seed is taken; `size` is half of its test patients at most.
    """
    runs = frame[frame.arm == arm]
    run = runs[runs.seed == runs.seed.min()]
    test = run[run.split == "test"]
    labels, scores = test.label.to_numpy(), test.score.to_numpy()
    tested, others = (drawn(test.patient_id.to_numpy(), size, repetitions, seed, after) for after in (0, size))
    best, planned = (most_accurate(weights, labels, scores) for weights in (tested, others))
    wrong, right, truth = (
        metrics.evaluate(weights, labels, scores, at, ("accuracy",))[0]
        for weights, at in ((tested, best), (tested, planned), (1 - tested, best))
    )
    return outcome.over_repetitions("threshold chosen on the test set", "accuracy", wrong, right, truth)


def optimism_by_size(frame: pd.DataFrame, arm: str, seed: int = 0) -> pd.DataFrame:
    """`threshold` on test sets of several sizes, up to half of the test patients: its row and `patients`."""
    total = frame.loc[frame.split == "test", "patient_id"].nunique()
    sizes = sorted({max(4, total // part) for part in (32, 16, 8, 4, 2)})
    return outcome.table(threshold(frame, arm, size, seed=seed) for size in sizes).assign(patients=sizes)


def arm(frame: pd.DataFrame, size: int, repetitions: int = 500, seed: int = 0) -> outcome.Row:
    """Accuracy of the network (arm and seed) that is best on a test set of `size` patients, or on as many others."""
    test = called(frame).assign(right=lambda rows: rows.called == rows.label)
    right = test.pivot(index=["image_id", "patient_id"], columns=["arm", "seed"], values="right").astype(float)
    patients = right.index.get_level_values("patient_id").to_numpy()
    tested, others = (drawn(patients, size, repetitions, seed, after) for after in (0, size))
    parts = (tested, others, 1 - tested)
    here, there, fresh = (w @ right.to_numpy() / w.sum(axis=1, keepdims=True) for w in parts)
    each, best, planned = np.arange(repetitions), here.argmax(axis=1), there.argmax(axis=1)
    pitfall = "network chosen on the test set"
    return outcome.over_repetitions(pitfall, "accuracy", here[each, best], here[each, planned], fresh[each, best])


def epoch(features: NDArray, labels: NDArray, patients: NDArray, repetitions: int = 12, seed: int = 0) -> outcome.Row:
    """AUROC of a linear probe after the epoch that is best on a small test set, and after that of a validation set.

    `features` (images, d) are those of `probe`. In each repetition patients are dealt to training (40 %), validation,
    test and fresh data (20 % each); the last two then change places, so that what sets them apart cancels. Most of
    what repetitions share by training sets that overlap cancels, too: in simulated cohorts the inflations of two of
    them correlate by 0.00 and 0.04, where a widened interval would take 0.5.
    """
    found = []
    for i in range(repetitions):
        train, *others = probe.parts(patients, (0.4, 0.2, 0.2, 0.2), seed + i)
        scaled = StandardScaler().fit(features[train]).transform(features)
        step = STEP / features.shape[1]
        model = SGDClassifier(loss="log_loss", alpha=1e-3, learning_rate="constant", eta0=step, random_state=i)
        areas = np.zeros((EPOCHS, len(others)))
        for epoch_areas in areas:
            scores = model.partial_fit(scaled[train], labels[train], classes=[0, 1]).decision_function(scaled)
            epoch_areas[:] = [probe.area(labels[part], scores[part]) for part in others]
        by_val, by_first, by_second = areas.argmax(axis=0)
        wrong = (areas[by_first, 1] + areas[by_second, 2]) / 2
        truth = (areas[by_first, 2] + areas[by_second, 1]) / 2
        found.append((wrong, areas[by_val, 1:].mean(), truth))
    return outcome.over_repetitions("epoch chosen on the test set", "AUROC", *np.transpose(found))
