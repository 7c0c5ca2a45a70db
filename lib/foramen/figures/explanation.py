"""Figures of notebook 08: where the networks look, whether that can be believed, and the errors."""

from collections.abc import Sequence
from textwrap import fill, wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from foramen.figures.drawing import in_words, intervals, listing, panels, picture, rows_of_pictures
from foramen.figures.evaluation import LOOKS
from foramen.figures.style import BLUE, CLASSES, GREY, MARKERS, PAGE, PALETTE, REFERENCE, SKY, VERMILION, captioned

MEASURES = {"pointing_game": "peak at a foramen (share)", "auprc": "area under precision-recall"}
LABEL_WIDTH, NOTE_WIDTH = 12, 34  # characters beside and under a picture
FACTS: dict[str, dict[str, Any]] = {
    "narrowness": {"color": BLUE, "marker": "o"},
    "signs": {"color": VERMILION, "marker": "s"},
    "age": {"color": GREY, "marker": "D"},
}
FOLLOWED, RANGE = "{arm} {narrowness:.2f} and {signs:.2f}", "{arm} {min:.2f} to {max:.2f}"
READERS: dict[str, dict[str, Any]] = {
    "signs and age": {"color": VERMILION, "linestyle": (0, (3, 1, 1, 1)), "marker": "^"},
    "label-noise ceiling": {"color": "black", "linestyle": (0, (3, 2)), "marker": "none"},
}


@captioned
def score_follows(follows: pd.DataFrame, fifths: pd.DataFrame, grades: pd.DataFrame, arms: Sequence[str]) -> Figure:
    """Does the network read the foramen?

    Left: how much each arm's score follows the narrowest foramen, the signs beside it (disc loss, osteophytes) and age,
    in one regression; a network that reads the foramen has its circle right of its square. The last two rows are the
    scale: a guess from signs and age, which sees no foramen, and a reader who errs by the labels' noise alone. Middle:
    how well scores tell the label among radiographs that show the signs alike. Right: the share called positive by the
    worst true grade. There a guess from the signs rises, too: what counts is the distance from its line. Bars: 95 %
    intervals.

    Used by notebook 08. The tables are `follows.followed`, `shortcuts.within_fifths` and `follows.called_by`, all with
    the two readers; the last two panels show the `arms` given, at most three (the primary arm last), and these.
    """
    names, lines = list(follows["arm"].unique()), {**dict(zip(arms, LOOKS, strict=False)), **READERS}
    height = max(2.6, 0.24 * len(names) + 0.8)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(PAGE, height), width_ratios=[1.1, 1, 1])
    for shift, (fact, look) in zip((-0.2, 0, 0.2), FACTS.items(), strict=True):
        part = follows[follows["fact"] == fact].set_index("arm").loc[names]
        place = np.arange(len(names)) + shift
        intervals(left, part["estimate"], place, part["low"], part["high"], across=True, label=fact, **look)
    left.axvline(0, **REFERENCE)
    left.set(yticks=range(len(names)), ylim=(len(names) - 0.4, -0.6), xlabel="standardised coefficient")
    left.set_yticklabels([fill(name, LABEL_WIDTH + 2) for name in names])
    left.legend(loc="lower center", bbox_to_anchor=(0.3, 1), ncols=3, handletextpad=0, columnspacing=0.8)
    for cell, table, x in ((middle, fifths, "fifth"), (right, grades, "grade")):
        for shift, (arm, look) in zip(np.linspace(-0.1, 0.1, len(lines)), lines.items(), strict=True):
            part = table[table["arm"] == arm]
            intervals(cell, part[x] + shift, part["estimate"], part["low"], part["high"], label=arm, **look)
    middle.set(xlabel="fifth of the radiographs,\nfrom fewest to most signs", ylabel="AUROC", ylim=(None, 1.01))
    middle.set_xticks(sorted(fifths["fifth"].unique()))
    right.set(xlabel="worst true grade", ylabel="share called positive", ylim=(0, 1.02))
    right.set_xticks(sorted(grades["grade"].unique()))
    figure.legend(*middle.get_legend_handles_labels(), loc="outside upper right", ncols=len(lines))
    table = follows.pivot(index="arm", columns="fact", values="estimate").loc[names].reset_index()
    least, worst = grades["grade"].min(), grades["grade"].max()
    by_grade = grades.pivot(index="arm", columns="grade", values="estimate").loc[list(lines)]
    shares = listing(f"{arm} {row[least]:.0%} and {row[worst]:.0%}" for arm, row in by_grade.iterrows())
    areas = fifths.groupby("arm")["estimate"].agg(["min", "max"]).loc[list(lines)].reset_index()
    figure.set_label(f"""Standardised coefficients of narrowness and signs: {in_words(table, FOLLOWED)}. Called positive
        at grade {least} and {worst}: {shares}. AUROC in the fifths of the signs: {in_words(areas, RANGE)}.""")
    return figure


