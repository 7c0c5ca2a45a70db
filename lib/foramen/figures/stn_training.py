"""Figures of notebook 04: what spatial transformers read from a radiograph."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure, SubFigure

from foramen.figures.style import BLUE, ORANGE, PAGE, REFERENCE, captioned, describe, listing, picture


def transform_words(theta: np.ndarray) -> tuple[float, float, float, float]:
    """Rotation (degrees), magnification, shift right and down (half image sides) of a 2x3 sampling matrix.

    The matrix maps output to input coordinates (Jaderberg et al. 2015, eq. 1), so it magnifies where its
    determinant is below one.
    """
    (a, b, x), (c, d, y) = theta
    scale = np.sqrt(abs(a * d - b * c))
    return float(np.degrees(np.arctan2(c, a))), float(1 / max(scale, 1e-6)), float(x), float(y)


def frame(theta: np.ndarray, size: int) -> np.ndarray:
    """The closed outline (5,2), x then y in pixels, of what a sampling matrix reads from a `size` square."""
    corners = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1], [-1, -1, 1]], float)
    return (corners @ np.asarray(theta, float).T + 1) / 2 * size - 0.5


@captioned(
    "Spatial transformer",
    "Orange: what the spatial transformer reads. Dashed: the fixed crop of the same magnification, "
    "which is its control.",
)
def stn(
    inputs: np.ndarray, outputs: np.ndarray, theta: np.ndarray, fixed: np.ndarray, all_theta: np.ndarray | None = None
) -> Figure:
    """What the spatial transformer reads and returns, and how its transforms are spread. Used by notebook 04.

    `inputs` (n,S,S), `outputs` (n,s,s), `theta` (n,2,3) sampling matrices in the convention of `affine_grid`;
    `fixed` (2,3) is that of the fixed crop, drawn dashed as reference; `all_theta` (M,2,3) those of a whole split.
    """
    n, size, height = len(inputs), inputs.shape[-1], 2.3 * PAGE / len(inputs)
    figure = plt.figure(figsize=(PAGE, height + 1.7))
    top, bottom = figure.subfigures(2, 1, height_ratios=[height, 1.7], squeeze=False).flat
    axes = top.subplots(2, n, squeeze=False)
    for i, (upper, lower) in enumerate(axes.T):
        angle, zoom, x, y = transform_words(theta[i])
        picture(upper, inputs[i])
        upper.plot(*frame(fixed, size).T, color="white", linewidth=1, linestyle=(0, (2, 2)))
        upper.plot(*frame(theta[i], size).T, color=ORANGE, linewidth=1.6)
        upper.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
        picture(lower, outputs[i])
        lower.set_xlabel(f"{angle:+.0f}°, ×{zoom:.2f}\n({x:+.2f}, {y:+.2f})", fontsize=7)
    axes[0, 0].set_ylabel("input")
    axes[1, 0].set_ylabel("output")
    words = np.array([transform_words(t) for t in (theta if all_theta is None else all_theta)])
    _spread(bottom, words, transform_words(fixed))
    mean, sd = words.mean(axis=0), words.std(axis=0)
    return describe(
        figure,
        f"{n} radiographs with the area that the spatial transformer reads (orange) and the fixed crop "
        f"(dashed), and its outputs. Over {len(words)} images: rotation {mean[0]:+.1f}° (sd {sd[0]:.1f}), "
        f"magnification {mean[1]:.2f} (sd {sd[1]:.2f}), shift right {mean[2]:+.2f} (sd {sd[2]:.2f}), shift down "
        f"{mean[3]:+.2f} (sd {sd[3]:.2f}) half sides.",
    )


def _spread(figure: SubFigure, words: np.ndarray, fixed_words: tuple[float, ...]) -> None:
    """Histograms of rotation, magnification and shifts; dashed: the fixed crop."""
    titles = ("rotation (degrees)", "magnification", "shift right (half sides)", "shift down (half sides)")
    axes = figure.subplots(1, 4)
    for cell, values, title, fixed in zip(axes, words.T, titles, fixed_words, strict=True):
        spread = max(np.abs(values - fixed).max() * 1.1, 0.02)
        sns.histplot(values, bins=24, binrange=(fixed - spread, fixed + spread), color=BLUE, alpha=1, ax=cell)
        cell.axvline(fixed, **{**REFERENCE, "zorder": 3, "color": "black"})
        cell.set_xlabel(title, fontsize=7)
        cell.set(ylabel="images" if cell is axes[0] else "", yticks=[])


@captioned(
    "Ways of training the spatial transformer",
    "Beside the fixed crop, the whole region and, where it is known, the true pose.",
)
def stn_ways(inputs: np.ndarray, outputs: dict[str, np.ndarray], ways: pd.DataFrame) -> Figure:
    """What differently trained spatial transformers make of the same radiographs. Used by notebook 04.

    `inputs` (n,S,S); `outputs` way -> (n,s,s); `ways` has a row for each way with way, det, outside and
    collapsed, over the validation images.
    """
    rows, n, facts = {"radiograph": inputs, **outputs}, len(inputs), ways.set_index("way")
    figure, axes = plt.subplots(len(rows), n, figsize=(PAGE, PAGE / n * len(rows)), squeeze=False)
    for row, (name, stack) in zip(axes, rows.items(), strict=True):
        for cell, image in zip(row, stack, strict=True):
            picture(cell, image)
        det = f"\ndet θ {facts.det[name]:.2f}" if name in outputs else ""
        row[0].set_ylabel(name.replace("_", " ") + det, fontsize=7)
    found = listing(f"{way} {row.det:.2f} and {row.outside:.0%}" for way, row in facts.iterrows())
    lost = [way for way, row in facts.iterrows() if row.collapsed]
    return describe(
        figure,
        f"{n} validation radiographs and what {len(outputs)} ways of training make of them. Mean det θ and "
        f"share out of frame: {found}. Collapsed: {listing(lost) if lost else 'none'}.",
    )
