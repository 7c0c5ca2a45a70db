"""Figures of notebook 08: where the networks look, whether that can be believed, and the errors."""

from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from foramen.figures.style import (
    BLUE,
    CLASSES,
    GREY,
    MARKERS,
    PAGE,
    PALETTE,
    REFERENCE,
    SKY,
    captioned,
    describe,
    listing,
    panels,
    picture,
    records,
)

MEASURES = {"pointing_game": "peak inside a foramen (share)", "auprc": "area under precision-recall"}
NOTE_WIDTH = 34  # characters under a picture


@captioned(
    "Saliency maps",
    "Where the network's features speak for the class it called, on test images chosen by rule. A map "
    "that looks right proves nothing by itself.",
)
def saliency(images: np.ndarray, maps: dict[str, np.ndarray], masks: np.ndarray | None, rows: pd.DataFrame) -> Figure:
    """Saliency maps on the radiographs they explain. Used by notebook 08.

    `images` (n,S,S); `maps` column title -> (n,S,S) non-negative; `masks` (n,S,S), non-zero inside the true
    foramina, or None; `rows` n rows with label, score and `rule` (why the image was chosen).
    """
    n, empty, side = len(images), 0, PAGE / max(len(images), 4)
    size = (side * n, side * (len(maps) + 1) + 0.4)
    figure, axes = plt.subplots(len(maps) + 1, n, figsize=size, squeeze=False)
    for i, row in enumerate(records(rows)):
        picture(axes[0, i], images[i])
        axes[0, i].set_title(f"{row.rule}\n{CLASSES[row.label]}\nscore {row.score:.2f}", fontsize=6, pad=2)
        for cell, stack in zip(axes[1:, i], maps.values(), strict=True):
            empty += _overlay(cell, images[i], stack[i])
        if masks is not None and masks[i].any():
            for cell in axes[:, i]:
                cell.contour(masks[i] > 0, levels=[0.5], colors=[SKY], linewidths=0.6)
    for cell, name in zip(axes[:, 0], ["radiograph", *maps], strict=True):
        cell.set_ylabel(name, fontsize=6)
    outline = "; outlined: the true foramina" if masks is not None else ""
    return describe(
        figure,
        f"{n} test radiographs chosen by rule, each with {listing(maps)}{outline}. {empty} of "
        f"{n * len(maps)} maps are zero everywhere.",
    )


def _overlay(axes: Axes, image: np.ndarray, map_: np.ndarray) -> bool:
    """Draw an image with a map over it, opaque where it is high; True where the map is zero everywhere."""
    if map_.max() <= 0:
        picture(axes, image)
        note: dict[str, Any] = {
            "color": "white",
            "ha": "center",
            "fontsize": 6,
            "bbox": {"facecolor": "black", "pad": 1},
        }
        axes.text(0.5, 0.05, "zero everywhere", transform=axes.transAxes, **note)
        return True
    strength = map_ / map_.max()
    opacity = 0.75 * np.sqrt(strength)[..., None]
    grey = (image - image.min()) / max(np.ptp(image), 1)
    picture(axes, (1 - opacity) * grey[..., None] + opacity * plt.get_cmap("inferno")(strength)[..., :3])
    return False


@captioned(
    "Are the maps to be believed?",
    "A map that shows what was learned changes as the network is randomised. Where the true foramina are known (a "
    "synthetic cohort): do the maps find them better than an edge detector, the middle of the image, or the same "
    "network with its values shuffled?",
)
def saliency_checks(overlap: pd.DataFrame, cascade: pd.DataFrame) -> Figure:
    """Do the maps find the true foramina, do they depend on what the network learned? Notebook 08.

    `overlap`: arm, method, measure (`pointing_game`, `auprc`), estimate, low, high, chance. `cascade`: arm,
    randomised (stages from the output down), similarity, low, high (rank correlation with the map of the
    trained network; Adebayo et al. 2018). Either may be empty.
    """
    measures = list(overlap["measure"].unique()) if len(overlap) else []
    figure, axes = panels(len(measures) + 1, 3, 1.0)
    for cell, measure in zip(axes, measures, strict=False):
        _overlap(cell, overlap[overlap["measure"] == measure], MEASURES.get(measure, measure))
        if cell is not axes[0]:
            cell.set_yticklabels([])
    _cascade(axes[-1], cascade)
    return describe(figure, f"Checks of the saliency maps. {_overlap_words(overlap)} {_cascade_words(cascade)}")


