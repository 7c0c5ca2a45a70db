"""What a score follows: the narrowed foramina, or signs beside them that go with narrowing (notebook 08).

Only a synthetic cohort knows. `signs`: disc loss and osteophytes of the levels that the label is about, weighted as
they predict the label (a synthetic patient's two go together); `narrowness`: how small the narrowest of their foramina
is on the film; and age. A network that takes a shortcut (Geirhos et al. 2020) follows the signs. Two `readers` give the
scale: a guess from signs and age, which sees no foramen, and one who errs by the labels' noise alone. Estimates are
means over the seeds, and their intervals count patients and seeds (`diagnostic_accuracy.intervals`).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import zscore
from sklearn.linear_model import LogisticRegression

from diagnostic_accuracy import called
from diagnostic_accuracy.bootstrap import patient_strata, patient_weights
from diagnostic_accuracy.intervals import percentile_interval
from diagnostic_accuracy.metrics import ranking_metrics
from foramen.evaluation.where_points_go import CEILING, SIGNS
from labelled_radiographs import metadata

FACTS = ("signs", "narrowness", "age")
FIFTHS = 5
INTERVAL = ["estimate", "low", "high"]
Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of weights (r, n) and scores (n,): (r, m)


def facts(rows: pd.DataFrame, truth: pd.DataFrame, levels: list[str]) -> pd.DataFrame:
    """signs, narrowness (mm, negative), age, worst grade and `chance` of each image, by image_id.

    `rows` and `truth` are a cohort's. The weights of the signs are those of a logistic regression of the label, fitted
    to the training images; `chance` is the probability that a reader calls what the film shows narrowed.
    """
    keys = [level.replace("/", "_") for level in levels]
    shown = truth[[f"{sign}_{key}" for sign in ("disc_loss", "osteophyte") for key in keys]].apply(zscore).fillna(0.0)
    opening = truth[[f"narrowest_projected_mm_{key}" for key in keys]].min(axis=1)
    training = (rows["split"] == "train").to_numpy()
    model = LogisticRegression(max_iter=1000).fit(shown[training], rows["label"][training])
    grade = truth[[f"grade_{key}" for key in keys]].max(axis=1)
    signs = model.decision_function(shown)
    table = pd.DataFrame({"signs": signs, "narrowness": -opening, "age": rows["age"], "grade": grade})
    return table.assign(chance=truth["visible_probability"]).set_index(rows["image_id"])


def from_facts(rows: pd.DataFrame, known: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """The baseline that knows some of the `facts` and no film: scores by image_id, fitted to the training images.

    Signs and age see no foramen; narrowness alone is what a measurement of the narrowest opening without noise reaches.
    """
    return metadata.fitted(rows, known[list(names)])


def with_readers(frame: pd.DataFrame, rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Predictions and, as two more arms of seed 0, those of a guess from signs and age (`SIGNS`) and of a reader who
    knows each image's chance of being called narrowed (`CEILING`). `rows` is the cohort's table."""
    images = frame.drop_duplicates("image_id").assign(seed=0)
    scores = {SIGNS: from_facts(rows, known, ["signs", "age"]), CEILING: known["chance"]}
    readers = [images.assign(arm=arm, score=images["image_id"].map(by)) for arm, by in scores.items()]
    return pd.concat([frame, *readers], ignore_index=True)


