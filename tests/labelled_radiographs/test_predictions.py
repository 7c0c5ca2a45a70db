"""Predictions tables: what is read, what is refused, and where thresholds come from."""

import numpy as np
import pandas as pd
import pytest

from labelled_radiographs import predictions
from user_tables import InputError


@pytest.fixture
def manifest() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(8)],
            "patient_id": ["p0", "p0", "p1", "p1", "p2", "p2", "p3", "p3"],
            "label": [0, 1, 0, 1, 0, 1, 0, 1],
            "split": ["train", "train", "val", "val", "test", "test", "test", "test"],
            "excluded": [False] * 7 + [True],
        }
    )


@pytest.fixture
def frame(manifest: pd.DataFrame) -> pd.DataFrame:
    kept = manifest[(manifest.split != "train") & ~manifest.excluded]
    return kept.drop(columns="excluded").assign(arm="basic", seed=1, score=[0.2, 0.7, 0.1, 0.9, 0.4])[
        list(predictions.COLUMNS)
    ]


def faults(frame: pd.DataFrame, manifest: pd.DataFrame) -> list[str]:
    with pytest.raises(InputError) as raised:
        predictions.validate(frame, manifest)
    return raised.value.faults


def test_valid_table_passes(frame, manifest):
    predictions.validate(frame, manifest)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_read_gives_back_what_was_written(frame, manifest, tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    pd.testing.assert_frame_equal(predictions.read(path), frame.reset_index(drop=True))


def test_external_table_needs_neither_arm_nor_seed_and_keeps_leading_zeros(frame, tmp_path):
    path = tmp_path / "external.csv"
    frame.assign(image_id="007", patient_id="NA").drop(columns=["arm", "seed"]).head(1).to_csv(path, index=False)
    read = predictions.read(path, arm="radiologist")
    assert read.loc[0, ["image_id", "patient_id", "arm", "seed"]].tolist() == ["007", "NA", "radiologist", 0]


def test_one_arm_is_picked_from_a_table_of_several(frame, tmp_path):
    pd.concat([frame, frame.assign(arm="other")]).to_csv(tmp_path / "p.csv", index=False)
    table = predictions.read(tmp_path / "p.csv", "other")
    pd.testing.assert_frame_equal(predictions.of_arm(table, "basic", "p.csv"), frame.reset_index(drop=True))
    with pytest.raises(
        InputError, match=r"p.csv: no rows of arm 'basics'; the nearest is 'basic' \(arms: basic, other"
    ):
        predictions.of_arm(table, "basics", "p.csv")


def test_all_faults_are_reported_at_once(frame, manifest):
    bad = frame.copy()
    bad.loc[bad.image_id == "i4", "score"] = 1.5
    bad.loc[bad.image_id == "i5", "label"] = 0
    bad.loc[bad.image_id == "i2", "patient_id"] = "p9"
    bad = bad[bad.image_id != "i6"]
    extra = bad.iloc[[0, 0, 0]].assign(
        image_id=["i0", "i7", "i3"],
        split=["test", "test", "val"],
        label=[0, 1, 1],
        patient_id=["p0", "p3", "p1"],
        score=0.5,
    )
    found = faults(pd.concat([bad, extra]), manifest)
    expected = [
        "score outside 0 to 1: i4",
        "more than one row for image: i3",
        "excluded from it: i7",
        "image of the training split: i0",
        "label contradicts the manifest for image: i5",
        "patient_id contradicts the manifest for image: i2",
        "image of the test split is missing: i6",
    ]
    assert [any(text in fault for fault in found) for text in expected] == [True] * 7
    assert len(found) == 7
    assert all("arm 'basic', seed 1" in fault for fault in found)


def test_test_image_called_validation_contradicts_the_manifest(frame, manifest):
    assert "split contradicts" in faults(frame.assign(split="val"), manifest)[0]


def test_each_arm_and_seed_is_checked(frame, manifest):
    second = frame[frame.image_id != "i5"].assign(arm="other", seed=2)
    assert faults(pd.concat([frame, second]), manifest) == [
        "arm 'other', seed 2: image of the test split is missing: i5"
    ]


def test_many_faults_of_a_kind_are_counted(frame, manifest):
    many = pd.concat([frame.assign(image_id=frame.image_id + f"x{k}") for k in range(3)])
    assert any("and 10 more" in fault for fault in faults(many, manifest))


def test_empty_table_is_refused(frame, manifest):
    assert faults(frame.head(0), manifest) == ["the predictions table has no rows"]


def test_read_names_file_column_and_lines(frame, tmp_path):
    path = tmp_path / "bad.csv"
    bad = frame.astype(object).reset_index(drop=True)
    bad.loc[1, "score"] = "high"
    bad.loc[2, "label"] = 0.5
    bad.loc[3, "patient_id"] = ""
    bad.to_csv(path, index=False)
    with pytest.raises(InputError) as raised:
        predictions.read(path)
    assert raised.value.faults == [
        f"{path}: patient_id is empty: row 5 ('')",
        f"{path}: label is not a whole number: row 4 ('0.5')",
        f"{path}: score is not a number: row 3 ('high')",
    ]


HEADING = "image_id,patient_id,split,label,score\n"
ROW = "i4,p2,test,0,.25\n"
LEGIBLE = {
    "Excel's line that states the separator": b"sep=;\r\n" + (HEADING + ROW).replace(",", ";").encode(),
    "UTF-16": (HEADING + ROW).encode("utf-16"),
    "byte order mark, blank lines": ("\ufeff" + HEADING + "\n" + ROW + ",,,,\n").encode(),
    "tabs": (HEADING + ROW).replace(",", "\t").encode(),
}
ILLEGIBLE = {
    "holds a null character: row 2 ('i\\x004')": (HEADING + ROW.replace("i4", "i\0" + "4")).encode(),
    "score is not a number: row 2 ('.2\\x005')": (HEADING + ROW.replace(".25", ".2\0" + "5")).encode(),
    "delete what stands above the heading": ("Scores of system X\n" + HEADING + ROW).encode(),
    "line 2 is not UTF-8 text": (HEADING + ROW.replace("p2", "M\xfcller")).encode("latin-1"),
    "the heading names 5 columns, but row 3 holds 6 cells": (HEADING + ROW + "i5,p2,test,0,0,25\n").encode(),
    "duplicate column 'score'": (HEADING.replace("label", "label,score") + ROW.replace("0", "0,1")).encode(),
    "label is not a whole number: row 2 ('1e30')": (HEADING + ROW.replace("0", "1e30")).encode(),
}


@pytest.mark.parametrize("name", LEGIBLE)
def test_a_table_of_another_system_is_read_like_a_cohort(tmp_path, name):
    (tmp_path / "other.csv").write_bytes(LEGIBLE[name])
    assert predictions.read(tmp_path / "other.csv", "x").to_numpy().tolist() == [["i4", "p2", "test", "x", 0, 0, 0.25]]


@pytest.mark.parametrize("fault", ILLEGIBLE)
def test_a_table_of_another_system_that_cannot_be_read(tmp_path, fault):
    (tmp_path / "other.csv").write_bytes(ILLEGIBLE[fault])
    with pytest.raises(InputError) as raised:
        predictions.read(tmp_path / "other.csv", "x")
    assert fault in str(raised.value)


def test_a_table_of_another_system_in_excel_or_with_bytes_in_it(frame, tmp_path):
    frame.to_excel(tmp_path / "other.xlsx", index=False)
    pd.testing.assert_frame_equal(predictions.read(tmp_path / "other.xlsx"), frame.reset_index(drop=True))
    frame.assign(image_id=b"\xff").to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other.parquet: not readable as parquet"):
        predictions.read(tmp_path / "other.parquet")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scores_are_read_to_the_last_digit(tmp_path, suffix):
    scores = np.random.default_rng(0).random(1000)
    frame = pd.DataFrame({"image_id": "i", "patient_id": "p", "split": "test", "label": 0, "score": scores})
    path = tmp_path / f"other.{suffix}"
    frame.to_csv(path) if suffix == "csv" else frame.to_parquet(path)
    assert (predictions.read(path, "x")["score"] == scores).all()


def test_missing_columns_are_all_named(frame, tmp_path):
    path = tmp_path / "short.parquet"
    frame.drop(columns=["label", "score"]).to_parquet(path)
    with pytest.raises(InputError) as raised:
        predictions.read(path)
    assert [fault.split("'")[1] for fault in raised.value.faults] == ["label", "score"]


@pytest.mark.parametrize(
    "name, content",
    [
        ("absent.csv", None),
        ("notes.txt", b"x"),
        ("empty.csv", b""),
        ("binary.csv", b"\xff\xfe\x00\x81"),
        ("broken.parquet", b"PAR1"),
        ("ragged.csv", b"a,b\n1,2,3,4\n1\n1,2,3,4,5\n"),
    ],
)
def test_unreadable_files_are_input_errors(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        predictions.read(tmp_path / name)
