"""Figures of notebook 06: how well the arms tell the classes apart, with the uncertainty of everything drawn.

A panel shows one arm; the reference arm's curve stands in grey behind each of the others.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foramen.figures.style import (
    BLUE,
    COLUMN,
    GREY,
    MARKERS,
    ORANGE,
    PAGE,
    PALETTE,
    REFERENCE,
    balanced,
    describe,
    listing,
    panels,
    styled,
    subplots,
)

METRIC_NAMES = {
    "accuracy": "accuracy",
    "f1": "F1 score",
    "specificity": "specificity",
    "sensitivity": "sensitivity",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
}


@styled
def roc(curves: pd.DataFrame, table: pd.DataFrame, reference: str = "basic") -> Figure:
    """ROC curve of each arm with its 95 % band and operating point; dashed: chance. Used by notebook 06.

    `curves` is `curves.roc` (arm, x, y, low, high, seeds_low, seeds_high); `table` is `curves.confusion`, at
    the validation threshold.
    """
    points = table.assign(x=table["fp"] / (table["fp"] + table["tn"]), y=table["tp"] / (table["tp"] + table["fn"]))
    figure = _curve_panels(curves, points, reference, ("1 − specificity", "sensitivity"), _diagonal)
    at = listing(f"{p.arm} {p.y:.2f} and {1 - p.x:.2f}" for p in points.itertuples())
    return describe(
        figure,
        f"ROC curves of {len(points)} arms with 95 % bands over the diagonal of chance. Sensitivity and "
        f"specificity at the operating point: {at}.",
    )


@styled
def precision_recall(curves: pd.DataFrame, table: pd.DataFrame, prevalence: float, reference: str = "basic") -> Figure:
    """Precision against sensitivity, 95 % band, operating point; dashed: the prevalence. Used by notebook 06.

    `curves` is `curves.precision_recall` (arm, x, y, low, high, seeds_low, seeds_high); `table` is
    `curves.confusion`.
    """
    points = table.assign(x=table["tp"] / (table["tp"] + table["fn"]), y=table["tp"] / (table["tp"] + table["fp"]))
    figure = _curve_panels(
        curves,
        points,
        reference,
        ("sensitivity", "precision"),
        lambda axes: axes.axhline(prevalence, label="chance", **REFERENCE),
    )
    at = listing(f"{p.arm} {p.y:.2f} at {p.x:.2f}" for p in points.itertuples())
    return describe(
        figure,
        f"Precision-recall curves of {len(points)} arms with 95 % bands; chance is the prevalence, "
        f"{prevalence:.2f}. Precision and sensitivity at the operating point: {at}.",
    )


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], label="chance", **REFERENCE)


def _curve_panels(curves: pd.DataFrame, points: pd.DataFrame, reference: str, labels: tuple, chance) -> Figure:
    """One square panel an arm: its curve, band and operating point over the reference arm's curve."""
    arms = list(curves["arm"].unique())
    figure, axes = panels(len(arms), 4, 1.0, 0.1, sharex=True, sharey=True)
    behind = curves[curves["arm"] == reference]
    for cell, arm in zip(axes, arms, strict=True):
        curve, point = curves[curves["arm"] == arm], points[points["arm"] == arm]
        chance(cell)
        if arm != reference and len(behind):
            cell.plot(behind["x"], behind["y"], color=GREY, linewidth=0.9, label=reference)
        band = cell.fill_between(curve["x"], curve["low"], curve["high"], color=BLUE, alpha=0.22, linewidth=0)
        for edge in ("seeds_low", "seeds_high"):
            (seeds,) = cell.plot(curve["x"], curve[edge], color=BLUE, linewidth=0.6, linestyle=(0, (1, 1)))
        cell.plot(curve["x"], curve["y"], color=BLUE, label="the arm, mean over seeds")
        band.set_label("95 % interval, patients")
        seeds.set_label("range of the seeds")
        cell.plot(
            point["x"],
            point["y"],
            "o",
            color=ORANGE,
            markeredgecolor="black",
            markersize=5,
            linestyle="none",
            clip_on=False,
            zorder=3,
            label="operating point",
        )
        cell.set(xlim=(0, 1), ylim=(0, 1.005), title=arm, aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.supxlabel(labels[0], fontsize=8)
    figure.supylabel(labels[1], fontsize=8)
    return figure


@styled
def confusion(table: pd.DataFrame) -> Figure:
    """Confusion matrix of each arm in per cent of the true class, counts below. Used by notebook 06.

    `table`: arm, tn, fp, fn, tp, numbers of test images (means over seeds). The operating point is the
    validation threshold. A system that guesses has equal rows.
    """
    figure, axes = panels(len(table), 4, 1.0, 0.2)
    for cell, row in zip(axes, table.itertuples(), strict=True):
        counts = np.array([[row.tn, row.fp], [row.fn, row.tp]], float)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        cell.imshow(shares, cmap="Blues", vmin=0, vmax=1.1)
        for (i, j), share in np.ndenumerate(shares):
            text = f"{100 * share:.0f} %\n({counts[i, j]:.0f})"
            cell.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if share > 0.65 else "black")
        cell.set(xticks=[0, 1], yticks=[0, 1], xticklabels=["none", "stenosis"], title=row.arm)
        cell.set_yticklabels(["none", "stenosis"], rotation=90, va="center")
        cell.tick_params(length=0)
        cell.spines[:].set_visible(False)
    figure.supxlabel("called", fontsize=8)
    figure.supylabel("truth", fontsize=8)
    cells = listing(f"{r.arm} {r.tn:.0f}, {r.fp:.0f}, {r.fn:.0f}, {r.tp:.0f}" for r in table.itertuples())
    return describe(
        figure,
        "Confusion matrices at the validation threshold, means over seeds. True negatives, false positives, "
        f"false negatives and true positives: {cells}.",
    )