def followed(frame: pd.DataFrame, known: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """What each arm's test scores follow: arm, fact, estimate, low, high.

    Standardised coefficients of a linear regression of the scores on the facts; all are standardised over the test
    images.
    """
    tables = []
    for arm, images, scores in _arms(frame[frame["split"] == "test"], "score"):
        design = np.column_stack([np.ones(len(images)), known.loc[images.index, list(FACTS)].apply(zscore)])  # (n, 4)
        table = _estimates(images, zscore(scores, axis=1), partial(_least_squares, design), resamples, seed)
        tables.append(table.iloc[1:].assign(arm=arm, fact=FACTS))  # without the constant
    return pd.concat(tables, ignore_index=True)[["arm", "fact", *INTERVAL]]


def _least_squares(design: np.ndarray, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients (r, k) of `values` (n,) on `design` (n, k) under each row of weights (r, n)."""
    squares = np.einsum("rn,ni,nj->rij", weights, design, design, optimize=True)
    products = weights @ (design * values[:, None])
    return np.linalg.solve(squares, products[..., None])[..., 0]


def within_fifths(frame: pd.DataFrame, known: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """AUROC of each arm among test images that show the signs alike: arm, fifth (1: fewest signs), n_images, estimate,
    low, high. A fifth holds some spread of signs, so the guess from them is the floor; NaN in a fifth with one class.
    """
    tables = []
    for arm, images, scores in _arms(frame[frame["split"] == "test"], "score"):
        rank = known.loc[images.index, "signs"].rank(method="first")
        fifths = pd.qcut(rank, FIFTHS, labels=False).to_numpy()
        measure = partial(_areas, images["label"].to_numpy(), [fifths == fifth for fifth in range(FIFTHS)])
        facts = {"arm": arm, "fifth": range(1, FIFTHS + 1), "n_images": np.bincount(fifths)}
        tables.append(_estimates(images, scores, measure, resamples, seed).clip(0, 1).assign(**facts))
    return pd.concat(tables, ignore_index=True)[["arm", "fifth", "n_images", *INTERVAL]]


def _areas(labels: np.ndarray, parts: list[np.ndarray], weights: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """AUROC (r, parts) in each part of the images, under each row of weights (r, n)."""
    found = [ranking_metrics(weights[:, part], labels[part], scores[part])["auroc"] for part in parts]
    return np.stack(found, axis=1)


def called_by_grade(frame: pd.DataFrame, known: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How many test images of each worst true grade an arm calls positive: arm, grade, estimate, low, high (shares).

    Each seed calls at its own threshold. `n_images` have the grade, `labelled` is the share of them whose label says
    stenosis.
    """
    tables = []
    for arm, images, calls in _arms(called(frame), "called"):
        of_grade = pd.get_dummies(known.loc[images.index, "grade"], dtype=float)  # (n, grades)
        size, labelled = of_grade.sum().to_numpy(), of_grade.mul(images["label"], axis=0).sum().to_numpy()
        facts = {"arm": arm, "grade": of_grade.columns, "n_images": size.astype(int), "labelled": labelled / size}
        measure = partial(_shares, of_grade.to_numpy())
        tables.append(_estimates(images, calls, measure, resamples, seed).clip(0, 1).assign(**facts))
    return pd.concat(tables, ignore_index=True)[["arm", "grade", *INTERVAL, "n_images", "labelled"]]


def _shares(members: np.ndarray, weights: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The share that is positive (n,) of each group of images (`members`: n, groups), under each row of weights."""
    return weights @ (members * positive[:, None]) / np.maximum(weights @ members, 1)


def pointed(
    attention: pd.DataFrame,
    openings: pd.DataFrame,
    signs: pd.DataFrame,
    patients: pd.Series,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, float]:
    """How often the most attended crop is that of the narrowest foramen: estimate, low, high, n_images.

    `attention` (image_id, seed, head_1 ... head_k), `openings` (mm) and `signs` (how strong), a column a foramen, k of
    them, by image_id, and `patients` (by image_id) of the images that are asked about. Beside it, how often two rules
    that see no foramen point there: `commonest`, always the one that is narrowest most often, and `most_signs`, the one
    with the strongest signs; `over_signs`, `over_signs_low` and `over_signs_high` are the difference from the latter.
    """
    heads = [name for name in attention if name.startswith("head_")]
    images = pd.DataFrame({"patient_id": patients.loc[openings.index], "label": 0})
    narrowest = openings.to_numpy().argmin(axis=1)
    chosen = attention.assign(chosen=attention[heads].to_numpy().argmax(axis=1))
    by_seed = chosen.pivot(index="image_id", columns="seed", values="chosen").loc[images.index]
    hits = by_seed.eq(narrowest, axis=0).to_numpy(float).T  # (k, n)
    by_signs = (signs.loc[images.index].to_numpy().argmax(axis=1) == narrowest).astype(float)

    everything = partial(_shares, np.ones((len(images), 1)))
    found, over = (
        _estimates(images, values, everything, resamples, seed).iloc[0] for values in (hits, hits - by_signs)
    )
    rules = {"commonest": np.bincount(narrowest).max() / len(images), "most_signs": by_signs.mean()}
    rules |= {"over_signs": over["estimate"], "over_signs_low": over["low"], "over_signs_high": over["high"]}
    return {**found.clip(0, 1).to_dict(), **rules, "n_images": len(images)}


def _arms(test: pd.DataFrame, value: str) -> Iterator[tuple[str, pd.DataFrame, np.ndarray]]:
    """Each arm, its images (label and patient_id, by image_id) and a column's values for each seed (k, n)."""
    for arm, some in test.groupby("arm", sort=False):
        images = some.drop_duplicates("image_id").set_index("image_id")
        yield str(arm), images, some.pivot(index="seed", columns="image_id", values=value)[images.index].to_numpy(float)


def _estimates(images: pd.DataFrame, by_seed: np.ndarray, measure: Measure, resamples: int, seed: int) -> pd.DataFrame:
    """What `measure` finds, a row for each of its m values: estimate (mean over the seeds), low, high.

    `by_seed` (k, n) holds what each seed says of the images.
    """
    strata, patient = patient_strata(images["patient_id"].to_numpy(), images["label"].to_numpy())
    weights = patient_weights(strata, resamples, np.random.default_rng(seed))[:, patient].astype(float)
    points = np.stack([measure(np.ones((1, len(images))), values)[0] for values in by_seed])  # (k, m)
    draws = np.stack([measure(weights, values) for values in by_seed])  # (k, r, m)
    freedom = len(strata) - len(np.unique(strata))
    rows = [
        (points[:, i].mean(), *percentile_interval(points[:, i], draws[:, :, i], freedom, freedom / len(strata)))
        if np.isfinite(points[:, i]).all()
        else (np.nan, np.nan, np.nan)
        for i in range(points.shape[1])
    ]
    return pd.DataFrame(rows, columns=INTERVAL)
