"""Something beside the finding that knows the label: marker, site, age (notebook 09; Zech 2018, arXiv 1807.00431)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diagnostic_accuracy.bootstrap import patient_strata, patient_weights
from foramen.pitfalls import outcome, probe

TEST = 0.4
LIKE_AGE = 2.5  # years


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
