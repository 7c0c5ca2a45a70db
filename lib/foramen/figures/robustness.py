"""Figures of notebook 07: gains against the size of their cause, learning curves, parts of the test set."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from foramen.figures.style import (
    COLUMN,
    MARKERS,
    METRIC_NAMES,
    PAGE,
    PALETTE,
    REFERENCE,
    captioned,
    describe,
    intervals,
    listing,
    panels,
    records,
)


@captioned(
    "Gain against nuisance",
    "The same contrast where a nuisance parameter, or what is named above a panel, is smaller or larger; 1 is this "
    "study's own. Where a nuisance is zero, a step that helps by removing it should gain nothing (dashed).",
)
def gain_curves(table: pd.DataFrame) -> Figure:
    """How much an arm gains over its control as a nuisance grows, 95 % intervals. Used by notebook 07.

    `table` is `sweep_curves.measure`: sweep, factor, arm, reference, metric, gain, low, high. Dashed: no gain.
    """
    table = table[table["metric"].isin(METRIC_NAMES) & table["gain"].notna()]
    metrics, words = list(table["metric"].unique()), []
    figure, axes = panels(table["sweep"].nunique(), 3, 0.75, 0.4, sharey=True)
    for cell, (name, part) in zip(axes, table.groupby("sweep", sort=False), strict=True):
        width = 0.03 * (part["factor"].max() or 1)
        for i, metric in enumerate(metrics):
            row = part[part["metric"] == metric].sort_values("factor")
            x = row["factor"] + (i - (len(metrics) - 1) / 2) * width
            look: dict[str, Any] = {"marker": MARKERS[i], "label": METRIC_NAMES[metric]}
            intervals(cell, x, row["gain"], row["low"], row["high"], PALETTE[i], **look)
        cell.axhline(0, **REFERENCE)
        first = part.iloc[0]
        cell.set(title=str(name).replace("_", " "), xlabel=f"times the study's\n{first.arm} over {first.reference}")
        cell.set_xticks(sorted(part["factor"].unique()))
        values = part[part["metric"] == metrics[0]]
        found = listing(f"{row.gain:+.1f} at {row.factor:g}" for row in records(values))
        words.append(f"{name}, {metrics[0]}: {found}")
    axes[0].set_ylabel("gain (percentage points,\n95 % interval)")
    axes[0].legend()
    return describe(figure, f"Gain in percentage points against the size of a nuisance. {'; '.join(words)}.")


@captioned(
    "Learning curves",
    "Results against the number of radiographs learned from, with the same recipe and the same test set. Dashed: "
    "chance of the AUROC.",
)
def learning_curves(table: pd.DataFrame) -> Figure:
    """Results of an arm and of its control against the number of training radiographs. Used by notebook 07.

    `table` is `sweep_curves.learning`: metric, arm, reference, n_train, and estimate, low and high of both.
    """
    metrics = [metric for metric in METRIC_NAMES if metric in set(table["metric"])]
    figure, axes = panels(len(metrics), 3, 0.85, 0.4)
    words = []
    for cell, metric in zip(axes, metrics, strict=True):
        part = table[table["metric"] == metric].sort_values("n_train")
        first, size = part.iloc[0], part["n_train"]
        shown = {first.reference: ["reference_estimate", "reference_low", "reference_high"]}
        shown[first.arm] = ["estimate", "estimate_low", "estimate_high"]
        for i, (arm, columns) in enumerate(shown.items()):
            estimate, low, high = (part[column] for column in columns)
            intervals(cell, size * 1.02 ** (2 * i - 1), estimate, low, high, PALETTE[i], marker=MARKERS[i], label=arm)
            values = listing(f"{v:.2f} with {n:,}" for n, v in zip(size, estimate, strict=True))
            words.append(f"{METRIC_NAMES[metric]} of {arm} {values}")
        if metric == "auroc":  # chance of the others depends on the prevalence
            cell.axhline(0.5, **REFERENCE)
        cell.set_xscale("log")
        cell.set_xticks(size, [f"{n:,}" for n in size])
        cell.set_xticks([], minor=True)
        cell.set(xlabel="training radiographs", ylabel=METRIC_NAMES[metric])
    axes[0].legend(loc="upper left")
    return describe(figure, f"Learning curves, 95 % intervals; dashed: chance of the AUROC: {'; '.join(words)}.")


@captioned(
    "Subgroups",
    "The dashed line is the arm on the whole test set. Many subgroups are looked at and few images are "
    "in each: an interval off the line is a question, not a finding.",
)
def subgroups(table: pd.DataFrame, results: pd.DataFrame, arms: list[str], metric: str = "auroc") -> Figure:
    """Forest plot of one metric in subgroups of the test set, 95 % intervals. Used by notebook 07.

    `table` is `performance.subgroups`, `results` is `performance.results`. Dashed: the arm on the whole test
    set.
    """
    table = table[(table["metric"] == metric) & table["arm"].isin(arms) & (table["subgroup"] != "all")]
    whole = results[results["metric"] == metric].set_index("arm")["estimate"]
    rows = table.drop_duplicates(["subgroup", "value"]).reset_index(drop=True)
    place = rows.index + 0.6 * rows["subgroup"].ne(rows["subgroup"].shift()).cumsum()  # a gap before each grouping
    table = table.merge(rows[["subgroup", "value"]].assign(place=place)).dropna(subset="estimate")
    size = (max(COLUMN, PAGE * (len(arms) + 1) / 4), 0.8 + 0.175 * len(rows))
    figure, axes = plt.subplots(1, len(arms), figsize=size, sharex=True, sharey=True, squeeze=False)
    for cell, arm, colour, marker in zip(axes[0], arms, PALETTE, MARKERS, strict=False):
        part = table[table["arm"] == arm]
        look: dict[str, Any] = {"marker": marker, "linestyle": "none", "across": True}
        intervals(cell, part["estimate"], part["place"], part["low"], part["high"], colour, **look)
        cell.axvline(whole[arm], **REFERENCE)
        cell.set(title=arm, xlabel=METRIC_NAMES.get(metric, metric), ylim=(place.max() + 0.7, 0))
    counts = rows["n_images"].astype(str)
    axes[0, 0].set_yticks(place, rows["subgroup"].str.replace("_", " ") + ": " + rows["value"] + " (" + counts + ")")
    extremes = listing(_range(str(arm), part) for arm, part in table.groupby("arm", sort=False))
    return describe(
        figure,
        f"{METRIC_NAMES.get(metric, metric)} with 95 % intervals in {len(rows)} subgroups of the test set: {extremes}.",
    )


def _range(arm: str, part: pd.DataFrame) -> str:
    ends = part.sort_values("estimate", kind="stable").iloc[[0, -1]]
    low, high = [f"{row.estimate:.2f} ({row.subgroup.replace('_', ' ')} {row.value})" for row in records(ends)]
    return f"{arm} from {low} to {high}"
