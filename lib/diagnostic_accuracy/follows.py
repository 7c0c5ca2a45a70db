"""What a score follows: facts of the images that are known beside the label, such as a sign that goes with it.

A classifier can be right for another reason than it should be (Geirhos et al. 2020, Shortcut learning in deep neural
networks). Facts by image_id tell: which of them a score follows, what it tells among images that share one, and which
images it calls positive. Estimates are means over the seeds of the test images of a predictions table; their intervals
count patients and seeds (`intervals`). A fact or group that is not known of every test image raises ValueError.

    from diagnostic_accuracy import follows

    follows.followed(predictions, facts)  # facts: numbers, a column each, by image_id
    follows.within(predictions, facts["site"])  # AUROC within each group of images
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import zscore

from diagnostic_accuracy import table
from diagnostic_accuracy.bootstrap import patient_strata, patient_weights
from diagnostic_accuracy.intervals import percentile_interval
from diagnostic_accuracy.metrics import ranking_metrics
from diagnostic_accuracy.operating_point import called

INTERVAL = ["estimate", "low", "high"]
Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of weights (r, n) and values (n,): (r, m)


def followed(frame: pd.DataFrame, facts: pd.DataFrame, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """What each arm's scores follow: arm, fact, estimate, low, high.

    Standardised coefficients of one linear regression of the scores on all `facts` (numbers, by image_id) that differ
    between images; NaN for one that does not.
    """
    tables, test = [], _known(frame, facts)
    for arm, images, scores in _by_arm(test, "score"):
        known = facts.loc[images.index]
        varying = {fact: zscore(values) for fact, values in known.items() if values.nunique() > 1}
        design = np.column_stack([np.ones(len(images)), pd.DataFrame(varying, images.index)])  # (n, varying facts + 1)
        found = estimated(images, zscore(scores, axis=1), partial(_least_squares, design), resamples, seed)
        found = found.iloc[1:].set_axis(list(varying)).reindex(list(facts))  # without the constant
        tables.append(found.rename_axis("fact").reset_index().assign(arm=arm))
    return pd.concat(tables, ignore_index=True)[["arm", "fact", *INTERVAL]]


def leaning(coefficients: pd.DataFrame, arm: str, fact: str, other: str) -> str:
    """Does an arm follow one fact more? `more than`, `less than` or, where intervals meet, `about as much as`; `to a
    degree not estimable against` where one has no interval.

    `coefficients` are those of `followed`.
    """
    of = coefficients[coefficients["arm"] == arm].set_index("fact")
    if of.loc[[fact, other], INTERVAL].isna().any(axis=None):
        return "to a degree not estimable against"
    if of.loc[fact, "low"] > of.loc[other, "high"]:
        return "more than"
    return "less than" if of.loc[fact, "high"] < of.loc[other, "low"] else "about as much as"


def _least_squares(design: np.ndarray, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients (r, k) of `values` (n,) on `design` (n, k) under each row of weights (r, n)."""
    squares = np.einsum("rn,ni,nj->rij", weights, design, design, optimize=True)
    products = weights @ (design * values[:, None])
    return np.linalg.solve(squares, products[..., None])[..., 0]


def within(frame: pd.DataFrame, group: pd.Series, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """AUROC of each arm within each group of images: arm, the group, n_images, estimate, low, high.

    `group` is by image_id; its column is named as it is. NaN in a group with one class.
    """
    tables, test = [], _known(frame, group.to_frame())
    for arm, images, scores in _by_arm(test, "score"):
        members = pd.get_dummies(group.loc[images.index], dtype=bool)
        measure = partial(_areas, images["label"].to_numpy(), members.to_numpy().T)
        facts = {"arm": arm, str(group.name): members.columns, "n_images": members.sum().to_numpy()}
        tables.append(estimated(images, scores, measure, resamples, seed).clip(0, 1).assign(**facts))
    return pd.concat(tables, ignore_index=True)[["arm", str(group.name), "n_images", *INTERVAL]]


def _areas(labels: np.ndarray, parts: np.ndarray, weights: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """AUROC (r, parts) in each part (parts, n) of the images, under each row of weights (r, n)."""
    found = [ranking_metrics(weights[:, part], labels[part], scores[part])["auroc"] for part in parts]
    return np.stack(found, axis=1)


def called_by(frame: pd.DataFrame, group: pd.Series, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How many images of each group an arm calls positive: arm, the group, estimate, low, high (shares).

    Each seed calls at its own threshold. `n_images` are in the group, `labelled` is the share of them whose label is 1.
    """
    tables = []
    _known(frame, group.to_frame())
    for arm, images, calls in _by_arm(called(frame), "called"):
        members = pd.get_dummies(group.loc[images.index], dtype=float)  # (n, groups)
        size, labelled = members.sum().to_numpy(), members.mul(images["label"], axis=0).sum().to_numpy()
        facts = {
            "arm": arm,
            str(group.name): members.columns,
            "n_images": size.astype(int),
            "labelled": labelled / size,
        }
        measure = partial(shares, members.to_numpy())
        tables.append(estimated(images, calls, measure, resamples, seed).clip(0, 1).assign(**facts))
    return pd.concat(tables, ignore_index=True)[["arm", str(group.name), *INTERVAL, "n_images", "labelled"]]


def shares(members: np.ndarray, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of `values` (n,) in each group of images (`members`: n, groups), under each row of weights (r, n)."""
    return weights @ (members * values[:, None]) / np.maximum(weights @ members, 1)


def estimated(
    images: pd.DataFrame, by_seed: np.ndarray, measure: Measure, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """What any `measure` finds, a row for each of its m values: estimate (mean over the seeds), low, high.

    `images` has patient_id and label, `by_seed` (k, n) what each seed says of them. Without two patients of a stratum
    there is no interval.
    """
    strata, patient = patient_strata(images["patient_id"].to_numpy(), images["label"].to_numpy())
    weights = patient_weights(strata, resamples, np.random.default_rng(seed))[:, patient].astype(float)
    points = np.stack([measure(np.ones((1, len(images))), values)[0] for values in by_seed])  # (k, m)
    draws = np.stack([measure(weights, values) for values in by_seed])  # (k, r, m)
    freedom, rows = len(strata) - len(np.unique(strata)), []
    for point, drawn in zip(points.T, draws.transpose(2, 0, 1), strict=True):
        ends = (np.nan, np.nan)
        if freedom > 0 and np.isfinite(point).all():
            ends = percentile_interval(point, drawn, freedom, freedom / len(strata))
        rows.append((point.mean(), *ends))
    return pd.DataFrame(rows, columns=INTERVAL)


def _known(frame: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """The rows of the test split; ValueError where the table cannot be evaluated or a fact of one is unknown."""
    table.check(frame)
    test = frame[frame["split"] == "test"]
    unknown = facts.reindex(test["image_id"].unique()).isna()
    if faults := [
        f"{fact}: unknown of {int(of.sum())} test images, first {of.idxmax()}"
        for fact, of in unknown.items()
        if of.any()
    ]:
        raise ValueError("\n".join(faults))
    return test


def _by_arm(test: pd.DataFrame, value: str) -> Iterator[tuple[str, pd.DataFrame, np.ndarray]]:
    """Each arm, its images (label and patient_id, by image_id) and a column's values for each seed (k, n)."""
    for arm, some in test.groupby("arm", sort=False):
        images = some.drop_duplicates("image_id").set_index("image_id")
        yield str(arm), images, some.pivot(index="seed", columns="image_id", values=value)[images.index].to_numpy(float)
