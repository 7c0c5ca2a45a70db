"""Figures of notebook 06: how well the arms tell the classes apart, with the uncertainty of everything drawn.

A panel shows one arm; the reference arm's curve stands in grey behind each of the others.
"""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foramen.figures.style import (
    BLUE,
    GREY,
    METRIC_NAMES,
    ORANGE,
    PAGE,
    REFERENCE,
    balanced,
    captioned,
    describe,
    intervals,
    listing,
    panels,
    records,
)

NAMES = ("none", "stenosis")


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], label="chance", **REFERENCE)


@captioned(
    "ROC curves",
    "The further above the dashed diagonal of chance, the better. The dot is the operating point, whose "
    "threshold was chosen on the validation set.",
)
def roc(curves: pd.DataFrame, table: pd.DataFrame, reference: str = "basic") -> Figure:
    """ROC curve of each arm with its 95 % band and operating point; dashed: chance. Used by notebook 06.

    `curves` is `curves.roc` (arm, x, y, low, high, seeds_low, seeds_high); `table` is `curves.confusion`, at
    the validation threshold.
    """
    points = table.assign(x=table["fp"] / (table["fp"] + table["tn"]), y=table["tp"] / (table["tp"] + table["fn"]))
    figure, axes = _curve_panels(curves, reference, ("1 − specificity", "sensitivity"), _diagonal)
    _operating_points(figure, axes, points)
    at = listing(f"{p.arm} {p.y:.2f} and {1 - p.x:.2f}" for p in records(points))
    return describe(
        figure,
        f"ROC curves of {len(points)} arms with 95 % bands over the diagonal of chance. Sensitivity and "
        f"specificity at the operating point: {at}.",
    )


@captioned("Precision-recall curves", "The dashed line is chance: the prevalence. The dot is the operating point.")
def precision_recall(curves: pd.DataFrame, table: pd.DataFrame, prevalence: float, reference: str = "basic") -> Figure:
    """Precision against sensitivity, 95 % band, operating point; dashed: the prevalence. Used by notebook 06.

    `curves` is `curves.precision_recall` (arm, x, y, low, high, seeds_low, seeds_high); `table` is
    `curves.confusion`.
    """
    points = table.assign(x=table["tp"] / (table["tp"] + table["fn"]), y=table["tp"] / (table["tp"] + table["fp"]))
    labels = ("sensitivity", "precision")
    figure, axes = _curve_panels(
        curves, reference, labels, lambda cell: cell.axhline(prevalence, label="chance", **REFERENCE)
    )
    _operating_points(figure, axes, points)
    at = listing(f"{p.arm} {p.y:.2f} at {p.x:.2f}" for p in records(points))
    return describe(
        figure,
        f"Precision-recall curves of {len(points)} arms with 95 % bands; chance is the prevalence, "
        f"{prevalence:.2f}. Precision and sensitivity at the operating point: {at}.",
    )


@captioned("Decision curves", "An arm helps where its net benefit lies above both treating all and treating none.")
def decision_curve(curves: pd.DataFrame, prevalence: float, reference: str = "basic") -> Figure:
    """Net benefit against the threshold probability, with 95 % bands, treat-all and treat-none. Notebook 06.

    `curves` is `curves.decision` (Vickers & Elkin 2006). A system is useful where it lies above both lines.
    """
    threshold = np.linspace(0, 0.98, 99)
    treat_all = prevalence - (1 - prevalence) * threshold / (1 - threshold)

    def defaults(axes: Axes) -> None:
        axes.plot(threshold, treat_all, color="black", linewidth=0.9, linestyle=(0, (5, 2)), label="treat all")
        axes.axhline(0, color="black", linewidth=0.9, linestyle=(0, (1, 1.5)), label="treat none")
        axes.set(ylim=(-0.08, prevalence * 1.1))

    drawn = curves.rename(columns={"threshold": "x", "net_benefit": "y"})
    figure, axes = _curve_panels(drawn, reference, ("threshold probability", "net benefit"), defaults)
    _legend(figure, axes)
    half = {str(arm): np.interp(0.5, curve["x"], curve["y"]) for arm, curve in drawn.groupby("arm", sort=False)}
    return describe(
        figure,
        f"Decision curves of {len(half)} arms with 95 % bands, treat-all and treat-none. Net benefit at a "
        f"threshold probability of one half: {listing(f'{arm} {value:.2f}' for arm, value in half.items())}; "
        f"treat-all {2 * prevalence - 1:.2f}, treat-none 0.",
    )


