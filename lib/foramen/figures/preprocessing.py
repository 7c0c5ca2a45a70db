"""Figures of notebook 02: the region of each film, and what each contrast treatment does to its grey values."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from foramen.figures.drawing import frame, listing, panels, picture, rows_of_pictures
from foramen.figures.style import BLUE, GREY, ORANGE, PAGE, REFERENCE, SKY, VERMILION, captioned

BINS = 128  # of the grey scale, for a cumulative distribution


def distribution(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Cumulative distribution (BINS,) of the grey values in the valid box, over the type's full scale."""
    top, left, bottom, right = box
    values = image[top:bottom, left:right] / np.iinfo(image.dtype).max
    counts, _ = np.histogram(values, bins=BINS, range=(0, 1))
    return np.cumsum(counts) / max(counts.sum(), 1)


@captioned
def regions(films: np.ndarray, places: pd.DataFrame, side_mm: ArrayLike = np.nan) -> Figure:
    """Regions of interest.

    Whole films, from the one on which the detector is least sure to the surest, with the region that is seen of each:
    orange, detected; blue, given by the table; dotted, the fixed one, because the detector is not sure. Scale bars: 20
    mm on the film.

    Used by notebook 02. `films` (n, S, S); a row of `places` each: x, y, half (-1 to 1 over the film), confidence,
    detected, given; `side_mm` (n,).
    """
    figure, cells = panels(len(films), 6, 1.0, 0.2)
    size, sides = films.shape[-1], np.broadcast_to(side_mm, len(films))
    for axes, film, side, found in zip(cells, films, sides, places.itertuples(), strict=True):
        picture(axes, film, f"{found.confidence:.2f}", side)
        color = SKY if found.given else ORANGE if found.detected else VERMILION
        seen = frame(np.array([[found.half, 0, found.x], [0, found.half, found.y]]), size)
        axes.plot(*seen.T, "-" if found.given or found.detected else ":", color=color)
        axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    given = int(places["given"].sum())
    unsure = int((~places["detected"] & ~places["given"]).sum())
    figure.set_label(f"""{len(films)} whole films with the region that is seen of each; how sure the detector is runs
        from {places["confidence"].min():.2f} to {places["confidence"].max():.2f}; {unsure} of them keep the fixed
        region, {given} have one of their own.""")
    return figure


@captioned
def equalization(
    raw: np.ndarray, treated: dict[str, np.ndarray], boxes: np.ndarray, side_mm: ArrayLike = np.nan, examples: int = 4
) -> Figure:
    """Histogram equalization.

    Each thin line is one radiograph's cumulative distribution of grey values, the thick one their median, the dashed
    one that of a uniform histogram, to which global equalization brings them. Scale bars: 20 mm on the film.

    Used by notebook 02. `raw` (n,S,S) and each of `treated` (n,S,S), any unsigned type; `boxes` (n,4) is the valid
    area (top, left, bottom, right); `side_mm` (n,). Examples run from the darkest to the brightest raw image.
    """
    rows = {"as acquired": raw, **treated}
    brightness = [raw[i][top:bottom, left:right].mean() for i, (top, left, bottom, right) in enumerate(boxes)]
    shown = np.argsort(brightness)[np.linspace(0, len(raw) - 1, examples).round().astype(int)]
    size, ratios = (PAGE, 1.42 * len(rows)), [1] * examples + [1.35]
    figure, axes = plt.subplots(len(rows), examples + 1, figsize=size, width_ratios=ratios, squeeze=False)
    grey, distances, sides = np.linspace(1 / BINS, 1, BINS), {}, np.broadcast_to(side_mm, len(raw))[shown]
    for cells, (name, stack) in zip(axes, rows.items(), strict=True):
        rows_of_pictures(cells[None, :-1], {name: stack[shown]}, sides, vmin=0, vmax=np.iinfo(stack.dtype).max)
        curves = np.array([distribution(image, box) for image, box in zip(stack, boxes, strict=True)])
        distances[name] = np.abs(curves - grey).max(axis=1).mean()
        _distributions(cells[-1], grey, curves)
    axes[-1, -1].set_xlabel("grey value")
    figure.set_label(f"""{examples} radiographs from the darkest to the brightest, as acquired and after
        {listing(treated)}, with the cumulative grey-value distribution of {len(raw)} images. Mean largest distance
        from the uniform distribution: {listing(f"{name} {gap:.2f}" for name, gap in distances.items())}.""")
    return figure


def _distributions(axes: Axes, grey: np.ndarray, curves: np.ndarray) -> None:
    axes.plot(grey, curves.T, color=SKY, linewidth=0.4, alpha=0.6)
    axes.plot(grey, np.median(curves, axis=0), color=BLUE, linewidth=1.6)
    axes.plot([0, 1], [0, 1], **REFERENCE)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], ylabel="share of pixels")
    axes.yaxis.set_label_position("right")
    axes.yaxis.tick_right()
    sns.despine(ax=axes, left=True, right=False)


@captioned
def one_equalization(before: np.ndarray, after: np.ndarray, box: np.ndarray, side_mm: float = np.nan) -> Figure:
    """One radiograph, equalized.

    Left the radiograph, in the middle how many pixels each grey value has, on the right the share of pixels that are
    no brighter than it; dashed: that of a uniform histogram. Scale bars: 20 mm on the film.

    Used by notebook 02. `before`, `after` (S,S) uint8; `box` is the valid area (top, left, bottom, right).
    """
    figure, axes = plt.subplots(2, 3, figsize=(PAGE, 0.62 * PAGE), width_ratios=[0.8, 1, 1], squeeze=False)
    rows_of_pictures(axes[:, :1], {"before": before[None], "after": after[None]}, side_mm, vmin=0, vmax=255)
    grey, (top, left, bottom, right) = np.arange(256), box
    medians = []
    for (_, histogram, cumulative), image in zip(axes, (before, after), strict=True):
        counts = np.bincount(image[top:bottom, left:right].ravel(), minlength=256)
        share = counts.cumsum() / max(counts.sum(), 1)
        histogram.bar(grey, counts, width=1, color=GREY)
        histogram.set(xlim=(0, 255), yticks=[], ylabel="pixels")
        cumulative.plot(grey, share, color=BLUE)
        cumulative.plot([0, 255], [0, 1], **REFERENCE)
        cumulative.set(xlim=(0, 255), ylim=(0, 1), ylabel="CDF")
        medians.append(int(np.searchsorted(share, 0.5)))
    for cell in axes[1, 1:]:
        cell.set_xlabel("grey value")
    figure.set_label(f"""One radiograph before and after histogram equalization, with its histogram and cumulative
        distribution: the median grey value moves from {medians[0]} to {medians[1]} of 255.""")
    return figure
