"""Results within subgroups of the test images: side, site, sex, age, severity (notebook 07)."""

import numpy as np
import pandas as pd

from foramen.evaluation.bootstrap import resample
from foramen.evaluation.results import estimates

COLUMNS = ("side", "site", "sex", "age_band", "severity", "level")
METRICS = ("accuracy", "sensitivity", "specificity", "balanced_accuracy", "auroc")
AGE_BANDS = ("0-44", "45-54", "55-64", "65-74", "75+")


def subgroup_estimates(
    frame: pd.DataFrame,
    metadata: pd.DataFrame,
    names: tuple[str, ...] = METRICS,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Results within subgroups of the test images: `subgroup, value` before the columns of `results.estimates`.

    `metadata` has image_id and any of `COLUMNS`; `age` in years becomes `age_band`. Columns it lacks are
    passed over, a number with many values is cut into quarters, images without a value form no subgroup. The
    operating thresholds are those of the whole validation set. The first rows, subgroup "all", are the whole
    test set.
    """
    metadata = metadata.assign(image_id=metadata.image_id.astype(str)).set_index("image_id")
    if "age" in metadata and "age_band" not in metadata:
        metadata["age_band"] = age_bands(metadata.age)
    test, parts = frame.split == "test", {("all", "all"): frame}
    for column in filter(metadata.columns.__contains__, COLUMNS):
        value = frame.image_id.astype(str).map(_grouped(metadata[column]))
        for group in sorted(value[test].dropna().unique()):
            parts[column, group] = frame[~test | (value == group)]
    tables = {name: estimates(resample(part, n_resamples, seed, names)) for name, part in parts.items()}
    return pd.concat(tables, names=["subgroup", "value"]).droplevel(2).reset_index()


def age_bands(age: pd.Series) -> pd.Series:
    """Age in years as text bands that sort by age: 0-44, 45-54, 55-64, 65-74, 75+; missing stays missing."""
    return pd.cut(age, [-np.inf, 45, 55, 65, 75, np.inf], right=False, labels=list(AGE_BANDS)).astype(object)


def _grouped(values: pd.Series) -> pd.Series:
    """Values as text; numbers with more than 8 different values as quarters."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 8:
        values = pd.qcut(values, 4, duplicates="drop").map(lambda cut: f"{cut.left:.3g} to {cut.right:.3g}")
    text = values.astype("string")
    return text.where(text.str.strip() != "")
