"""Figures of notebook 01: the cohort, and how the synthetic one is made."""

from textwrap import wrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cervical_phantom import pictures
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


# The titles and readings of the phantom's own pictures stand beside them, too.
anatomy, disease, knobs = captioned(pictures.anatomy), captioned(pictures.disease), captioned(pictures.knobs)
