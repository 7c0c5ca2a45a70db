"""Table 1 of the study: the cohort by split, with standardised differences (notebook 01)."""

import pandas as pd
from tableone import TableOne

COLUMNS = ("label", "side", "view", "site", "age", "sex")


def by_split(manifest: pd.DataFrame) -> pd.DataFrame:
    """The cohort by split: a row for each value of a categorical column, mean (SD) of `age`; images and patients first.

    `manifest` has one row an image; excluded images are left out, and columns without any value passed over.
    Standardised differences are between each two splits; an absolute value above 0.1 is commonly called an imbalance.
    """
    kept = manifest[~manifest.excluded.astype(bool)] if "excluded" in manifest else manifest
    splits = [split for split in ("train", "val", "test") if (kept.split == split).any()]
    present = [column for column in COLUMNS if column in kept and kept[column].notna().any()]
    continuous = [column for column in present if column == "age"]
    categorical = [column for column in present if column not in continuous]
    data = kept[["split", *present]].copy()
    data[categorical] = data[categorical].astype("string").fillna("missing").astype(object)
    one = TableOne(
        data,
        columns=present,
        categorical=categorical,
        continuous=continuous,
        groupby="split",
        order={"split": splits},
        smd=len(splits) > 1,
        pval=False,
        missing=False,
    ).tableone
    body = (one.droplevel(0, axis=1) if one.columns.nlevels > 1 else one).reset_index()
    body.columns = ["variable", "value", *body.columns[2:]]
    body.loc[body.variable == "n", "value"] = "images"
    counts = {"Overall": kept.patient_id.nunique()} | kept.groupby("split").patient_id.nunique().to_dict()
    patients = pd.DataFrame([{"variable": "n", "value": "patients"} | {k: str(n) for k, n in counts.items()}])
    return pd.concat([body.iloc[:1], patients, body.iloc[1:]], ignore_index=True).fillna("").astype(str)
