"""What a score follows: the narrowed foramina, or signs beside them that go with narrowing (notebook 08).

Only a synthetic cohort knows. `signs`: disc loss and osteophytes of the levels that the label is about, weighted as
they predict the label; `narrowness`: how small the narrowest of their foramina is on the film; and age. A network that
reads the foramen follows narrowness, tells radiographs apart that show the signs alike, and calls positive the more the
worse the grade; one that takes a shortcut (Geirhos et al. 2020) follows the signs.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import zscore
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from diagnostic_accuracy import called
from diagnostic_accuracy.bootstrap import image_weights
from foramen.evaluation.where_points_go import CEILING
from labelled_radiographs import metadata

FACTS = ("signs", "narrowness", "age")
FIFTHS = 5


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

    Signs and age see no foramen; narrowness alone is the film ceiling, what a measurement without noise reaches.
    """
    return metadata.fitted(rows, known[list(names)])


def followed(frame: pd.DataFrame, known: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """What each arm's test scores follow: arm, fact, estimate, low, high.

    Standardised coefficients of a linear regression of the scores on the facts. Means over the seeds, with the middle
    95 % over resampled patients; all are standardised over the test images. The last rows, `CEILING`, are those of a
    reader who knows each image's chance of being called narrowed: nobody has to follow the foramen more than that.
    """
    test, tables = frame[frame["split"] == "test"], []
    images = test.drop_duplicates("image_id")
    perfect = images.assign(arm=CEILING, seed=0, score=images["image_id"].map(known["chance"]))
    for arm, some in pd.concat([test, perfect]).groupby("arm", sort=False):
        images = some.drop_duplicates("image_id").set_index("image_id")
        by_seed = some.pivot(index="image_id", columns="seed", values="score").loc[images.index]
        scores = by_seed.apply(zscore).mean(axis=1)
        design = np.column_stack([np.ones(len(images)), known.loc[images.index, list(FACTS)].apply(zscore)])  # (n, 4)
        weights = image_weights(images["patient_id"].to_numpy(), images["label"].to_numpy(), resamples, seed)
        estimate = _least_squares(np.ones((1, len(images))), design, scores)[0, 1:]
        draws = _least_squares(weights.astype(float), design, scores)[:, 1:]
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        tables.append(pd.DataFrame({"arm": arm, "fact": FACTS, "estimate": estimate, "low": low, "high": high}))
    return pd.concat(tables, ignore_index=True)


def _least_squares(weights: np.ndarray, design: np.ndarray, values: pd.Series) -> np.ndarray:
    """Coefficients (r, k) of `values` (n,) on `design` (n, k) under each row of weights (r, n)."""
    squares = np.einsum("rn,ni,nj->rij", weights, design, design, optimize=True)
    products = weights @ (design * values.to_numpy()[:, None])
    return np.linalg.solve(squares, products[..., None])[..., 0]


def within_fifths(frame: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """AUROC of each arm among test images that show the signs alike: arm, fifth (1: fewest signs), n_images, auroc.

    Means over the seeds; NaN in a fifth with one class.
    """
    test = frame[frame["split"] == "test"]
    images = test["image_id"].unique()
    fifths = pd.qcut(known.loc[images, "signs"].rank(method="first"), FIFTHS, labels=range(1, FIFTHS + 1))
    grouped = test.assign(fifth=test["image_id"].map(fifths).astype(int)).groupby(["arm", "fifth", "seed"])
    areas = grouped.apply(_area, include_groups=False).groupby(["arm", "fifth"]).mean().loc[test["arm"].unique()]
    counts = fifths.value_counts()
    table = areas.rename("auroc").reset_index()
    return table.assign(n_images=table["fifth"].map(counts).astype(int))[["arm", "fifth", "n_images", "auroc"]]


def _area(some: pd.DataFrame) -> float:
    return float(roc_auc_score(some["label"], some["score"])) if some["label"].nunique() > 1 else np.nan


def called_by_grade(frame: pd.DataFrame, known: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How many test images of each worst true grade an arm calls positive: arm, grade, estimate, low, high (shares).

    Means over the seeds, each at its own threshold, with the middle 95 % over resampled patients. `n_images` have the
    grade, `labelled` is the share of them whose label says stenosis.
    """
    tables = []
    for arm, some in called(frame).groupby("arm", sort=False):
        images = some.drop_duplicates("image_id").set_index("image_id")
        of_grade = pd.get_dummies(known.loc[images.index, "grade"], dtype=float)  # (n, grades)
        positive = of_grade.mul(some.groupby("image_id")["called"].mean().loc[images.index], axis=0)
        weights = image_weights(images["patient_id"].to_numpy(), images["label"].to_numpy(), resamples, seed)
        draws = (weights @ positive.to_numpy()) / np.maximum(weights @ of_grade.to_numpy(), 1)
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        n_images = of_grade.sum()
        columns = {"estimate": positive.sum() / n_images, "low": low, "high": high, "n_images": n_images.astype(int)}
        table = pd.DataFrame({**columns, "labelled": of_grade.mul(images["label"], axis=0).sum() / n_images})
        tables.append(table.rename_axis("grade").reset_index().assign(arm=arm))
    return pd.concat(tables, ignore_index=True)[["arm", "grade", *columns, "labelled"]]


def pointed(
    attention: pd.DataFrame, openings: pd.DataFrame, patients: pd.Series, resamples: int = 2000, seed: int = 0
) -> dict[str, float]:
    """How often the most attended crop is that of the narrowest foramen: estimate, low, high, chance, n_images.

    `attention` (image_id, seed, head_1 ... head_k), `openings` (mm; a column a foramen, k of them, by image_id) and
    `patients` (by image_id) of the images that are asked about. Means over the seeds, middle 95 % over patients.
    """
    heads = [name for name in attention if name.startswith("head_")]
    chosen = attention[heads].to_numpy().argmax(axis=1)
    hit = chosen == openings.loc[attention["image_id"]].to_numpy().argmin(axis=1)
    share = pd.Series(hit.astype(float)).groupby(attention["image_id"].to_numpy()).mean()
    weights = image_weights(patients.loc[share.index].to_numpy(), np.zeros(len(share)), resamples, seed)
    low, high = np.quantile(weights @ share.to_numpy() / weights.sum(axis=1), [0.025, 0.975])
    return {"estimate": share.mean(), "low": low, "high": high, "chance": 1 / len(heads), "n_images": len(share)}
