"""Figures of notebook 07: gains against the size of their cause, learning curves, parts of the test set."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from foramen.figures.drawing import in_words, intervals, listing, panels
from foramen.figures.style import MARKERS, METRIC_NAMES, PAGE, PALETTE, REFERENCE, SUBGROUPS, captioned


@captioned
def gain_curves(table: pd.DataFrame) -> Figure:
    """Gain against nuisance.

    The gain of a panel's arm over its control where what is named above it is smaller or larger; 1 is the study's
    own magnitude. Where a nuisance is zero, a step that helps by removing it should gain nothing (dashed).

    Used by notebook 07. `table` is `evaluation.step.measure_sweeps`: sweep, factor, arm, reference, metric, gain, low,
    high (the 95 % interval).
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
        first, panel = part.iloc[0], str(name).replace("_", " ")
        cell.set(title=f"{panel}:\n{first.arm} over {first.reference}", xlabel="relative magnitude")
        cell.set_xticks(factors := sorted(part["factor"].unique()), [f"{factor:g}" for factor in factors])
        found = in_words(part[part["metric"] == metrics[0]], "{gain:+.1f} at {factor:g}")
        words.append(f"{name}, {metrics[0]}: {found}")
    axes[0].set_ylabel("gain (percentage points,\n95 % interval)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.set_label(f"Gain in percentage points against the size of a nuisance. {'; '.join(words)}.")
    return figure


@captioned
def learning_curves(table: pd.DataFrame) -> Figure:
    """Learning curves.

    Results against the number of training radiographs, with the same recipe and the same test set. Dashed:
    chance (AUROC one half).

    Used by notebook 07. `table` is `learning_curves.learning`: metric, arm, reference, n_train, and estimate, low and
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
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.set_label(f"Learning curves, 95 % intervals; dashed: chance of the AUROC: {'; '.join(words)}.")
    return figure


@captioned
def variance(components: pd.DataFrame, studies: pd.DataFrame) -> Figure:
    """What a result varies with.

    Left: the gain in each cohort with the interval that a study of this cohort alone would report. Right: the standard
    deviation that each source gives a result. The interval of one study includes all of them but the training patients.

    Used by notebook 07. 95 % intervals; `components` is `variance.decompose`, `studies` is `learning_curves.gain_curve`
    with a cohort's seed as the factor.
    """
    metrics, results, sources = (list(components[name].unique()) for name in ("metric", "result", "source"))
    cohorts = list(studies["factor"].unique())
    figure, axes = plt.subplots(1, 1 + len(metrics), figsize=(PAGE, 2.8))
    for i, metric in enumerate(metrics):
        part = studies[studies["metric"] == metric]
        place, label = _beside(part["factor"], cohorts, i, len(metrics)), METRIC_NAMES[metric]
        look = {"marker": MARKERS[-1 - i], "label": label}
        intervals(axes[0], part["gain"], place, part["low"], part["high"], PALETTE[-1 - i], across=True, **look)
    axes[0].set_yticks(range(len(cohorts)), [f"cohort {cohort:g}" for cohort in cohorts])
    axes[0].axvline(0, **REFERENCE)
    axes[0].set(xlabel="gain (pp)", ylim=(len(cohorts) - 0.5, -0.5))
    for cell, metric in zip(axes[1:], metrics, strict=True):
        for i, result in enumerate(results):
            row = components[(components["metric"] == metric) & (components["result"] == result)]
            place = _beside(row["source"], sources, i, len(results))
            look = {"marker": MARKERS[i], "label": result}
            intervals(cell, row["sd"], place, row["low"], row["high"], PALETTE[i], across=True, **look)
        cell.axhline(len(sources) - 2.5, **REFERENCE)  # above the sums
        cell.set_yticks(range(len(sources)), sources)
        cell.tick_params(labelleft=cell is axes[1])
        cell.set(xlabel=f"SD of {METRIC_NAMES[metric]} (pp)", ylim=(len(sources) - 0.5, -0.5), xlim=(0, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=len(metrics))
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower right", ncols=len(results))
    words = in_words(
        components[components["metric"] == metrics[0]], "{result}, {source} {sd:.1f} ({low:.1f} to {high:.1f})"
    )
    figure.set_label(f"""Gain in {len(cohorts)} cohorts, and the standard deviations in percentage points that training
        patients, seed, threshold and test patients give a result; {metrics[0]}: {words}.""")
    return figure


def _beside(rows: pd.Series, order: list, i: int, of: int) -> pd.Series:
    """The height of each row's name in a list of names, moved so that `of` series stand side by side."""
    return rows.map(order.index) + 0.22 * (i - (of - 1) / 2)


@captioned
def subgroups(table: pd.DataFrame, gain: float, metric: str = "accuracy") -> Figure:
    """Subgroups.

    Left: the gain in each part of the test set; dashed, in all of it. Right: its difference from the gain in
    the other parts, once where there are only two; dashed: none. Many are looked at: an interval off the line is a
    question, not a finding. In brackets: the images.

    Used by notebook 07. Forest plots of one metric with 95 % intervals; `table` is `subgroups.interactions`, `gain`
    that in the whole test set, in points.
    """
    table = table[(table["metric"] == metric) & table["gain"].notna()].reset_index(drop=True)
    name = table["subgroup"].replace(SUBGROUPS)
    place = table.index + 0.6 * name.ne(name.shift()).cumsum()  # a gap before each grouping
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 0.8 + 0.175 * max(len(table), 2)), sharey=True)
    shown = (("gain", "low", "high"), ("interaction", "interaction_low", "interaction_high"))
    for cell, columns, line, colour, marker in zip(axes, shown, (gain, 0), PALETTE, MARKERS, strict=False):
        estimate, low, high = (table[column] for column in columns)
        intervals(cell, estimate, place, low, high, colour, across=True, marker=marker)
        cell.axvline(line, **REFERENCE)
        beyond = max(map(abs, cell.get_xlim())) > 100  # as of a few images: no gain is larger
        cell.set_xlim((-100, 100) if beyond else None)
    of = METRIC_NAMES.get(metric, metric)
    axes[0].set(xlabel=f"gain in {of} (pp)", ylim=(place.max() + 0.7, 0))
    axes[1].set(xlabel="difference from the others (pp)")
    axes[0].set_yticks(place, name + ": " + table["value"] + " (" + table["n_images"].astype(str) + ")")
    values = in_words(table, "{value} {gain:+.1f}") if len(table) else "none estimable"
    figure.set_label(f"""Gain in {of} with 95 % intervals in {len(table)} subgroups of the test set ({gain:+.1f} in
        all), and its difference from the gain in the others: {values}.""")
    return figure
