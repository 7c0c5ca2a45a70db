"""The split: by patient, stratified, and independent of names."""

import numpy as np
import pandas as pd
import pytest

from labelled_radiographs.split import assign_split


def test_the_split_is_by_patient_stratified_and_as_large_as_asked():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(400), 2)
    labels = pd.Series((rng.random(800) < 0.3).astype(int))
    split = assign_split(labels, patients, test=0.4, validation=0.15, seed=3)
    rows = pd.DataFrame({"patient": patients, "label": labels, "split": split})
    assert (rows.groupby("patient")["split"].nunique() == 1).all()
    shares = rows.drop_duplicates("patient")["split"].value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.4, abs=0.01) and shares["val"] == pytest.approx(0.15, abs=0.01)
    assert rows.groupby("split")["label"].mean().to_numpy() == pytest.approx(labels.mean(), abs=0.03)


def test_the_split_does_not_depend_on_what_patients_are_called():
    labels = pd.Series(np.arange(60) % 2)
    by_number = assign_split(labels, np.arange(60), test=0.5, validation=0.1, seed=0)
    by_name = assign_split(labels, np.array([f"z{9999 - i}" for i in range(60)]), test=0.5, validation=0.1, seed=0)
    assert by_number.equals(by_name)