@captioned
def saliency(
    images: np.ndarray,
    maps: dict[str, np.ndarray],
    masks: np.ndarray | None,
    rows: pd.DataFrame,
    side_mm: ArrayLike = np.nan,
) -> Figure:
    """Saliency maps.

    Where the network's features speak for the class it called, on test images chosen by rule. A map that looks right
    proves nothing by itself. Scale bars: 20 mm on the film.

    Used by notebook 08. `images` (n,S,S); `maps` row title -> (n,S,S) non-negative; `masks` (n,S,S), non-zero inside
    the true foramina, or None; `rows` n rows with label, score and `rule` (why the image was chosen).
    """
    n, side = len(images), PAGE / max(len(images), 4)
    figure, axes = plt.subplots(len(maps) + 1, n, figsize=(side * n, side * (len(maps) + 1) + 0.4), squeeze=False)
    overlaid = {fill(name, LABEL_WIDTH): list(map(_overlay, images, stack)) for name, stack in maps.items()}
    rows_of_pictures(axes, {"radiograph": images, **overlaid}, side_mm)
    for cell, row in zip(axes[0], rows.itertuples(), strict=True):
        cell.set_title(f"{row.rule}\n{CLASSES[row.label]}\nscore {row.score:.2f}", fontsize=6, pad=2)
    empty = axes[1:][[[not map_.any() for map_ in stack] for stack in maps.values()]]
    for cell in empty:
        cell.set_xlabel("zero everywhere", fontsize=6)
    for column, mask in zip(axes.T, [] if masks is None else masks, strict=False):
        for cell in column if mask.any() else []:
            cell.contour(mask > 0, levels=[0.5], colors=[SKY], linewidths=0.6)
    outline = "; outlined: the true foramina" if masks is not None else ""
    figure.set_label(f"""{n} test radiographs chosen by rule, each with {listing(maps)}{outline}. {len(empty)} of
        {n * len(maps)} maps are zero everywhere.""")
    return figure


def _overlay(image: np.ndarray, map_: np.ndarray) -> np.ndarray:
    """Grey image (S,S) with a map over it, opaque where it is high: (S,S,3), 0 to 1."""
    strength = map_ / (map_.max() or 1)
    opacity = 0.75 * np.sqrt(strength)[..., None]
    grey = (image - image.min()) / max(np.ptp(image), 1)
    return (1 - opacity) * grey[..., None] + opacity * plt.get_cmap("inferno")(strength)[..., :3]


