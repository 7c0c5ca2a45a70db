"""The most confident errors: chosen by rule, with what the truth says about them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from foramen.cohort.step import Cohort
from foramen.evaluation import confident_errors

LEVELS = ["C4/5", "C5/6"]  # that the label is about


@pytest.fixture
def films(tmp_path) -> Cohort:
    n = 40
    rows = pd.DataFrame(
        {
            "image_id": [f"i{k:02d}" for k in range(n)],
            "patient_id": [f"p{k:02d}" for k in range(n)],
            "label": [0, 1] * (n // 2),
            "side": ["L", "L", "R", "R"] * (n // 4),
            "sex": "F",
            "age": np.linspace(30, 69, n),
        }
    )
    truth = pd.DataFrame(
        {
            "image_id": rows["image_id"],
            "grade_C4_5": rows["label"],
            "grade_C5_6": 2 * rows["label"],
            "grade_C7_T1": 3,  # not what the label is about
            "label_before_noise": rows["label"],
            "label_visible": rows["label"],
            "rotation": 50.0,
            "tilt": -3.0,
        }
    )
    truth.loc[0, "label_before_noise"] = 1  # image 0: the reader overlooked a stenosis
    truth.loc[0, ["grade_C5_6", "label_visible"]] = [2, 1]
    truth.loc[1, "label_visible"] = 0  # image 1: a stenosis that cannot be seen
    return Cohort(
        manifest=rows,
        included=rows,
        boxes=np.zeros((n, 4)),
        truth=truth,
        poses=None,
        regions=None,
        acquisition=pd.DataFrame(),
        audit={},
        folder=tmp_path,
    )


@pytest.fixture
def frame(films) -> pd.DataFrame:
    """Two seeds; images 0 to 5 are wrong, the surer the lower their number."""
    tables = []
    for seed in (1, 2):
        rows = films.included[["image_id", "patient_id", "label"]].copy()
        score = np.where(rows["label"] == 1, 0.8, 0.2)
        score[:6] = (
            np.where(rows["label"][:6] == 1, 0.01, 0.99) + np.where(rows["label"][:6] == 1, 1, -1) * np.arange(6) * 0.05
        )
        tables.append(rows.assign(split="test", arm="basic", seed=seed, score=score))
    return pd.concat(tables, ignore_index=True)


def test_surest_first_and_half_of_each_kind(frame):
    rows = confident_errors.confident(frame, "basic", 4)
    assert rows["image_id"].to_list() == ["i01", "i03", "i00", "i02"]
    assert rows["label"].to_list() == [1, 1, 0, 0]
    assert rows["score"].to_list() == pytest.approx([0.06, 0.16, 0.99, 0.89])


def test_only_errors_of_the_test_set_that_may_be_shown(frame):
    assert len(confident_errors.confident(frame, "basic", 100)) == 6
    assert "i00" not in confident_errors.confident(frame, "basic", 100, without=("i00",))["image_id"].to_list()
    assert not len(confident_errors.confident(frame.assign(split="val"), "basic", 4))


def test_truth_is_told(frame, films):
    notes = confident_errors.with_truth(
        confident_errors.confident(frame, "basic", 4), films.included, films.truth, LEVELS
    )
    notes = notes.set_index("image_id")["note"]
    assert notes["i01"] == "L, 31 years, grade 2 at C5/6, not visible"
    assert notes["i00"] == "L, 30 years, grade 2 at C5/6, reader's error"
    assert notes["i02"] == "R, 32 years, no narrowing"


def test_what_errors_have_in_common(frame, films):
    table = confident_errors.in_common(
        confident_errors.confident(frame, "basic", 100), films.included, films.truth, LEVELS, 50.0
    )
    table = table.set_index("fact")
    assert table.loc["age (years)", "errors"] == pytest.approx(32.5)
    assert table.loc["age (years)", "test_set"] == pytest.approx(49.5)
    assert table.loc["reader's error in the label (share)", "errors"] == pytest.approx(1 / 6)
    assert table.loc["reader's error in the label (share)", "test_set"] == pytest.approx(1 / 40)
    assert table.loc["right side (share)", "errors"] == pytest.approx(2 / 6)
    assert table.loc["rotation off the nominal (degrees, size)", "test_set"] == 0


def test_what_a_manifest_does_not_say_is_not_said(frame, films):
    rows = films.included.assign(side="", age=np.nan)
    bare = dataclasses.replace(films, included=rows, truth=None)
    notes = confident_errors.with_truth(
        confident_errors.confident(frame, "basic", 4), bare.included, bare.truth, LEVELS
    )["note"]
    assert notes.tolist() == [""] * len(notes)
