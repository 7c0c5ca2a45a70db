"""What a table of predictions is refused for, all at once."""

import pandas as pd
import pytest

from diagnostic_accuracy import resample, table
from made_up_predictions import predictions


@pytest.fixture
def frame() -> pd.DataFrame:
    return predictions().reset_index(drop=True)


def faults(frame: pd.DataFrame) -> list[str]:
    with pytest.raises(ValueError) as raised:
        resample(frame, 10)
    return str(raised.value).splitlines()


def test_a_sound_table_passes(frame: pd.DataFrame):
    table.check(frame)


def test_missing_columns_are_named_with_those_found(frame: pd.DataFrame):
    (fault,) = faults(frame.drop(columns=["seed", "patient_id"]))
    assert fault.startswith("columns are missing: patient_id, seed (found: ") and "image_id" in fault


@pytest.mark.parametrize(
    ("column", "cell", "fault"),
    [
        ("split", "validation", "split is none of train, val, test"),
        ("label", 2, "label is neither 0 nor 1"),
        ("label", "neg", "label is neither 0 nor 1"),
        ("score", 3.0, "score is no number from 0 to 1"),
        ("score", float("nan"), "score is no number from 0 to 1"),
        ("patient_id", None, "patient_id is empty"),
    ],
)
def test_a_wrong_cell_is_counted_and_its_row_named(frame: pd.DataFrame, column: str, cell: object, fault: str):
    row = frame.index[frame["split"] == "test"][3]
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = cell
    assert f"{fault}: 1 row, first {row}" in faults(frame)


def test_all_faults_come_at_once(frame: pd.DataFrame):
    test = frame.index[frame["split"] == "test"]
    frame.loc[test[0], ["label", "patient_id"]] = [1 - frame.loc[test[0], "label"], "other"]
    frame.loc[test[1], "score"] = -1
    found = faults(pd.concat([frame.drop(test[-1]), frame[frame["split"] == "val"].head(2)], ignore_index=True))
    starts = [
        "score is no number",
        "more than one row for an image of an arm and seed: 2 rows",
        "more than one label for image",
        "more than one patient_id for image",
        "arm ",
    ]
    assert len(found) == len(starts)
    assert all(line.startswith(start) for line, start in zip(found, starts, strict=True))


def test_validation_images_are_held_to_the_same(frame: pd.DataFrame):
    val, test = (frame.index[frame["split"] == split] for split in ("val", "test"))
    frame.loc[val[0], ["label", "patient_id"]] = [1 - frame.loc[val[0], "label"], "other"]
    image, tested = frame.loc[val[0], "image_id"], frame.loc[[test[0]]].assign(split="val")
    assert faults(pd.concat([frame, tested], ignore_index=True)) == [
        f"more than one row for an image of an arm and seed: 1 row, first {len(frame)}",
        f"more than one label for image {image!r} (1 such images)",
        f"more than one patient_id for image {image!r} (1 such images)",
    ]