def _curve_panels(
    curves: pd.DataFrame, reference: str, labels: tuple[str, str], background: Callable[[Axes], object]
) -> tuple[Figure, dict[str, Axes]]:
    """One panel an arm: its curve, band and range of the seeds over the reference arm's curve and `background`."""
    arms = list(curves["arm"].unique())
    figure, cells = panels(len(arms), 4, 1.0, 0.1, sharex=True, sharey=True)
    behind = curves[curves["arm"] == reference]
    for cell, arm in zip(cells, arms, strict=True):
        curve = curves[curves["arm"] == arm]
        cell.set(xlim=(0, 1), ylim=(0, 1.005), title=arm, xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], box_aspect=1)
        background(cell)
        if arm != reference and len(behind):
            cell.plot(behind["x"], behind["y"], color=GREY, linewidth=0.9, label=reference)
        band: dict[str, Any] = {"color": BLUE, "alpha": 0.22, "linewidth": 0, "label": "95 % interval, patients"}
        cell.fill_between(curve["x"], curve["low"], curve["high"], **band)
        seeds: dict[str, Any] = {"color": BLUE, "linewidth": 0.6, "linestyle": (0, (1, 1))}
        cell.plot(curve["x"], curve["seeds_low"], **seeds, label="range of the seeds")
        cell.plot(curve["x"], curve["seeds_high"], **seeds)
        cell.plot(curve["x"], curve["y"], color=BLUE, label="the arm, mean over seeds")
    figure.supxlabel(labels[0], fontsize=8)
    figure.supylabel(labels[1], fontsize=8)
    return figure, dict(zip(arms, cells, strict=True))


def _operating_points(figure: Figure, axes: dict[str, Axes], points: pd.DataFrame) -> None:
    dot: dict[str, Any] = {
        "color": ORANGE,
        "edgecolor": "black",
        "s": 25,
        "clip_on": False,
        "zorder": 3,
        "label": "operating point",
    }
    for point in records(points):
        axes[point.arm].scatter(point.x, point.y, **dot)
    _legend(figure, axes)


def _legend(figure: Figure, axes: dict[str, Axes]) -> None:
    figure.legend(*list(axes.values())[-1].get_legend_handles_labels(), loc="outside upper center", ncols=3)


@captioned(
    "Confusion matrices",
    "Rows are the recorded label (the reference standard) and add up to 100 %, columns what the arm predicts. A "
    "system that guesses has two equal rows.",
)
def confusion(table: pd.DataFrame) -> Figure:
    """Confusion matrix of each arm in per cent of the recorded label, counts below. Used by notebook 06.

    `table`: arm, tn, fp, fn, tp, numbers of test images (means over seeds). The operating point is the
    validation threshold. A system that guesses has equal rows.
    """
    figure, axes = panels(len(table), 4, 1.0, 0.2)
    for cell, row in zip(axes, records(table), strict=True):
        counts = np.array([[row.tn, row.fp], [row.fn, row.tp]], float)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        texts = [
            [f"{100 * s:.0f} %\n({c:.0f})" for s, c in zip(*line, strict=True)]
            for line in zip(shares, counts, strict=True)
        ]
        look: dict[str, Any] = {
            "cmap": "Blues",
            "vmin": 0,
            "vmax": 1.6,
            "cbar": False,
            "square": True,
            "annot_kws": {"fontsize": 7, "color": "black"},
        }
        sns.heatmap(shares, annot=texts, fmt="", xticklabels=NAMES, yticklabels=NAMES, ax=cell, **look)
        cell.set_title(row.arm)
        cell.tick_params(length=0)
    figure.supxlabel("predicted", fontsize=8)
    figure.supylabel("recorded label", fontsize=8)
    cells = listing(f"{r.arm} {r.tn:.0f}, {r.fp:.0f}, {r.fn:.0f}, {r.tp:.0f}" for r in records(table))
    return describe(
        figure,
        "Confusion matrices at the validation threshold, means over seeds. True negatives, false positives, "
        f"false negatives and true positives: {cells}.",
    )


