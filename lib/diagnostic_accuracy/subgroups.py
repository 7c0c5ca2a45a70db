"""Does the gain differ between subgroups of the test images: side, site, sex, age, severity (notebook 07)?"""

from dataclasses import replace

import numpy as np
import pandas as pd

from diagnostic_accuracy.bootstrap import Resampled, resample
from diagnostic_accuracy.comparisons import contrast
from diagnostic_accuracy.multiple_testing import holm

SUBGROUPS = ("side", "site", "sex", "age_band", "severity", "level")
METRICS = ("accuracy", "auroc")
AGE_BANDS = ("0-44", "45-54", "55-64", "65-74", "75+")
_GAIN = ["gain", "low", "high"]


def interactions(
    frame: pd.DataFrame,
    metadata: pd.DataFrame,
    pair: tuple[str, str],
    names: tuple[str, ...] = METRICS,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """The gain of an arm over its reference (`pair`) in each subgroup, and how far it lies from the gain in the others.

    Columns `subgroup, value, metric, n_images, n_patients, gain, low, high, interaction, interaction_low,
    interaction_high, p_value, p_holm, note`, in points. The interaction is the gain in the subgroup less that in the
    other images with a value, on the same resampled patients; of two subgroups only the first has one, since the
    second's is its mirror image. Holm within each metric. Where there is a gain, `note` has what is to be said of the
    interaction, too.

    `metadata` has image_id and any of `SUBGROUPS`; `age` in years becomes `age_band`. Columns it lacks are passed over,
    a number with many values is cut into quarters, images without a value form no subgroup. Thresholds are those of the
    whole validation set.
    """
    frame = frame[frame.arm.isin(pair)]
    metadata = metadata.set_index("image_id").loc[frame.image_id[frame.split == "test"].unique()]
    if "age" in metadata and "age_band" not in metadata:
        metadata["age_band"] = age_bands(metadata.age)
    rows = []
    for column in filter(metadata.columns.__contains__, SUBGROUPS):
        value = _grouped(metadata[column]).dropna()
        groups = sorted(value.unique())
        for group in groups if len(groups) > 1 else ():
            sides = {"in": value.index[value == group], "out": value.index[value != group]}
            parts = {side: resample(frame, n_resamples, seed, names, images) for side, images in sides.items()}
            mirrored = len(groups) == 2 and group == groups[1]
            name = {"subgroup": column, "value": group}
            rows += [name | _row(parts["in"], parts["out"], pair, metric, mirrored) for metric in names]
    table = pd.DataFrame(rows)
    if len(table):
        table.insert(len(table.columns) - 1, "p_holm", table.groupby("metric").p_value.transform(holm))
    return table


def _row(part: Resampled, others: Resampled, pair: tuple[str, str], metric: str, mirrored: bool) -> dict[str, object]:
    """The gain in a part and, unless it is `mirrored`, its difference from the gain in the others."""
    arm, reference = pair
    own = contrast(part, {arm: 1, reference: -1}, metric)
    both = {f"{name} {side}": runs for side, of in (("in", part), ("out", others)) for name, runs in of.runs.items()}
    smaller = min(part, others, key=lambda one: one.n_patients)
    carriers = {label: min(part.patients_with_label[label], others.patients_with_label[label]) for label in (0, 1)}
    joint = replace(smaller, runs=both, patients_with_label=carriers)
    signs = {f"{arm} in": 1, f"{reference} in": -1, f"{arm} out": -1, f"{reference} out": 1}
    apart = dict.fromkeys([*_GAIN, "p_value"], np.nan) if mirrored else contrast(joint, signs, metric)
    size = {"metric": metric, "n_images": part.n_images, "n_patients": part.n_patients}
    found = {key: own[key] for key in _GAIN} | {"interaction": apart["gain"]}
    found |= {f"interaction_{key}": apart[key] for key in ("low", "high")}
    note, also = str(own["note"]), str(apart.get("note", ""))
    if also not in ("", note) and pd.notna(own["gain"]):
        note = "; ".join(filter(None, [note, f"interaction: {also}"]))
    return size | found | {"p_value": apart["p_value"], "note": note}


def age_bands(age: pd.Series) -> pd.Series:
    """Age in years as text bands that sort by age: 0-44, 45-54, 55-64, 65-74, 75+; missing stays missing."""
    return pd.cut(age, [-np.inf, 45, 55, 65, 75, np.inf], right=False, labels=list(AGE_BANDS)).astype(object)


def _grouped(values: pd.Series) -> pd.Series:
    """Values as text; numbers with more than 8 different values as quarters."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 8:
        values = pd.qcut(values, 4, duplicates="drop").map(lambda cut: f"{cut.left:.3g} to {cut.right:.3g}")
    text = values.astype("string")
    return text.where(text.str.strip() != "")
