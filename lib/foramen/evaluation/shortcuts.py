"""What a score follows: the narrowed foramina, or signs beside them that go with narrowing (notebook 08).

Only a synthetic cohort knows. `signs`: disc loss and osteophytes of the levels that the label is about, weighted as
they predict the label (a synthetic patient's two go together); `narrowness`: how small the narrowest of their foramina
is on the film; and age. A network that takes a shortcut (Geirhos et al. 2020) follows the signs. Two `readers` give the
scale: a guess from signs and age, which sees no foramen, and one who errs by the labels' noise alone. The statistics
are those of `diagnostic_accuracy.follows`.
"""

from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import zscore
from sklearn.linear_model import LogisticRegression

from diagnostic_accuracy import follows
from foramen.evaluation.where_points_go import CEILING, SIGNS
from labelled_radiographs import metadata

FACTS = ["signs", "narrowness", "age"]
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


def with_readers(frame: pd.DataFrame, rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Predictions and, as two more arms of seed 0, those of a guess from signs and age (`SIGNS`) and of a reader who
    knows each image's chance of being called narrowed (`CEILING`). `rows` is the cohort's table."""
    images = frame.drop_duplicates("image_id").assign(seed=0)
    scores = {SIGNS: metadata.fitted(rows, known[["signs", "age"]]), CEILING: known["chance"]}
    readers = [images.assign(arm=arm, score=images["image_id"].map(by)) for arm, by in scores.items()]
    return pd.concat([frame, *readers], ignore_index=True)


def within_fifths(frame: pd.DataFrame, known: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """AUROC of each arm among test images that show the signs alike (`follows.within`): arm, fifth (1: fewest signs),
    n_images, estimate, low, high. A fifth holds some spread of signs, so the guess from them is the floor.
    """
    signs = known.loc[frame.loc[frame["split"] == "test", "image_id"].unique(), "signs"]
    fifths = pd.qcut(signs.rank(method="first"), FIFTHS, labels=range(1, FIFTHS + 1)).astype(int)
    return follows.within(frame, fifths.rename("fifth"), resamples, seed)


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

    everything = partial(follows.shares, np.ones((len(images), 1)))
    found, over = (
        follows.estimated(images, values, everything, resamples, seed).iloc[0] for values in (hits, hits - by_signs)
    )
    rules = {"commonest": np.bincount(narrowest).max() / len(images), "most_signs": by_signs.mean()}
    rules |= {"over_signs": over["estimate"], "over_signs_low": over["low"], "over_signs_high": over["high"]}
    return {**found.clip(0, 1).to_dict(), **rules, "n_images": len(images)}
