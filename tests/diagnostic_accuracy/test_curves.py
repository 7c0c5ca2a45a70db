"""Curves against scikit-learn, and what their bands cover."""

import numpy as np
import pandas as pd
import pytest
from dcurves import dca
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, average_precision_score, confusion_matrix, roc_auc_score

from diagnostic_accuracy import curves, operating_point


def frame_of(labels, scores, patients=None, arm="basic", seed=1) -> pd.DataFrame:
    n = len(labels)
    patients = np.arange(n) if patients is None else patients
    return pd.DataFrame(
        {
            "image_id": [f"i{k:04d}" for k in range(n)],
            "patient_id": [f"p{k}" for k in patients],
            "split": "test",
            "arm": arm,
            "seed": seed,
            "label": labels,
            "score": scores,
        }
    )


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    scores = np.round(1 / (1 + np.exp(-(labels * 1.5 - 0.7 + rng.normal(size=400)))), 2)  # with ties
    return labels, scores


def test_roc_encloses_the_area_of_scikit_learn(data):
    curve = curves.roc(frame_of(*data), 20)
    assert auc(curve["x"], curve["y"]) == pytest.approx(roc_auc_score(*data), abs=0.003)
    assert (curve["low"] <= curve["y"] + 1e-9).mean() > 0.95 and (curve["y"] <= curve["high"] + 1e-9).mean() > 0.95


def test_precision_recall_has_the_average_precision_of_scikit_learn(data):
    curve = curves.precision_recall(frame_of(*data), 20)
    assert curve["y"].mean() == pytest.approx(average_precision_score(*data), abs=0.01)


def test_decision_curve_agrees_with_dcurves(data):
    labels, scores = data
    # dcurves calls positive above the threshold, we at it: take thresholds between the scores
    between = scores + 0.001
    ours = curves.decision(frame_of(labels, between), 20)
    theirs = dca(pd.DataFrame({"y": labels, "model": between}), "y", ["model"], thresholds=ours["threshold"].to_numpy())
    theirs = theirs[theirs["model"] == "model"]
    assert ours["net_benefit"].to_numpy() == pytest.approx(theirs["net_benefit"].to_numpy(), abs=1e-9)


def test_reliability_agrees_with_scikit_learn():
    rng = np.random.default_rng(1)
    scores = rng.random(800)
    labels = (rng.random(800) < scores).astype(int)
    ours = curves.reliability(frame_of(labels, scores), bins=8, resamples=50)
    observed, predicted = calibration_curve(labels, scores, n_bins=8, strategy="quantile")
    assert ours["observed"].to_numpy() == pytest.approx(observed, abs=0.02)
    assert ours["predicted"].to_numpy() == pytest.approx(predicted, abs=0.01)
    assert ours["count"].sum() == 800


def test_confusion_uses_each_seeds_own_validation_threshold(data):
    labels, scores = data
    runs = []
    for seed, shift in ((1, 0.0), (2, 0.1)):
        run = frame_of(labels, np.clip(scores + shift, 0, 1), seed=seed)
        run.loc[:99, "split"] = "val"
        runs.append(run)
    frame = pd.concat(runs, ignore_index=True)
    limits = operating_point.thresholds(frame).set_index("seed")["threshold"]
    expected = np.mean(
        [
            confusion_matrix(run["label"][100:], run["score"][100:] >= limits[seed]).ravel()
            for seed, run in zip((1, 2), runs, strict=True)
        ],
        axis=0,
    )
    row = curves.confusion(frame).iloc[0]
    assert row[["tn", "fp", "fn", "tp"]].to_list() == pytest.approx(expected)


def test_bands_are_wider_where_images_of_a_patient_are_alike(data):
    labels, scores = (np.repeat(part[:100], 4) for part in data)
    alike = curves.roc(frame_of(labels, scores, np.repeat(np.arange(100), 4)), 300)
    apart = curves.roc(frame_of(labels, scores), 300)
    assert (alike["high"] - alike["low"]).mean() > 1.6 * (apart["high"] - apart["low"]).mean()


def test_seeds_range_holds_the_mean(data):
    labels, scores = data
    rng = np.random.default_rng(3)
    other = np.clip(scores + rng.normal(0, 0.2, len(scores)), 0, 1)
    frame = pd.concat([frame_of(labels, scores, seed=1), frame_of(labels, other, seed=2)])
    curve = curves.roc(frame, 20)
    assert (curve["seeds_low"] <= curve["y"]).all() and (curve["y"] <= curve["seeds_high"]).all()
    assert (curve["seeds_low"] < curve["seeds_high"]).any()


def test_order_of_rows_does_not_matter(data):
    frame = frame_of(*data)
    shuffled = frame.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(curves.roc(frame, 30), curves.roc(shuffled, 30))


@pytest.mark.parametrize("labels", [np.zeros(20, int), np.ones(20, int)])
def test_one_class_gives_curves_without_values_and_no_crash(labels):
    frame = frame_of(labels, np.linspace(0, 1, 20))
    assert curves.roc(frame, 10)["y"].isna().all()
    assert len(curves.precision_recall(frame, 10)) == len(curves.GRID) - 1
    assert curves.decision(frame, 10)["net_benefit"].notna().all()


def test_equal_scores_give_the_diagonal():
    curve = curves.roc(frame_of(np.tile([0, 1], 20), np.full(40, 0.4)), 10)
    assert curve["y"].to_numpy() == pytest.approx(curve["x"].to_numpy())
    assert len(curves.reliability(frame_of(np.tile([0, 1], 20), np.full(40, 0.4)), resamples=10)) == 1