@captioned(
    "Calibration",
    "On the dashed diagonal, scores mean what they say: of the radiographs scored 0.7, 70 % are "
    "positive. Below each curve, how often each score is given.",
)
def reliability(table: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """Observed share of stenosis against score, 95 % intervals, over the histogram of scores. Notebook 06.

    `table`: arm, predicted, observed, low, high (one row a bin); `scores`: arm, score. Dashed: perfect
    calibration.
    """
    arms = list(table["arm"].unique())
    columns = balanced(len(arms), 4)
    rows = -(-len(arms) // columns)
    size, ratios = (PAGE * columns / max(columns, 3), 2.5 * rows), [3, 1] * rows
    figure, grid = plt.subplots(2 * rows, columns, figsize=size, sharex=True, height_ratios=ratios, squeeze=False)
    uppers, lowers = grid[::2].flat, grid[1::2].flat
    for spare in [*uppers[len(arms) :], *lowers[len(arms) :]]:
        spare.set_axis_off()
    gaps = {}
    for upper, lower, arm in zip(uppers, lowers, arms, strict=False):
        part = table[table["arm"] == arm].sort_values("predicted")
        gaps[arm] = np.average(np.abs(part["predicted"] - part["observed"]), weights=part.get("count"))
        _diagonal(upper)
        intervals(upper, part["predicted"], part["observed"], part["low"], part["high"], BLUE)
        upper.set(xlim=(0, 1), ylim=(0, 1), title=arm, xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        values = scores.loc[scores["arm"] == arm, "score"]
        sns.histplot(values, bins=20, binrange=(0, 1), color=GREY, alpha=1, linewidth=0, ax=lower)
        lower.set(yticks=[], xlabel="", ylabel="")
        lower.spines["left"].set_visible(False)
    figure.supxlabel("score", fontsize=8)
    figure.supylabel("observed share with stenosis", fontsize=8)
    return describe(
        figure,
        f"Reliability curves of {len(arms)} arms with 95 % intervals over histograms of the scores. Mean "
        "distance from the diagonal of perfect calibration: "
        f"{listing(f'{arm} {gap:.2f}' for arm, gap in gaps.items())}.",
    )


@captioned(
    "Gains",
    "Squares and lines: the gain and its 95 % interval. Orange: the range that the paper claims for its "
    "method, on other data. Dashed: no gain.",
)
def gains(table: pd.DataFrame, reference: str = "basic") -> Figure:
    """Gain of each arm over the reference, 95 % interval, beside the range the paper claims. Notebook 06.

    `table` is gains.csv: arm, metric, gain, low, high, p_value, paper_low, paper_high. Dashed: no gain. The
    paper's ranges are from other data.
    """
    table = table[(table["arm"] != reference) & table["metric"].isin(METRIC_NAMES) & table["gain"].notna()]
    arms, metrics = list(table["arm"].unique()), list(table["metric"].unique())
    figure, axes = panels(len(metrics), 3, 0.0, 0.62 + 0.2 * len(arms), sharex=True, sharey=True)
    for cell, metric in zip(axes, metrics, strict=True):
        part = table[table["metric"] == metric]
        claimed = part[["paper_low", "paper_high"]].dropna()
        if len(claimed):
            band = cell.axvspan(*claimed.iloc[0], color=ORANGE, alpha=0.35, linewidth=0)
        cell.axvline(0, **REFERENCE)
        look: dict[str, Any] = {"marker": "s", "linestyle": "none", "across": True}
        intervals(cell, part["gain"], part["arm"].map(arms.index), part["low"], part["high"], BLUE, **look)
        cell.set(title=METRIC_NAMES[metric], yticks=range(len(arms)), yticklabels=arms, ylim=(len(arms) - 0.4, -0.6))
    figure.supxlabel(f"gain over {reference} (percentage points, 95 % interval)", fontsize=8)
    if table["paper_low"].notna().any():
        figure.legend([band], ["claimed by Park et al. 2023 (other data)"], loc="outside upper right")
    first = table[table["metric"] == metrics[0]]
    values = listing(f"{r.arm} {r.gain:+.1f} ({r.low:+.1f} to {r.high:+.1f})" for r in records(first))
    return describe(
        figure,
        f"Forest plot of the gain over {reference} in {listing(METRIC_NAMES[metric] for metric in metrics)}, in "
        f"percentage points, beside the paper's claimed ranges (other data). {METRIC_NAMES[metrics[0]]}: {values}.",
    )