def _overlap(axes: Axes, part: pd.DataFrame, measure: str) -> None:
    """A bar for each method with its interval, Grad-CAM in blue; dashed: chance."""
    names = (part["method"] + "\n" + part["arm"]).str.strip()
    colours = {name: BLUE if "Grad-CAM" in name else GREY for name in names}
    sns.barplot(x=part["estimate"], y=names, hue=names, palette=colours, saturation=1, width=0.6, legend=False, ax=axes)
    axes.hlines(range(len(part)), part["low"], part["high"], color="black", linewidth=1)
    axes.axvline(part["chance"].mean(), **{**REFERENCE, "color": "black", "zorder": 3})
    axes.tick_params(axis="y", labelsize=6)
    axes.set(xlabel=measure, ylabel="", xlim=(0, None))


def _overlap_words(overlap: pd.DataFrame) -> str:
    if not len(overlap):
        return "There are no masks of the true foramina to compare with."
    first = overlap[overlap["measure"] == overlap["measure"].iloc[0]]
    found = listing(f"{f'{row.method} {row.arm}'.strip()} {row.estimate:.2f}" for row in records(first))
    return f"{MEASURES.get(first['measure'].iloc[0], 'overlap')}: {found}; chance {first['chance'].mean():.2f}."


def _cascade_words(cascade: pd.DataFrame) -> str:
    if not len(cascade):
        return ""
    last = cascade.groupby("arm", sort=False)["similarity"].last()
    values = listing(f"{arm} {similarity:.2f}" for arm, similarity in last.items())
    return f"Rank correlation with the trained network's map once every stage is randomised: {values}."


def _cascade(axes: Axes, cascade: pd.DataFrame) -> None:
    for colour, marker, (arm, part) in zip(PALETTE, MARKERS, cascade.groupby("arm", sort=False), strict=False):
        axes.fill_between(part["randomised"], part["low"], part["high"], color=colour, alpha=0.2, linewidth=0)
        axes.plot(part["randomised"], part["similarity"], marker=marker, markersize=3.5, color=colour, label=arm)
        axes.legend()
    axes.tick_params(axis="x", rotation=45)
    axes.axhline(0, **REFERENCE)
    axes.set(ylabel="rank correlation with the map\nof the trained network", xlabel="randomised down to")


@captioned(
    "The most confident errors",
    "Chosen by rule: the test images that are furthest on the wrong side of the threshold, as many false negatives as "
    "false positives where there are enough. The label is the recorded one.",
)
def errors(images: np.ndarray, rows: pd.DataFrame) -> Figure:
    """The most confident errors, surest first, with their recorded label. Used by notebook 08.

    `images` (n,S,S); `rows` n rows with image_id, label, score and, where the anatomy is known, a `note` on it.
    """
    notes = rows["note"] if "note" in rows else [""] * len(rows)
    figure, axes = panels(len(images), 4, 1.0, 0.6)
    for cell, image, row, note in zip(axes, images, records(rows), notes, strict=True):
        picture(cell, image, f"label: {CLASSES[row.label]}\nscore {row.score:.2f}")
        cell.set_xlabel("\n".join([row.image_id, *wrap(note, NOTE_WIDTH)]), fontsize=6)
    missed = int((rows["label"] == 1).sum())
    return describe(
        figure,
        f"The {len(rows)} most confident errors on the test set: {missed} radiographs labelled stenosis scored "
        f"low and {len(rows) - missed} labelled without stenosis scored high.",
    )
