"""Figures of notebook 07: gains against the size of their cause, learning curves, parts of the test set."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from foramen.figures.drawing import in_words, intervals, listing, panels
from foramen.figures.style import COLUMN, MARKERS, METRIC_NAMES, PAGE, PALETTE, REFERENCE, captioned


@captioned
def gain_curves(table: pd.DataFrame) -> Figure:
    """Gain against nuisance.

    The same contrast where a nuisance parameter, or what is named above a panel, is smaller or larger; 1 is this
    study's own. Where a nuisance is zero, a step that helps by removing it should gain nothing (dashed).

    Used by notebook 07. `table` is `sweep_curves.measure`: sweep, factor, arm, reference, metric, gain, low, high (the
    95 % interval).
    """
    table = table[table["metric"].isin(METRIC_NAMES) & table["gain"].notna()]
    metrics, words = list(table["metric"].unique()), []
    figure, axes = panels(table["sweep"].nunique(), 3, 0.75, 0.4, sharey=True)
    for cell, (name, part) in zip(axes, table.groupby("sweep", sort=False), strict=True):
        width = 0.03 * (part["factor"].max() or 1)
        for i, metric in enumerate(metrics):
            row = part[part["metric"] == metric].sort_values("factor")
            x, label = row["factor"] + (i - (len(metrics) - 1) / 2) * width, METRIC_NAMES[metric]
            intervals(cell, x, row["gain"], row["low"], row["high"], PALETTE[i], marker=MARKERS[i], label=label)
        cell.axhline(0, **REFERENCE)
        first = part.iloc[0]
        cell.set(title=str(name).replace("_", " "), xlabel=f"times the study's\n{first.arm} over {first.reference}")
        cell.set_xticks(sorted(part["factor"].unique()))
        found = in_words(part[part["metric"] == metrics[0]], "{gain:+.1f} at {factor:g}")
        words.append(f"{name}, {metrics[0]}: {found}")
    axes[0].set_ylabel("gain (percentage points,\n95 % interval)")
    axes[0].legend()
    figure.set_label(f"Gain in percentage points against the size of a nuisance. {'; '.join(words)}.")
    return figure


@captioned
def learning_curves(table: pd.DataFrame) -> Figure:
    """Learning curves.

    Results against the number of radiographs learned from, with the same recipe and the same test set. Dashed:
    chance of the AUROC.

    Used by notebook 07. `table` is `sweep_curves.learning`: metric, arm, reference, n_train, and estimate, low and
    high (the 95 % interval) of the arm and of its control.
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
            values = listing(f"{value:.2f} with {n:,}" for n, value in zip(size, estimate, strict=True))
            words.append(f"{METRIC_NAMES[metric]} of {arm} {values}")
        if metric == "auroc":  # chance of the others depends on the prevalence
            cell.axhline(0.5, **REFERENCE)
        cell.set(xscale="log", xlabel="training radiographs", ylabel=METRIC_NAMES[metric])
        cell.set_xticks(size, [f"{n:,}" for n in size])
        cell.set_xticks([], minor=True)
    axes[0].legend(loc="upper left")
    figure.set_label(f"Learning curves, 95 % intervals; dashed: chance of the AUROC: {'; '.join(words)}.")
    return figure


@captioned
def subgroups(table: pd.DataFrame, results: pd.DataFrame, arms: list[str], metric: str = "auroc") -> Figure:
    """Subgroups.

    The dashed line is the arm on the whole test set. Many subgroups are looked at and few images are in each: an
    interval off the line is a question, not a finding.

    Used by notebook 07. Forest plot of one metric with 95 % intervals; `table` is `performance.subgroups`, `results`
    is `performance.results`.
    """
    table = table[(table["metric"] == metric) & table["arm"].isin(arms) & (table["subgroup"] != "all")]
    table = table.assign(name=table["subgroup"].str.replace("_", " "))
    whole = results[results["metric"] == metric].set_index("arm")["estimate"]
    rows = table.drop_duplicates(["name", "value"]).reset_index(drop=True)
    place = rows.index + 0.6 * rows["name"].ne(rows["name"].shift()).cumsum()  # a gap before each grouping
    table = table.merge(rows[["name", "value"]].assign(place=place)).dropna(subset="estimate")
    size = (max(COLUMN, PAGE * (len(arms) + 1) / 4), 0.8 + 0.175 * len(rows))
    figure, axes = plt.subplots(1, len(arms), figsize=size, sharex=True, sharey=True, squeeze=False)
    for cell, arm, colour, marker in zip(axes[0], arms, PALETTE, MARKERS, strict=False):
        part = table[table["arm"] == arm]
        intervals(cell, part["estimate"], part["place"], part["low"], part["high"], colour, across=True, marker=marker)
        cell.axvline(whole[arm], **REFERENCE)
        cell.set(title=arm, xlabel=METRIC_NAMES.get(metric, metric), ylim=(place.max() + 0.7, 0))
    axes[0, 0].set_yticks(place, rows["name"] + ": " + rows["value"] + " (" + rows["n_images"].astype(str) + ")")
    extremes = listing(_range(str(arm), part) for arm, part in table.groupby("arm", sort=False))
    figure.set_label(f"""{METRIC_NAMES.get(metric, metric)} with 95 % intervals in {len(rows)} subgroups of the test
        set: {extremes}.""")
    return figure


def _range(arm: str, part: pd.DataFrame) -> str:
    """The lowest and the highest of an arm's subgroups."""
    ends = part.sort_values("estimate", kind="stable").iloc[[0, -1]]
    low, high = ("{estimate:.2f} ({name} {value})".format_map(row) for row in ends.to_dict("records"))
    return f"{arm} from {low} to {high}"
