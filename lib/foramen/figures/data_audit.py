"""Figures of notebook 01: the cohort, and how the synthetic one is made."""

from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cervical_phantom import pictures
from cervical_phantom.parameters import SyntheticCohort
from foramen.figures.drawing import rows_of_pictures
from foramen.figures.style import CLASSES, PAGE, SIDES, captioned

LABEL_WIDTH = 20  # characters beside a row of pictures


@captioned
def cohort(images: np.ndarray, manifest: pd.DataFrame, n: int = 4, seed: int = 0) -> Figure:
    """The cohort.

    Drawn at random from each class and side.

    Used by notebook 01. `images` (N,S,S); `manifest` (columns patient_id, label, side) names the place of each image
    by its index; `n` images from each class and side, one a patient.
    """
    rows, counts = {}, []
    manifest = manifest.sort_values(["label", "side"], kind="stable")
    names = manifest["label"].map(CLASSES) + ", " + manifest["side"].map(SIDES)
    for name, members in manifest.groupby(names, sort=False):
        drawn = members.sample(frac=1, random_state=seed).drop_duplicates("patient_id").index[:n]
        rows["\n".join([*wrap(str(name), LABEL_WIDTH), f"({len(members):,} images)"])] = images[drawn]
        counts.append(f"{name}: {len(members)}")
    figure, axes = plt.subplots(len(rows), n, figsize=(PAGE, PAGE / n * len(rows)), squeeze=False)
    rows_of_pictures(axes, rows)
    figure.set_label(f"""Montage of {n} radiographs drawn at random from each class and side of the cohort. Images in
        each group: {"; ".join(counts)}.""")
    return figure


@captioned
def anatomy(parameters: SyntheticCohort, **options: Any) -> Figure:
    """From anatomy to radiograph.

    One synthetic patient.

    Used by notebook 01: from the solid to the stored radiograph; options of `pictures`.
    """
    return pictures.anatomy(parameters, **options)


@captioned
def disease(parameters: SyntheticCohort, **options: Any) -> Figure:
    """What stenosis looks like.

    The same neck and pose, healthy and narrowed.

    Used by notebook 01: one neck at one pose with growing narrowing; options of `pictures`.
    """
    return pictures.disease(parameters, **options)


@captioned
def knobs(parameters: SyntheticCohort, **options: Any) -> Figure:
    """What makes radiographs differ.

    One synthetic neck, one cause at a time.

    Used by notebook 01: one radiograph for each parameter (none, default, extreme); options of `pictures`.
    """
    return pictures.knobs(parameters, **options)
