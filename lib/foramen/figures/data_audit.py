"""Figures of notebook 01: the cohort, and how the synthetic one is made."""

from itertools import zip_longest

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from cervical_phantom import pictures
from foramen.figures.drawing import picture
from foramen.figures.style import CLASSES, PAGE, SIDES, captioned


@captioned
def cohort(
    images: np.ndarray, manifest: pd.DataFrame, n: int = 4, seed: int = 0, side_mm: ArrayLike = np.nan
) -> Figure:
    """The cohort.

    Drawn at random from each class and side, one of each large. Scale bars: 20 mm on the film.

    Used by notebook 01. `images` (N,S,S); `manifest` (columns patient_id, label, side) names the place of each image
    by its index; `n` images from each class and side, one a patient; `side_mm` (N,) of the images.
    """
    manifest = manifest.sort_values(["label", "side"], kind="stable")
    names = manifest["label"].map(CLASSES) + ", " + manifest["side"].map(SIDES)
    groups, sides = list(manifest.groupby(names, sort=False)), np.broadcast_to(side_mm, len(images))
    columns, rows = -(-(n - 1) // 2), -(-len(groups) // 2)
    figure = plt.figure(figsize=(PAGE, (PAGE / (2 + columns) + 0.25) * rows))
    for part, (name, members) in zip(figure.subfigures(rows, 2, squeeze=False).flat, groups, strict=False):
        drawn = members.sample(frac=1, random_state=seed).drop_duplicates("patient_id").index[:n]
        axes = part.subplot_mosaic([["large", "large", *(f"{row}{i}" for i in range(columns))] for row in "ab"])
        for cell, i in zip_longest(axes.values(), drawn):
            picture(cell, images[i], side_mm=sides[i]) if i is not None else cell.set_axis_off()
        part.suptitle(f"{name} ({len(members):,} images)", fontsize=7)
    counts = "; ".join(f"{name}: {len(members)}" for name, members in groups)
    figure.set_label(f"""Montage of {n} radiographs drawn at random from each class and side of the cohort, the first of
        each large. Images in each group: {counts}.""")
    return figure


# The titles and readings of the phantom's own pictures stand beside them, too.
anatomy, disease, knobs = captioned(pictures.anatomy), captioned(pictures.disease), captioned(pictures.knobs)