@captioned
def saliency_checks(overlap: pd.DataFrame, cascade: pd.DataFrame) -> Figure:
    """Are the maps to be believed?

    Last: how alike a map is to that of the trained network (1: the same order of pixels) when the network is randomised
    from its output down; a map of what was learned falls to zero. Before it, where the true foramina are known (a
    synthetic cohort): how often a map peaks at one, near its edge included, and how well it ranks their pixels.
    Grad-CAM (blue) shows something of its own only where it is beyond what needs no training (grey): the same network
    with its values shuffled, an edge detector, the middle of the image. Lines: 95 % intervals; dashed: chance.

    Used by notebook 08. `overlap`: arm, method, measure (`pointing_game`, `auprc`), estimate, low, high, chance.
    `cascade`: arm, randomised (stages from the output down), similarity, low, high (rank correlation with the map of
    the trained network; Adebayo et al. 2018). Either may be empty.
    """
    measures = list(overlap["measure"].unique())
    figure, axes = panels(len(measures) + 1, 3, 1.0)
    named = overlap.assign(name=(overlap["method"] + "\n" + overlap["arm"]).str.strip())
    for cell, measure in zip(axes, measures, strict=False):
        _overlap(cell, named[named["measure"] == measure], MEASURES[measure])
        if cell is not axes[0]:
            cell.set_yticklabels([])
    _cascade(axes[-1], cascade)
    words = ["Checks of the saliency maps."]
    for measure in measures[:1]:
        part = named[named["measure"] == measure].replace({"name": "\n"}, " ", regex=True)
        found = in_words(part, "{name} {estimate:.2f}")
        words.append(f"{MEASURES[measure].capitalize()}: {found}; chance {part['chance'].mean():.2f}.")
    words += [] if measures else ["There are no masks of the true foramina to compare with."]
    if len(cascade):
        left = in_words(cascade.groupby("arm", sort=False).last().reset_index(), "{arm} {similarity:.2f}")
        words.append(f"Rank correlation with the trained network's map once every stage is randomised: {left}.")
    figure.set_label(" ".join(words))
    return figure


def _overlap(axes: Axes, part: pd.DataFrame, measure: str) -> None:
    """A bar for each method with its interval, Grad-CAM in blue; dashed: chance."""
    colours = [BLUE if "Grad-CAM" in name else GREY for name in part["name"]]
    look = {"palette": colours, "saturation": 1, "width": 0.6, "legend": False}
    sns.barplot(part, x="estimate", y="name", hue="name", ax=axes, **look)
    axes.hlines(range(len(part)), part["low"], part["high"], color="black", linewidth=1)
    axes.axvline(part["chance"].mean(), **{**REFERENCE, "color": "black", "zorder": 3})
    axes.tick_params(axis="y", labelsize=6)
    axes.set(xlabel=measure, ylabel="", xlim=(0, None))


def _cascade(axes: Axes, cascade: pd.DataFrame) -> None:
    for colour, marker, (arm, part) in zip(PALETTE, MARKERS, cascade.groupby("arm", sort=False), strict=False):
        axes.fill_between(part["randomised"], part["low"], part["high"], color=colour, alpha=0.2, linewidth=0)
        axes.plot(part["randomised"], part["similarity"], marker=marker, markersize=3.5, color=colour, label=arm)
        axes.legend()
    axes.tick_params(axis="x", rotation=45)
    axes.axhline(0, **REFERENCE)
    axes.set(ylabel="rank correlation with the map\nof the trained network", xlabel="randomised down to")


@captioned
def errors(images: np.ndarray, rows: pd.DataFrame, side_mm: ArrayLike = np.nan) -> Figure:
    """The most confident errors.

    Chosen by rule: the test images that are furthest on the wrong side of the threshold, as many false negatives as
    false positives where there are enough. The label is the recorded one. Scale bars: 20 mm on the film.

    Used by notebook 08. `images` (n,S,S), surest first; `rows` n rows with image_id, label, score and, where the
    anatomy is known, a `note` on it.
    """
    figure, axes = panels(len(images), 4, 1.0, 0.6)
    sides = np.broadcast_to(side_mm, len(images))
    for cell, image, side, row in zip(axes, images, sides, rows.itertuples(), strict=True):
        picture(cell, image, f"label: {CLASSES[row.label]}\nscore {row.score:.2f}", side)
        cell.set_xlabel("\n".join([row.image_id, *wrap(getattr(row, "note", ""), NOTE_WIDTH)]), fontsize=6)
    missed = int((rows["label"] == 1).sum())
    figure.set_label(f"""The {len(rows)} most confident errors on the test set: {missed} radiographs labelled stenosis
        scored low and {len(rows) - missed} labelled without stenosis scored high.""")
    return figure
