"""Figures of notebook 09: what each mistake is worth, and optimism against the size of the test set."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from foramen.figures.drawing import in_words, intervals
from foramen.figures.style import BLUE, COLUMN, GREY, PAGE, REFERENCE, VERMILION, captioned

SEEN = {"interval excludes zero": (VERMILION, "o"), "interval includes zero": (GREY, "s")}


@captioned
def inflation(table: pd.DataFrame) -> Figure:
    """Mistakes made on purpose, and what each is worth.

    The wrong number less the truth, in percentage points of the metric above; points of different metrics do not
    compare. Right of the line a mistake flatters, or errs more often than it says, left of it something is lost. Grey:
    the interval includes zero, so this study does not show the mistake to matter.

    Used by notebook 09. `table` is `outcome.table`: pitfall, metric, inflation, low, high (95 % interval).
    """
    shown = table[table["inflation"].notna()].sort_values("inflation", ascending=False)
    group, metrics = pd.factorize(shown["metric"])  # that of the largest inflation first
    shown = shown.iloc[np.argsort(group, kind="stable")]
    shown.index = np.arange(len(shown)) + np.sort(group) + 1  # a line for each metric's name before its mistakes
    heads = shown.index[~shown["metric"].duplicated()] - 1
    names = shown["pitfall"].to_dict() | dict(zip(heads, metrics, strict=True))
    figure, axes = plt.subplots(figsize=(PAGE, 0.8 + 0.19 * max(len(names), 2)))
    zero = (shown["low"] <= 0) & (shown["high"] >= 0)
    for part, (label, (colour, marker)) in zip((~zero, zero), SEEN.items(), strict=True):
        rows = shown[part]
        ends, look = (rows["low"], rows["high"]), {"marker": marker, "label": label}
        intervals(axes, rows["inflation"], rows.index, *ends, colour, across=True, **look)
    axes.axvline(0, **REFERENCE)
    axes.set_yticks(list(names), list(names.values()))
    for name in axes.get_yticklabels()[len(shown) :]:
        name.set_fontweight("bold")
    axes.set(xlabel="wrong number less the truth (percentage points)", ylim=(len(names) - 0.3, -0.7))
    axes.legend(loc="lower right")
    words = in_words(shown, "{pitfall} {inflation:+.1f} ({metric})") if len(shown) else "none measured"
    figure.set_label(f"Inflation of {len(shown)} pitfalls in percentage points, 95 % intervals: {words}.")
    return figure


@captioned
def optimism(table: pd.DataFrame) -> Figure:
    """A threshold chosen on the test set.

    Accuracy at the threshold that is best on a test set (circles), at the same threshold on fresh patients (squares),
    and on the test set at the threshold that is best on as many other patients (triangles), against their number.

    Used by notebook 09. `table` is `choices.optimism_by_size`: patients, wrong, truth, right, low, high.
    """
    figure, axes = plt.subplots(figsize=(COLUMN, 2.4))
    looks = {"wrong": ("best on the test set", VERMILION, "o"), "truth": ("the same, fresh patients", GREY, "s")}
    looks["right"] = ("chosen on as many others", BLUE, "^")
    for name, (label, colour, marker) in looks.items():
        axes.plot(table["patients"], table[name], color=colour, marker=marker, markersize=4, label=label)
    axes.set(xscale="log", xlabel="test patients", ylabel="accuracy (per cent)")
    axes.set_xticks(table["patients"], [f"{n:.0f}" for n in table["patients"]])
    axes.set_xticks([], minor=True)
    axes.legend()
    figure.set_label(f"""Optimism of a threshold chosen on the test set, in percentage points, by its patients:
        {in_words(table, "{inflation:+.1f} with {patients}")}.""")
    return figure
