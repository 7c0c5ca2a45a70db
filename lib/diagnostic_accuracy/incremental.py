"""Incremental value: what an arm's score adds to what is known of a patient without an image (notebook 06)."""

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from diagnostic_accuracy.calibration import SCORE_MARGIN

ALONE = "metadata alone"


def joined(frame: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Predictions on the test images from `known` facts (numbers, by image_id) together with each arm's score.

    Two logistic regressions are fitted to the validation images: of the label on the facts (the arm `ALONE`, seed
    0), and, for each arm and seed, on the facts and the logit of the score (all standardised). Differences between
    these arms (`comparisons`) are the arms' incremental values. Their intervals take the regressions as given.
    Empty without validation images of both classes.
    """
    first = frame.drop_duplicates(["image_id", "split"]).assign(arm=ALONE, seed=0, score=0.5)
    tables = []
    for _, run in pd.concat([first, frame]).groupby(["arm", "seed"], sort=False):
        scores = np.clip(run.score.to_numpy(float), SCORE_MARGIN, 1 - SCORE_MARGIN)
        design = np.column_stack([known.loc[run.image_id], logit(scores)])
        val, test = (run.split == "val").to_numpy(), (run.split == "test").to_numpy()
        if run.label[val].nunique() == 2:
            model = make_pipeline(StandardScaler(), LogisticRegression()).fit(design[val], run.label[val])
            tables.append(run[test].assign(score=model.predict_proba(design[test])[:, 1]))
    return pd.concat(tables, ignore_index=True) if tables else frame.head(0)
