"""Table 1, the cohort by split with standardised differences, and its prevalence by group (notebook 01)."""

import pandas as pd
from statsmodels.stats.proportion import proportion_confint
from tableone import TableOne

from labelled_radiographs.pseudonyms import pool_rare

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


def prevalence(rows: pd.DataFrame, by: str = "site") -> pd.DataFrame:
    """Share of positive images by `site`, `split`, `side`, `view` or `sex`, with Wilson intervals.

    Columns `group, images, patients, positive, prevalence, low, high`. Groups of fewer than five patients are
    pooled as `other`. Wilson's interval takes images as independent; with several per patient it is a little
    too narrow.
    """
    groups = pool_rare(rows[by].replace("", "not stated"), rows["patient_id"])
    by_group = rows.assign(group=groups).groupby("group")
    table = by_group.agg(images=("label", "size"), patients=("patient_id", "nunique"), positive=("label", "sum"))
    table = table.astype({"positive": int}).assign(prevalence=table["positive"] / table["images"])
    low, high = proportion_confint(table["positive"], table["images"], method="wilson")
    return table.assign(low=low, high=high).reset_index()
