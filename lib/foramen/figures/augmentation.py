"""Figures of notebook 03: the flip onto one side, and the random changes of training."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from foramen.figures.drawing import listing, panels, picture
from foramen.figures.style import CLASSES, PAGE, SIDES, captioned


@captioned
def flip(before: np.ndarray, after: np.ndarray, rows: pd.DataFrame, side_mm: ArrayLike = np.nan) -> Figure:
    """Flip.

    The canonical flip mirrors right views onto left, so that the network meets one side only. An arm whose flip
    is random mirrors either side by chance instead. Scale bars: 20 mm on the film.

    Used by notebook 03. `before`, `after` (n,S,S); `rows` has n rows with `side` and `label`; `side_mm` (n,).
    """
    n = len(before)
    figure, axes = plt.subplots(2, n, figsize=(PAGE, 2.15 * PAGE / max(n, 3)), squeeze=False)
    sides = np.broadcast_to(side_mm, n)
    mirrored = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    for i, row in enumerate(rows.itertuples()):
        picture(axes[0, i], before[i], f"{SIDES[row.side]}, {CLASSES[row.label]}", sides[i])
        picture(axes[1, i], after[i], "mirrored" if mirrored[i] else "unchanged", sides[i])
    axes[0, 0].set_ylabel("as acquired")
    axes[1, 0].set_ylabel("after the flip")
    figure.set_label(f"""{n} radiographs before and after the flip onto one side: {sum(mirrored)} mirrored,
        {n - sum(mirrored)} unchanged.""")
    return figure


@captioned
def random_changes(
    radiograph: np.ndarray, changed: np.ndarray, names: Sequence[str] = (), side_mm: float = np.nan
) -> Figure:
    """Random changes in training.

    The first is the radiograph itself, each of the others one random draw. Scale bars: 20 mm on the unchanged film.

    Used by notebook 03. One radiograph (S,S) and how training sees it later (n,S,S), grey values 0 to 1; `names`: the
    changes that the study makes; where it makes none, the pictures are an example only and say so.
    """
    figure, axes = panels(len(changed) + 1, len(changed) + 1, 1.0, 0.25)
    titles = ["unchanged", *(f"draw {i + 1}" for i in range(len(changed)))]
    for cell, image, title in zip(axes, [radiograph, *changed], titles, strict=True):
        picture(cell, image, title, side_mm, vmin=0, vmax=1)
    note = f"Changed at random: {listing(names)}." if names else "An example only: this study makes no such changes."
    figure.supxlabel(note, fontsize=7)
    figure.set_label(f"One radiograph and {len(changed)} random changes of it as training sees it. {note}")
    return figure
