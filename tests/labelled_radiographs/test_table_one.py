"""Table 1: what it counts, and its standardised differences."""

import numpy as np
import pandas as pd
import pytest

from labelled_radiographs import table_one


@pytest.fixture
def manifest() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 120
    return pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(n)],
            "patient_id": np.arange(n) // 2,
            "label": rng.integers(0, 2, n),
            "side": ["L", "R"] * (n // 2),
            "view": "oblique",
            "site": None,
            "age": rng.normal(60, 10, n),
            "sex": [None, "F", "M", "F"] * (n // 4),
            "split": ["train"] * 60 + ["val"] * 20 + ["test"] * 40,
            "excluded": [False] * (n - 2) + [True] * 2,
        }
    )


@pytest.mark.filterwarnings("error")
def test_cohort_counts_images_patients_and_missing_values(manifest):
    table = table_one.by_split(manifest).set_index(["variable", "value"])
    assert table.loc[("n", "images"), ["Overall", "train", "val", "test"]].tolist() == ["118", "60", "20", "38"]
    assert table.loc[("n", "patients"), ["Overall", "train", "val", "test"]].tolist() == ["59", "30", "10", "19"]
    assert table.loc[("sex, n (%)", "missing"), "train"] == "15 (25.0)"
    assert not [name for name, _ in table.index if name.startswith("site")]


def test_cohort_standardised_difference_of_a_mean(manifest):
    table = table_one.by_split(manifest)
    kept = manifest[~manifest.excluded]
    train, test = (kept.age[kept.split == split] for split in ("train", "test"))
    smd = (test.mean() - train.mean()) / np.sqrt((train.var() + test.var()) / 2)
    shown = table.loc[table.variable == "age, mean (SD)", "SMD (train,test)"].item()
    assert float(shown) == pytest.approx(smd, abs=5e-4)


def test_cohort_with_one_split_has_no_differences(manifest):
    table = table_one.by_split(manifest[manifest.split == "test"])
    assert not [column for column in table.columns if column.startswith("SMD")]
