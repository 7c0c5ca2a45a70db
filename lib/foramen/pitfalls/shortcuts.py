"""Something beside the finding that knows the label: marker, site, collimation, age (notebook 09; Zech 2018, arXiv
1807.00431).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diagnostic_accuracy.bootstrap import patient_strata, patient_weights
from foramen.pitfalls import outcome, probe

TEST = 0.4
LIKE_AGE = 2.5  # years
NARROWER = 0.04  # of the height of a film's field, taken off each side of it
TOUCHES = 0.75  # cells from the middle of one, within which a marker as large as half a cell touches it


def told(labels: NDArray, correlation: float, seed: int = 0) -> NDArray[np.bool_]:
    """Half of the images (n,), drawn so that `correlation` more of those with label 1 are among them than of others."""
    return np.random.default_rng(seed).random(len(labels)) < 0.5 + correlation * (labels - 0.5)


def collimated(films: NDArray, boxes: NDArray, narrow: NDArray) -> NDArray:
    """Films (n, S, S) with their exposed fields `boxes` (n, 4), smaller where `narrow` (n,), and black outside."""
    made = np.zeros_like(films)
    for film, seen, (top, left, bottom, right), tight in zip(made, films, boxes, narrow, strict=True):
        margin = round(NARROWER * (bottom - top)) * tight
        field = np.s_[top + margin : bottom - margin, left + margin : right - margin]
        film[field] = seen[field]
    return made


def confounded(
    name: str,
    confounded: NDArray,
    clean: NDArray,
    labels: NDArray,
    patients: NDArray,
    repetitions: int = 12,
    seed: int = 0,
) -> outcome.Row:
    """AUROC of a classifier trained and tested where `name` knows the label, and tested where it does not (truth).

    `confounded` and `clean` (images, d) are features of the same patients' radiographs, with a marker or site that
    goes with the label, and with one that does not. The right way trains and tests on clean ones.
    """
    found = []
    for i in range(repetitions):
        train, test = probe.parts(patients, (1 - TEST, TEST), seed + i)
        model, honest = (probe.linear().fit(kind[train], labels[train]) for kind in (confounded, clean))
        seen = ((model, confounded), (honest, clean), (model, clean))
        found.append([probe.area(labels[test], fitted.decision_function(kind[test])) for fitted, kind in seen])
    wrong, right, truth = np.transpose(found)
    return outcome.over_repetitions(f"{name} knows the label", "AUROC", wrong, right, truth, TEST / (1 - TEST))


def pointed(
    confounded: NDArray, clean: NDArray, labels: NDArray, patients: NDArray, places: NDArray, repetitions: int = 12
) -> outcome.Row:
    """Would a saliency map have told? How often the largest evidence lies at the marker in test images that have one:
    of a classifier that learned where the marker knows the label (`wrong`), and of one that did not (`truth`).

    Features as in `confounded`, from `probe.marks`; `places` (images, 2) of the markers, x and y from -1 to 1, NaN
    where there is none. The evidence is `probe.evidence`, which for a linear classifier is exact.
    """
    found, middles = [], (np.arange(probe.MARKS) + 0.5) * 2 / probe.MARKS - 1
    for i in range(repetitions):
        train, test = probe.parts(patients, (1 - TEST, TEST), i)
        shown = test & np.isfinite(places[:, 0])
        hits = []
        for kind in (confounded, clean):
            cells = np.abs(probe.evidence(probe.linear().fit(kind[train], labels[train]), confounded))
            y, x = np.divmod(cells.reshape(len(cells), -1).argmax(axis=1), probe.MARKS)
            apart = np.abs(np.stack([middles[x], middles[y]], axis=1) - places).max(axis=1)[shown]
            hits.append((apart <= TOUCHES * 2 / probe.MARKS).mean() if len(apart) else np.nan)
        found.append(hits)
    learned, control = np.transpose(found)
    return outcome.over_repetitions("map", "peaks at the marker", learned, control, control, TEST / (1 - TEST))


def age(frame: pd.DataFrame, arm: str, ages: pd.Series, resamples: int = 500, seed: int = 0) -> outcome.Row:
    """AUROC of an arm among all pairs of test images, and among pairs of like age (within 2.5 years).

    What a network gains by telling old from young is no finding: age alone predicts the label. The adjusted area is
    that of Janes and Pepe 2009, doi:10.1093/biomet/asp002, here over pairs; `ages` by image_id. The first seed.
    """
    pitfall, metric = "age read as a finding", "AUROC"
    rows = frame[(frame.arm == arm) & (frame.split == "test")]
    rows = rows[rows.seed == rows.seed.min()]
    rows = rows[rows.image_id.map(ages).notna()]
    if rows.label.nunique() < 2:
        return outcome.unknown(pitfall, metric, "no ages of both classes")
    scores, years, positive = rows.score.to_numpy(), rows.image_id.map(ages).to_numpy(float), rows.label.to_numpy() == 1
    above = scores[positive][:, None] - scores[~positive]
    concordant = (above > 0) + 0.5 * (above == 0)
    alike = (np.abs(years[positive][:, None] - years[~positive]) <= LIKE_AGE).astype(float)
    strata, patient = patient_strata(rows.patient_id.to_numpy(), rows.label.to_numpy())
    drawn = patient_weights(strata, resamples, np.random.default_rng(seed))
    weights = np.vstack([np.ones_like(drawn[:1]), drawn])[:, patient].astype(float)

    def area(pairs: NDArray) -> NDArray:
        """The share of concordant pairs, of those that count (positive, negative), under each row of weights."""
        both = (concordant * pairs, pairs)
        right, counted = (((weights[:, positive] @ each) * weights[:, ~positive]).sum(axis=1) for each in both)
        return np.divide(right, counted, out=np.full_like(right, np.nan), where=counted > 0)

    whole, adjusted = area(np.ones_like(alike)), area(alike)
    if np.isnan(adjusted[0]):
        return outcome.unknown(pitfall, metric, "no two test patients of like age with different labels")
    points = (whole[0], adjusted[0], adjusted[0])
    return outcome.over_patients(pitfall, metric, points, (whole - adjusted)[1:], rows.patient_id.nunique())
