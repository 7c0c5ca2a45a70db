"""Figures of notebook 01: the cohort, and how the synthetic one is made."""

from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cervical_phantom import pictures
from cervical_phantom.parameters import SyntheticCohort
from foramen.figures.style import CLASSES, PAGE, SIDES, captioned, describe, picture

LABEL_WIDTH = 20  # characters beside a row of pictures


@captioned("The cohort", "Drawn at random from each class and side.")
def cohort(images: np.ndarray, manifest: pd.DataFrame, n: int = 4, seed: int = 0) -> Figure:
    """A montage by class and side, `n` images drawn at random from each, one a patient. Used by notebook 01.

    `images` (N,S,S); `manifest` (columns patient_id, label, side) names the place of each image by its index.
    """
    groups: list[tuple[Any, pd.DataFrame]] = list(manifest.groupby(["label", "side"], sort=True))
    figure, axes = plt.subplots(len(groups), n, figsize=(PAGE, PAGE / n * len(groups)), squeeze=False)
    names = [f"{CLASSES[key[0]]}, {SIDES[key[1]]}" for key, _ in groups]
    for row, name, (_, members) in zip(axes, names, groups, strict=True):
        drawn = members.sample(frac=1, random_state=seed).drop_duplicates("patient_id").index[:n]
        for cell in row[max(1, len(drawn)) :]:
            cell.set_axis_off()
        for cell, index in zip(row, drawn, strict=False):
            picture(cell, images[index])
        row[0].set_ylabel("\n".join([*wrap(name, LABEL_WIDTH), f"({len(members):,} images)"]))
    counts = "; ".join(f"{name}: {len(members)}" for name, (_, members) in zip(names, groups, strict=True))
    return describe(
        figure,
        f"Montage of {n} radiographs drawn at random from each class and side of the cohort. Images in each "
        f"group: {counts}.",
    )


@captioned("From anatomy to radiograph", "One synthetic patient.")
def anatomy(parameters: SyntheticCohort, **options: Any) -> Figure:
    """One patient from the solid to the stored radiograph; options of `pictures`. Notebook 01."""
    return pictures.anatomy(parameters, **options)


@captioned("What stenosis looks like", "The same neck and pose, healthy and narrowed.")
def disease(parameters: SyntheticCohort, **options: Any) -> Figure:
    """One neck at one pose with growing narrowing; options of `pictures`. Notebook 01."""
    return pictures.disease(parameters, **options)


@captioned("What makes radiographs differ", "One synthetic neck, one cause at a time.")
def knobs(parameters: SyntheticCohort, **options: Any) -> Figure:
    """One radiograph for each parameter: none, default, extreme; options of `pictures`. Notebook 01."""
    return pictures.knobs(parameters, **options)