@styled
def reliability(table: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """Observed share of stenosis against score, 95 % intervals, over the histogram of scores. Notebook 06.

    `table`: arm, predicted, observed, low, high (one row a bin); `scores`: arm, score. Dashed: perfect
    calibration.
    """
    arms = list(table["arm"].unique())
    columns = balanced(len(arms), 4)
    rows = -(-len(arms) // columns)
    figure, grid = subplots(
        2 * rows,
        columns,
        figsize=(PAGE * columns / max(columns, 3), 2.5 * rows),
        sharex=True,
        height_ratios=[3, 1] * rows,
    )
    for spare in grid.flat:
        spare.set_axis_off()
    for i, arm in enumerate(arms):
        upper, lower = grid[2 * (i // columns), i % columns], grid[2 * (i // columns) + 1, i % columns]
        part = table[table["arm"] == arm].sort_values("predicted")
        _reliability_panel(upper, part, arm)
        lower.set_axis_on()
        lower.hist(scores.loc[scores["arm"] == arm, "score"], bins=np.linspace(0, 1, 21), color=GREY)
        lower.set(yticks=[], xlim=(0, 1), xticks=[0, 0.5, 1])
        lower.spines["left"].set_visible(False)
    figure.supxlabel("score", fontsize=8)
    figure.supylabel("observed share with stenosis", fontsize=8)
    gaps = {
        arm: np.average(np.abs(part["predicted"] - part["observed"]), weights=part.get("count"))
        for arm, part in table.groupby("arm", sort=False)
    }
    return describe(
        figure,
        f"Reliability curves of {len(arms)} arms with 95 % intervals over histograms of the scores. Mean "
        "distance from the diagonal of perfect calibration: "
        f"{listing(f'{arm} {gap:.2f}' for arm, gap in gaps.items())}.",
    )


def _reliability_panel(axes: Axes, part: pd.DataFrame, arm: str) -> None:
    axes.set_axis_on()
    _diagonal(axes)
    whiskers = np.array([part["observed"] - part["low"], part["high"] - part["observed"]]).clip(min=0)
    axes.errorbar(
        part["predicted"], part["observed"], yerr=whiskers, color=BLUE, marker="o", markersize=3.5, elinewidth=0.8
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), title=arm, yticks=[0, 0.5, 1])


@styled
def decision_curve(curves: pd.DataFrame, prevalence: float, reference: str = "basic") -> Figure:
    """Net benefit against the threshold probability, with 95 % bands, treat-all and treat-none. Notebook 06.

    `curves` is `curves.decision` (Vickers & Elkin 2006). A system is useful where it lies
    above both lines.
    """
    arms = list(curves["arm"].unique())
    figure, axes = panels(len(arms), 4, 0.9, sharex=True, sharey=True)
    behind = curves[curves["arm"] == reference]
    for cell, arm in zip(axes, arms, strict=True):
        curve = curves[curves["arm"] == arm]
        threshold = np.linspace(0, 0.98, 99)
        treat_all = prevalence - (1 - prevalence) * threshold / (1 - threshold)
        cell.plot(threshold, treat_all, color="black", linewidth=0.9, linestyle=(0, (5, 2)), label="treat all")
        cell.axhline(0, color="black", linewidth=0.9, linestyle=(0, (1, 1.5)), label="treat none")
        if arm != reference and len(behind):
            cell.plot(behind["threshold"], behind["net_benefit"], color=GREY, linewidth=0.9, label=reference)
        cell.fill_between(curve["threshold"], curve["low"], curve["high"], color=BLUE, alpha=0.22, linewidth=0)
        for edge in ("seeds_low", "seeds_high"):
            cell.plot(curve["threshold"], curve[edge], color=BLUE, linewidth=0.6, linestyle=(0, (1, 1)))
        cell.plot(curve["threshold"], curve["net_benefit"], color=BLUE, label="the arm, mean over seeds")
        cell.set(xlim=(0, 1), ylim=(-0.08, prevalence * 1.1), title=arm, xticks=[0, 0.5, 1])
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    figure.supxlabel("threshold probability", fontsize=8)
    figure.supylabel("net benefit", fontsize=8)
    half = {arm: np.interp(0.5, c["threshold"], c["net_benefit"]) for arm, c in curves.groupby("arm", sort=False)}
    return describe(
        figure,
        f"Decision curves of {len(arms)} arms with 95 % bands, treat-all and treat-none. Net benefit at a "
        f"threshold probability of one half: {listing(f'{arm} {value:.2f}' for arm, value in half.items())}; "
        f"treat-all {2 * prevalence - 1:.2f}, treat-none 0.",
    )


@styled
def gains(table: pd.DataFrame, reference: str = "basic") -> Figure:
    """Gain of each arm over the reference, 95 % interval, beside the range the paper claims. Notebook 06.

    `table` is gains.csv: arm, metric, gain, low, high, p_value, paper_low, paper_high. Dashed: no gain. The
    paper's ranges are from other data.
    """
    table = table[(table["arm"] != reference) & table["metric"].isin(METRIC_NAMES) & table["gain"].notna()]
    arms, metrics = list(table["arm"].unique()), list(table["metric"].unique())
    figure, axes = panels(len(metrics), 3, 0.0, 0.62 + 0.2 * len(arms), sharex=True, sharey=True)
    place = {arm: len(arms) - 1 - i for i, arm in enumerate(arms)}
    for cell, metric in zip(axes, metrics, strict=True):
        part = table[table["metric"] == metric]
        claimed = part[["paper_low", "paper_high"]].dropna()
        if len(claimed):
            band = cell.axvspan(*claimed.iloc[0], color=ORANGE, alpha=0.35, linewidth=0)
        cell.axvline(0, **REFERENCE)
        where = part["arm"].map(place)
        cell.hlines(where, part["low"], part["high"], color=BLUE, linewidth=1.4)
        cell.plot(part["gain"], where, "s", color=BLUE, markersize=4.5)
        cell.set(title=METRIC_NAMES.get(metric, metric), yticks=list(place.values()), yticklabels=list(place))
        cell.set_ylim(-0.6, len(arms) - 0.4)
    figure.supxlabel(f"gain over {reference} (points, 95 % interval)", fontsize=8)
    if table["paper_low"].notna().any():
        figure.legend([band], ["claimed by Park et al. 2023 (other data)"], loc="outside upper right")
    first = table[table["metric"] == metrics[0]]
    values = listing(f"{r.arm} {r.gain:+.1f} ({r.low:+.1f} to {r.high:+.1f})" for r in first.itertuples())
    return describe(
        figure,
        f"Forest plot of the gain over {reference} in {listing(METRIC_NAMES.get(m, m) for m in metrics)}, in "
        "percentage points, beside the paper's claimed ranges (other data). "
        f"{METRIC_NAMES.get(metrics[0], metrics[0])}: {values}.",
    )


@styled
def gain_curves(table: pd.DataFrame) -> Figure:
    """How much an arm gains over its control as a nuisance grows, 95 % intervals. Used by notebook 06.

    `table` is `gain_curves.measure`: sweep, factor, arm, reference, metric, gain, low, high. Dashed: no gain.
    """
    table = table[table["metric"].isin(METRIC_NAMES) & table["gain"].notna()]
    sweeps, metrics = list(table["sweep"].unique()), list(table["metric"].unique())
    figure, axes = panels(len(sweeps), 3, 0.75, 0.4, sharey=True)
    for cell, name in zip(axes, sweeps, strict=True):
        part = table[table["sweep"] == name]
        width = 0.03 * (part["factor"].max() or 1)
        for i, metric in enumerate(metrics):
            row = part[part["metric"] == metric].sort_values("factor")
            x = row["factor"] + (i - (len(metrics) - 1) / 2) * width
            _with_intervals(cell, x, row[["gain", "low", "high"]], i, METRIC_NAMES[metric])
        cell.axhline(0, **REFERENCE)
        first = part.iloc[0]
        cell.set(title=name.replace("_", " "), xlabel=f"times the study's\n{first.arm} over {first.reference}")
        cell.set_xticks(sorted(part["factor"].unique()))
    axes[0].set_ylabel("gain (points, 95 % interval)")
    axes[0].legend(fontsize=7)
    words = [
        f"{name}, {metrics[0]}: "
        + listing(
            f"{row.gain:+.1f} at {row.factor:g}"
            for row in table[(table["sweep"] == name) & (table["metric"] == metrics[0])].itertuples()
        )
        for name in sweeps
    ]
    return describe(figure, f"Gain in points against the size of a nuisance. {'; '.join(words)}.")


def _with_intervals(cell: Axes, x: pd.Series, values: pd.DataFrame, i: int, label: str) -> None:
    """The i-th line of a panel: estimate, low and high (columns of `values`, in this order) at x."""
    middle, low, high = (values.iloc[:, k] for k in range(3))
    cell.plot(x, middle, MARKERS[i] + "-", color=PALETTE[i], markersize=4, label=label)
    cell.vlines(x, low, high, color=PALETTE[i], linewidth=1.3)


@styled
def learning_curves(table: pd.DataFrame) -> Figure:
    """Results of an arm and of its control against the number of training radiographs. Used by notebook 06.

    `table` is `gain_curves.learning`: metric, arm, reference, n_train, and estimate, low and high of both.
    """
    metrics = [metric for metric in METRIC_NAMES if metric in set(table["metric"])]
    figure, axes = panels(len(metrics), 3, 0.85, 0.4)
    words = []
    for cell, metric in zip(axes, metrics, strict=True):
        part = table[table["metric"] == metric].sort_values("n_train")
        first = part.iloc[0]
        shown = {first.reference: ["reference_estimate", "reference_low", "reference_high"]}
        shown[first.arm] = ["estimate", "estimate_low", "estimate_high"]
        for i, (arm, columns) in enumerate(shown.items()):
            _with_intervals(cell, part["n_train"] * 1.02 ** (2 * i - 1), part[columns], i, arm)
            values = zip(part["n_train"], part[columns[0]], strict=True)
            words.append(f"{METRIC_NAMES[metric]} of {arm} " + listing(f"{v:.2f} with {n:,}" for n, v in values))
        if metric == "auroc":  # chance of the others depends on the prevalence
            cell.axhline(0.5, **REFERENCE)
        cell.set_xscale("log")
        cell.set_xticks(part["n_train"], [f"{n:,}" for n in part["n_train"]])
        cell.set_xticks([], minor=True)
        cell.set(xlabel="training radiographs", ylabel=METRIC_NAMES[metric])
    axes[0].legend(fontsize=7, loc="upper left")
    return describe(figure, f"Learning curves, 95 % intervals; dashed: chance of the AUROC: {'; '.join(words)}.")


@styled
def subgroups(table: pd.DataFrame, results: pd.DataFrame, arms: list[str], metric: str = "auroc") -> Figure:
    """Forest plot of one metric in subgroups of the test set, 95 % intervals. Used by notebook 06.

    `table` is `statistics.subgroups`, `results` is `statistics.results`. Dashed: the arm on the whole test
    set.
    """
    table = table[(table["metric"] == metric) & table["arm"].isin(arms) & (table["subgroup"] != "all")]
    whole = results[results["metric"] == metric].set_index("arm")["estimate"]
    rows = list(table[["subgroup", "value"]].drop_duplicates().itertuples(index=False, name=None))
    place = {key: -i - 0.6 * len({k[0] for k in rows[: i + 1]}) for i, key in enumerate(rows)}
    size = (max(COLUMN, PAGE * (len(arms) + 1) / 4), 0.8 + 0.175 * len(rows))
    figure, axes = subplots(1, len(arms), figsize=size, sharex=True, sharey=True)
    for i, (cell, arm) in enumerate(zip(axes[0], arms, strict=True)):
        part = table[(table["arm"] == arm) & table["estimate"].notna()]
        where = [place[key] for key in zip(part["subgroup"], part["value"], strict=True)]
        colour = PALETTE[i % len(PALETTE)]
        cell.hlines(where, part["low"], part["high"], color=colour, linewidth=1.3)
        cell.plot(part["estimate"], where, MARKERS[i % len(MARKERS)], color=colour, markersize=4)
        cell.axvline(whole[arm], **REFERENCE)
        cell.set(title=arm, xlabel=METRIC_NAMES.get(metric, metric), ylim=(min(place.values()) - 0.7, 0))
    counts = table.drop_duplicates(["subgroup", "value"]).set_index(["subgroup", "value"])["n_images"]
    names = [f"{group.replace('_', ' ')}: {value} ({counts[group, value]})" for group, value in rows]
    axes[0, 0].set_yticks(list(place.values()), names)
    extremes = listing(_range(arm, part) for arm, part in table.dropna(subset="estimate").groupby("arm", sort=False))
    return describe(
        figure,
        f"{METRIC_NAMES.get(metric, metric)} with 95 % intervals in {len(rows)} subgroups of the test set: {extremes}.",
    )


def _range(arm: str, part: pd.DataFrame) -> str:
    low, high = part.loc[part["estimate"].idxmin()], part.loc[part["estimate"].idxmax()]
    ends = [f"{row.estimate:.2f} ({row.subgroup.replace('_', ' ')} {row.value})" for row in (low, high)]
    return f"{arm} from {ends[0]} to {ends[1]}"
