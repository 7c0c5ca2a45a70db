"""Thresholds come from validation rows, and test rows are called at that of their own run."""

import pandas as pd
import pytest

from diagnostic_accuracy import operating_point


@pytest.fixture
def frame() -> pd.DataFrame:
    columns = ["image_id", "patient_id", "split", "arm", "seed", "label", "score"]
    rows = [("i2", "p1", "val", 0, 0.2), ("i3", "p1", "val", 1, 0.7), ("i4", "p2", "test", 0, 0.1)]
    rows += [("i5", "p2", "test", 1, 0.9), ("i6", "p3", "test", 0, 0.4)]
    return pd.DataFrame([(*row[:3], "basic", 1, *row[3:]) for row in rows], columns=columns)


def test_external_table_without_validation_rows_has_threshold_one_half_and_says_so(frame):
    row = operating_point.thresholds(frame[frame.split == "test"]).iloc[0]
    assert row.threshold == 0.5
    assert "want of validation rows" in row.source


def test_threshold_comes_from_validation_rows_only(frame):
    before = operating_point.thresholds(frame)
    scores = frame.score.where(frame.split == "val", 1 - frame.score)
    pd.testing.assert_frame_equal(before, operating_point.thresholds(frame.assign(score=scores)))
    assert before.threshold[0] == pytest.approx(0.45)


def test_threshold_with_one_class_in_validation_says_so(frame):
    row = operating_point.thresholds(frame[(frame.split != "val") | (frame.label == 1)]).iloc[0]
    assert (row.threshold, "one class" in row.source) == (0.5, True)


def test_test_images_are_called_at_the_threshold_of_their_own_run(frame):
    twin = frame.assign(seed=2, score=frame.score / 2)
    found = operating_point.called(pd.concat([frame, twin]))
    assert set(found.split) == {"test"} and found.threshold.nunique() == 2
    assert (
        found.called.tolist() == (found.score >= found.threshold).astype(int).tolist() and found.called.nunique() == 2
    )
