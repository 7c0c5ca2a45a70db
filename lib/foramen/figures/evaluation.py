"""Figures of notebook 06: how well the arms tell the classes apart, with the uncertainty of everything drawn.

`performance` lays a few arms over each other. In the others a panel shows one arm; the reference arm's curve stands in
grey behind each of the others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from foramen.figures.drawing import in_words, intervals, listing, panels
from foramen.figures.style import BLUE, GREY, METRIC_NAMES, ORANGE, REFERENCE, captioned

NAMES = ("none", "stenosis")
UNIT_SQUARE: dict[str, Any] = {"xlim": (0, 1), "ylim": (0, 1.005), "xticks": [0, 0.5, 1], "yticks": [0, 0.5, 1]}
Lines = dict[str, tuple[ArrayLike, ArrayLike]]  # name -> x, y
CHANCE: Lines = {"chance": ([0, 1], [0, 1])}
DASHES = ((0, (3, 2)), (0, (1, 1.5)))
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": GREY, "linestyle": (0, (1, 1))},
    {"color": ORANGE, "linestyle": (0, (4, 1.5))},
    {"color": BLUE},
)
BAND: dict[str, Any] = {"color": BLUE, "alpha": 0.22, "linewidth": 0}
SEEDS: dict[str, Any] = {"color": BLUE, "linewidth": 0.6, "linestyle": (0, (1, 1))}
DOT: dict[str, Any] = {"color": ORANGE, "edgecolor": "black", "s": 25, "clip_on": False, "zorder": 3}


@captioned
def performance(curves: Mapping[str, pd.DataFrame], prevalence: float, arms: Sequence[str]) -> Figure:
    """Performance.

    The reference, the last step's control and the primary arm, as far as they differ, with 95 % bands. Black lines
    without a band are chance, perfect calibration (scores mean what they say), treating all and treating none.

    Used by notebook 06. `curves`: roc, precision_recall, reliability, decision of the module `curves`.
    """
    panel: dict[str, tuple[str, str, str, Lines]] = {
        "roc": ("ROC", "1 − specificity", "sensitivity", CHANCE),
        "precision_recall": ("precision-recall", "sensitivity", "precision", {"": ([0, 1], [prevalence] * 2)}),
        "reliability": ("calibration", "score", "share labelled stenosis", CHANCE),
        "decision": ("decision curve", "threshold probability", "net benefit", {"": _treat_all(prevalence)}),
    }
    names = {"predicted": "x", "observed": "y", "threshold": "x", "net_benefit": "y"}
    figure, axes = panels(len(panel), 2, 1.0, 0.3)
    for cell, (kind, (title, x, y, lines)) in zip(axes, panel.items(), strict=True):
        for line in lines.values():
            cell.plot(*line, color="black", linewidth=0.9, linestyle=DASHES[0])
        for arm, look in zip(arms, LOOKS, strict=False):
            curve = curves[kind].rename(columns=names).loc[lambda rows, arm=arm: rows["arm"] == arm].sort_values("x")
            cell.fill_between(curve["x"], curve["low"], curve["high"], color=look["color"], alpha=0.2, linewidth=0)
            cell.plot(curve["x"], curve["y"], label=arm, **look)
        cell.set(title=title, xlabel=x, ylabel=y, box_aspect=1, **UNIT_SQUARE)
    axes[-1].axhline(0, color="black", linewidth=0.9, linestyle=DASHES[1])
    axes[-1].set(ylim=(-0.08, prevalence * 1.1))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.set_label(f"""ROC, precision-recall, calibration and decision curves of {listing(arms)}, over the lines of
        chance, perfect calibration, treat-all and treat-none; prevalence {prevalence:.2f}.""")
    return figure


def _treat_all(prevalence: float) -> tuple[np.ndarray, np.ndarray]:
    """Threshold probabilities, and the net benefit at each of treating everybody."""
    threshold = np.linspace(0, 0.98, 99)
    return threshold, prevalence - (1 - prevalence) * threshold / (1 - threshold)


@captioned
def roc(curves: pd.DataFrame, table: pd.DataFrame, reference: str = "basic") -> Figure:
    """ROC curves.

    The further above the dashed diagonal of chance, the better. The dot is the operating point, whose threshold was
    chosen on the validation set.

    Used by notebook 06. `curves` is `curves.roc` (arm, x, y, low, high, seeds_low, seeds_high), with 95 % bands;
    `table` is `curves.confusion`, at the validation threshold.
    """
    points = table.assign(x=table["fp"] / (table["fp"] + table["tn"]), y=table["tp"] / (table["tp"] + table["fn"]))
    figure = _curve_panels(curves, reference, ("1 − specificity", "sensitivity"), CHANCE, points)
    at = in_words(points.assign(specificity=1 - points["x"]), "{arm} {y:.2f} and {specificity:.2f}")
    figure.set_label(f"""ROC curves of {len(points)} arms with 95 % bands over the diagonal of chance. Sensitivity and
        specificity at the operating point: {at}.""")
    return figure


@captioned
def precision_recall(curves: pd.DataFrame, table: pd.DataFrame, prevalence: float, reference: str = "basic") -> Figure:
    """Precision-recall curves.

    The dashed line is chance: the prevalence. The dot is the operating point.

    Used by notebook 06. `curves` is `curves.precision_recall` (arm, x, y, low, high, seeds_low, seeds_high), with 95 %
    bands; `table` is `curves.confusion`.
    """
    points = table.assign(x=table["tp"] / (table["tp"] + table["fn"]), y=table["tp"] / (table["tp"] + table["fp"]))
    chance: Lines = {"chance": ([0, 1], [prevalence, prevalence])}
    figure = _curve_panels(curves, reference, ("sensitivity", "precision"), chance, points)
    at = in_words(points, "{arm} {y:.2f} at {x:.2f}")
    figure.set_label(f"""Precision-recall curves of {len(points)} arms with 95 % bands; chance is the prevalence,
        {prevalence:.2f}. Precision and sensitivity at the operating point: {at}.""")
    return figure


@captioned
def decision_curve(curves: pd.DataFrame, prevalence: float, reference: str = "basic") -> Figure:
    """Decision curves.

    An arm helps where its net benefit lies above both treating all and treating none. Scores are recalibrated on the
    validation set.

    Used by notebook 06. `curves` is `curves.decision` (Vickers & Elkin 2006): net benefit against the threshold
    probability, with 95 % bands.
    """
    defaults: Lines = {"treat all": _treat_all(prevalence), "treat none": ([0, 1], [0, 0])}
    drawn = curves.rename(columns={"threshold": "x", "net_benefit": "y"})
    figure = _curve_panels(drawn, reference, ("threshold probability", "net benefit"), defaults)
    figure.axes[0].set(ylim=(-0.08, prevalence * 1.1))  # of all: they share it
    half = {str(arm): np.interp(0.5, curve["x"], curve["y"]) for arm, curve in drawn.groupby("arm", sort=False)}
    figure.set_label(f"""Decision curves of {len(half)} arms with 95 % bands, treat-all and treat-none. Net benefit at a
        threshold probability of one half: {listing(f"{arm} {value:.2f}" for arm, value in half.items())};
        treat-all {2 * prevalence - 1:.2f}, treat-none 0.""")
    return figure


def _curve_panels(
    curves: pd.DataFrame, reference: str, labels: tuple[str, str], lines: Lines, points: pd.DataFrame | None = None
) -> Figure:
    """One panel an arm: its curve, band, range of the seeds and operating point (if any), over the reference arm's
    curve and the `lines` (x and y by name) that a system must beat."""
    arms = list(curves["arm"].unique())
    figure, axes = panels(len(arms), 4, 1.0, 0.1, sharex=True, sharey=True)
    behind = curves[curves["arm"] == reference]
    for cell, arm in zip(axes, arms, strict=True):
        curve = curves[curves["arm"] == arm]
        cell.set(title=arm, box_aspect=1, **UNIT_SQUARE)
        for (name, line), dashes in zip(lines.items(), DASHES, strict=False):
            cell.plot(*line, label=name, **{**REFERENCE, "color": "black", "linestyle": dashes})
        if arm != reference and len(behind):
            cell.plot(behind["x"], behind["y"], color=GREY, linewidth=0.9, label=reference)
        cell.fill_between(curve["x"], curve["low"], curve["high"], label="95 % interval, patients", **BAND)
        cell.plot(curve["x"], curve["seeds_low"], label="range of the seeds", **SEEDS)
        cell.plot(curve["x"], curve["seeds_high"], **SEEDS)
        cell.plot(curve["x"], curve["y"], color=BLUE, label="the arm, mean over seeds")
        if points is not None:
            cell.scatter("x", "y", data=points[points["arm"] == arm], label="operating point", **DOT)
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.supxlabel(labels[0])
    figure.supylabel(labels[1])
    return figure


@captioned
def confusion(table: pd.DataFrame) -> Figure:
    """Confusion matrices.

    Rows are the recorded label (the reference standard) and add up to 100 %, columns what the arm predicts. A system
    that guesses has two equal rows.

    Used by notebook 06. `table`: arm, tn, fp, fn, tp, numbers of test images at the validation threshold (means over
    seeds), which stand below the per cents.
    """
    figure, axes = panels(len(table), 4, 1.0, 0.2)
    look: dict[str, Any] = {"cmap": "Blues", "vmin": 0, "vmax": 1.6, "cbar": False, "square": True, "fmt": ""}
    look |= {"annot_kws": {"fontsize": 7, "color": "black"}, "xticklabels": NAMES, "yticklabels": NAMES}
    for cell, row in zip(axes, table.itertuples(), strict=True):
        counts = np.array([[row.tn, row.fp], [row.fn, row.tp]], float)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        texts = [f"{100 * share:.0f} %\n({count:.0f})" for share, count in zip(shares.flat, counts.flat, strict=True)]
        sns.heatmap(shares, annot=np.reshape(texts, (2, 2)), ax=cell, **look)
        cell.set_title(row.arm)
        cell.tick_params(length=0)
    figure.supxlabel("predicted")
    figure.supylabel("recorded label")
    figure.set_label(f"""Confusion matrices at the validation threshold, means over seeds. True negatives, false
        positives, false negatives and true positives:
        {in_words(table, "{arm} {tn:.0f}, {fp:.0f}, {fn:.0f}, {tp:.0f}")}.""")
    return figure


@captioned
def reliability(table: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """Calibration.

    On the dashed diagonal, scores mean what they say: of the radiographs scored 0.7, 70 % are positive. Below each
    curve, how often each score is given.

    Used by notebook 06. `table`: arm, predicted, observed, low, high (the 95 % interval), one row a bin; `scores`:
    arm, score.
    """
    arms, gaps = list(table["arm"].unique()), []
    figure, axes = panels(len(arms), 4, 1.2, 0.1, sharex=True, sharey=True)
    for cell, arm in zip(axes, arms, strict=True):
        part = table[table["arm"] == arm].sort_values("predicted")
        gap = np.average(np.abs(part["predicted"] - part["observed"]), weights=part.get("count"))
        gaps.append(f"{arm} {gap:.2f}")
        cell.plot(*CHANCE["chance"], label="chance", **REFERENCE)
        intervals(cell, part["predicted"], part["observed"], part["low"], part["high"], BLUE)
        cell.set(title=arm, **UNIT_SQUARE)
        cell.tick_params(labelbottom=False)  # below the histogram
        below = cell.inset_axes((0, -0.5, 1, 0.35), sharex=cell)
        values = scores.loc[scores["arm"] == arm, "score"]
        sns.histplot(values, bins=20, binrange=(0, 1), color=GREY, alpha=1, linewidth=0, ax=below)
        below.set(yticks=[], xlabel="", ylabel="")
        below.spines["left"].set_visible(False)
    figure.supxlabel("score")
    figure.supylabel("observed share labelled stenosis")
    figure.set_label(f"""Reliability curves of {len(arms)} arms with 95 % intervals over histograms of the scores. Mean
        distance from the diagonal of perfect calibration: {listing(gaps)}.""")
    return figure


@captioned
def gains(table: pd.DataFrame, reference: str = "basic", steps: Sequence[Sequence[str]] = ()) -> Figure:
    """Gains.

    Squares and lines: the gain and its 95 % interval, of the arms that are steps of the plan (of all, where it has
    none). Orange: the range that the paper claims for its method, on other data. Dashed: no gain.

    Used by notebook 06. `table` is gains.csv: arm, metric, gain, low, high, p_value, paper_low, paper_high; `steps` are
    those of the plan; without any, all arms are shown.
    """
    on_ladder = {arm for step in steps for arm in step} or set(table["arm"])
    table = table[table["arm"].isin(on_ladder)]
    table = table[(table["arm"] != reference) & table["metric"].isin(METRIC_NAMES) & table["gain"].notna()]
    arms, metrics = list(table["arm"].unique()), list(table["metric"].unique())
    if not metrics:
        figure, axes = panels(1, 1, 0.3)
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "no gain is estimable", ha="center")
        figure.set_label(f"No gain over {reference} is estimable on this test set, so nothing is drawn.")
        return figure
    figure, axes = panels(len(metrics), 3, 0.0, 0.62 + 0.2 * len(arms), sharex=True, sharey=True)
    for cell, metric in zip(axes, metrics, strict=True):
        part = table[table["metric"] == metric]
        claimed = part[["paper_low", "paper_high"]].dropna()
        if len(claimed):
            band = cell.axvspan(*claimed.iloc[0], color=ORANGE, alpha=0.35, linewidth=0)
        cell.axvline(0, **REFERENCE)
        place = part["arm"].map(arms.index)
        intervals(cell, part["gain"], place, part["low"], part["high"], BLUE, across=True, marker="s")
        cell.set(title=METRIC_NAMES[metric], yticks=range(len(arms)), yticklabels=arms, ylim=(len(arms) - 0.4, -0.6))
    figure.supxlabel(f"gain over {reference} (percentage points, 95 % interval)")
    if table["paper_low"].notna().any():
        figure.legend([band], ["claimed by Park et al. 2023 (other data)"], loc="outside upper right")
    first = table[table["metric"] == metrics[0]]
    values = in_words(first, "{arm} {gain:+.1f} ({low:+.1f} to {high:+.1f})")
    figure.set_label(f"""Forest plot of the gain over {reference} in
        {listing(METRIC_NAMES[metric] for metric in metrics)}, in percentage points, beside the paper's claimed ranges
        (other data). {METRIC_NAMES[metrics[0]]}: {values}.""")
    return figure
