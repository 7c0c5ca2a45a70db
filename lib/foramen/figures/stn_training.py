"""Figures of notebook 04: what spatial transformers read from a radiograph."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from foramen.figures.drawing import frame, in_words, listing, panels, picture, rows_of_pictures
from foramen.figures.style import BLUE, ORANGE, PAGE, REFERENCE, captioned


def transform_words(theta: np.ndarray) -> tuple[float, float, float, float]:
    """Rotation (degrees), magnification, shift right and down (half image sides) of a 2x3 sampling matrix.

    The matrix maps output to input coordinates (Jaderberg et al. 2015, eq. 1), so it magnifies where the longer side of
    what it reads is shorter than the image.
    """
    (a, b, x), (c, d, y) = theta
    scale = max(np.hypot(a, c), np.hypot(b, d))
    return float(np.degrees(np.arctan2(c, a))), float(1 / max(scale, 1e-6)), float(x), float(y)


@captioned
def stn(
    radiographs: np.ndarray,
    inputs: np.ndarray,
    theta: np.ndarray,
    fixed: np.ndarray,
    all_theta: np.ndarray,
    side_mm: ArrayLike = np.nan,
) -> Figure:
    """Spatial transformer.

    Orange: what the spatial transformer reads. Dashed: the fixed crop, which is its control. Below each input:
    rotation, magnification and shift (right, down, in half sides); last, the same of all validation radiographs.
    Scale bars: 20 mm on the film.

    Used by notebook 04. `radiographs` (n,S,S), the classifier's `inputs` (n,k,h,w), `theta` (n,2,3) sampling matrices
    in the convention of `affine_grid`, or with several heads (n,k,2,3); `fixed` is that of the fixed crop, the
    reference; `all_theta` those of all validation radiographs, for the histograms. Of several heads the means count.
    """
    n, size, height = len(radiographs), radiographs.shape[-1], 2.3 * PAGE / len(radiographs)
    figure = plt.figure(figsize=(PAGE, height + 1.7))
    top, bottom = figure.subfigures(2, 1, height_ratios=[height, 1.7], squeeze=False).flat
    axes, fixed = top.subplots(2, n, squeeze=False), fixed.reshape(-1, 2, 3)
    rows_of_pictures(axes[:1], {"radiograph": radiographs}, side_mm)
    rows_of_pictures(axes[1:], {"input": np.concatenate(list(np.moveaxis(inputs, 1, 0)), axis=1)})
    for (upper, lower), matrices in zip(axes.T, theta.reshape(n, -1, 2, 3), strict=True):
        for reference, matrix in zip(fixed, matrices, strict=True):
            upper.plot(*frame(reference, size).T, color="white", linewidth=1, linestyle=(0, (2, 2)))
            upper.plot(*frame(matrix, size).T, color=ORANGE, linewidth=1.6)
        upper.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
        mean = transform_words(matrices.mean(axis=0))
        lower.set_xlabel("{:+z.0f}°, ×{:.2f}\n({:+z.2f}, {:+z.2f})".format(*mean), fontsize=7)
    words = np.array([transform_words(m.mean(axis=0)) for m in all_theta.reshape(len(all_theta), -1, 2, 3)])
    _spread(bottom, words, transform_words(fixed.mean(axis=0)))
    (turn, zoom, right, down), sd = words.mean(axis=0), words.std(axis=0)
    figure.set_label(f"""{n} radiographs with the area that the spatial transformer reads (orange) and the fixed crop
        (dashed), and the inputs that result. Over {len(words)} images: rotation {turn:+.1f}° (sd {sd[0]:.1f}),
        magnification {zoom:.2f} (sd {sd[1]:.2f}), shift right {right:+.2f} (sd {sd[2]:.2f}), shift down {down:+.2f}
        (sd {sd[3]:.2f}) half sides.""")
    return figure


def _spread(figure: SubFigure, words: np.ndarray, fixed_words: tuple[float, ...]) -> None:
    """Histograms of rotation, magnification and shifts; dashed: the fixed crop."""
    titles = ("rotation (degrees)", "magnification", "shift right (half sides)", "shift down (half sides)")
    axes = figure.subplots(1, 4)
    for cell, values, title, fixed in zip(axes, words.T, titles, fixed_words, strict=True):
        spread = max(np.abs(values - fixed).max() * 1.1, 0.02)
        sns.histplot(values, bins=24, binrange=(fixed - spread, fixed + spread), color=BLUE, alpha=1, ax=cell)
        cell.axvline(fixed, **{**REFERENCE, "zorder": 3, "color": "black"})
        cell.set(xlabel=title, ylabel="images" if cell is axes[0] else "", yticks=[])


@captioned
def stn_ways(outputs: dict[str, np.ndarray], ways: pd.DataFrame) -> Figure:
    """Ways of training the spatial transformer.

    The mean of all validation radiographs after each way: the sharper its vertebrae, the better it lays one neck upon
    another. The whole region and the fixed crop learn nothing; the true pose is known of synthetic necks only.

    Used by notebook 04. `outputs` way -> (n,s,s); `ways` has a row for each way with way, det, outside and collapsed,
    over the validation images.
    """
    found, n = ways.set_index("way"), len(next(iter(outputs.values())))
    figure, axes = panels(len(outputs), len(outputs), 2.0, 0.4)
    for cell, (way, made) in zip(axes, outputs.items(), strict=True):
        note = "collapsed" if found.loc[way, "collapsed"] else f"det θ {found.loc[way, 'det']:.2f}"
        picture(cell, made.mean(axis=0), f"{way.replace('_', ' ')}\n{note}")
    lost = list(ways.loc[ways["collapsed"], "way"]) or ["none"]
    figure.set_label(f"""Mean of {n} validation radiographs after each of {len(outputs)} ways of training. Mean det θ
        and share out of frame: {in_words(ways, "{way} {det:.2f} and {outside:.0%}")}. Collapsed: {listing(lost)}.""")
    return figure


@captioned
def sampling(radiograph: np.ndarray, sampled: np.ndarray, theta: np.ndarray, side_mm: float = np.nan) -> Figure:
    """Sampling through θ.

    Orange: the part of the radiograph that θ reads. Right: what is read. Scale bar: 20 mm on the film.

    Used by notebook 04. `radiograph` (S,S), `sampled` (s,s), `theta` (2,3) in the convention of `affine_grid`.
    """
    figure, axes = plt.subplots(1, 2, figsize=(0.7 * PAGE, 0.37 * PAGE))
    size, (turn, zoom, *_) = radiograph.shape[-1], transform_words(theta)
    picture(axes[0], radiograph, "radiograph", side_mm)
    picture(axes[1], sampled, "sampled through θ")
    axes[0].plot(*frame(theta, size).T, color=ORANGE, linewidth=1.6)
    axes[0].set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    figure.set_label(f"A radiograph and what θ reads from it: rotated by {turn:+z.0f}°, magnified {zoom:.2f} times.")
    return figure


@captioned
def turned_back(stacks: dict[str, np.ndarray], angles: np.ndarray) -> Figure:
    """We turned it; it turns back.

    Each column is one validation radiograph. The second and the last row should look alike: the transformer finds the
    same part of the neck however the radiograph was turned.

    Used by notebook 04. `stacks`: name of the row -> (n,S,S), the third of them turned by `angles` (n,) in degrees.
    """
    n = len(angles)
    figure, axes = plt.subplots(len(stacks), n, figsize=(PAGE, PAGE / n * len(stacks)), squeeze=False)
    rows_of_pictures(axes, stacks)
    for cell, angle in zip(axes[2], angles, strict=True):
        cell.set_title(f"{angle:+.0f}°", fontsize=7, pad=2)
    figure.set_label(f"""{n} radiographs in rows: {listing(stacks)}. Turned by us:
        {listing(f"{angle:+.0f}°" for angle in angles)}.""")
    return figure
