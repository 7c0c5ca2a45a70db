"""What is known of a radiograph without looking at it, and how well it tells the label (notebooks 01 and 06)."""

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict


def design(rows: pd.DataFrame) -> pd.DataFrame:
    """What is known of each image but its pixels, as numbers: site, side, view and sex as 0 or 1, age in decades."""
    facts = pd.get_dummies(rows[["site", "side", "view", "sex"]], dtype=float)
    return facts.assign(age=rows["age"].fillna(rows["age"].mean()).fillna(0) / 10)


def baseline(rows: pd.DataFrame) -> pd.Series | None:
    """The metadata-only baseline: scores (0-1, by image_id) from site, side, view, sex and age, without any image.

    A logistic regression of the label on them, fitted to the training images, for all images. None where nothing is
    known of the patients that differs between them.
    """
    known = design(rows)
    known = known.loc[:, known.nunique() > 1]
    return None if known.empty else fitted(rows, known)


def fitted(rows: pd.DataFrame, known: pd.DataFrame) -> pd.Series:
    """Scores (0-1, by image_id) of a logistic regression of the label on facts `known` (a row an image, in order).

    It is fitted to the training images and gives scores for all.
    """
    training = (rows["split"] == "train").to_numpy()
    model = LogisticRegression(max_iter=1000).fit(known[training], rows["label"][training])
    return pd.Series(model.predict_proba(known)[:, 1], index=rows["image_id"])


def cross_validated_auroc(known: pd.DataFrame, labels: pd.Series, patients: pd.Series) -> float:
    """AUROC of a logistic regression of the labels on a `design`, in five folds that keep patients together."""
    model, folds = LogisticRegression(), GroupKFold(5)
    scores = cross_val_predict(model, known, labels, groups=patients, cv=folds, method="decision_function")
    return float(roc_auc_score(labels, scores))
