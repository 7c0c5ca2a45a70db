"""What a pixel of each arm's input is on the film: millimetres, and how large a foramen is on it (notebook 02)."""

import numpy as np
import pandas as pd

from cervical_phantom.literature import FORAMEN
from foramen.cohort.loading import Cohort
from foramen.preprocessing import step as preprocessing
from foramen.stn.step import build
from foramen.study.model import Study

WIDTH = FORAMEN["width"].mean()  # of a normal foramen, mm: the dimension that stenosis takes from


def scales(study: Study, films: Cohort) -> pd.DataFrame:
    """A row an arm: arm, input (height x width, pixels), seen (height of its crop as a share of the film's).

    Where the cohort states pixel spacings, height_mm and width_mm of the crop, mm_pixel (the film's millimetres to a
    pixel of the input) and foramen_pixels (of the width of a normal foramen, `literature.FORAMEN`). The median film and
    region; of an STN the crop at its start.
    """
    side = np.nanmedian(films.side_mm) if np.isfinite(films.side_mm).any() else np.nan
    rows = []
    for name, arm in study.arms.items():
        run = study.run(name, study.seeds[0])
        half = float(np.median(preprocessing.place(study, films, arm.region)[:, 2]))
        first = build(run).frame.reshape(-1, 3, 3)[0]
        wide, tall = half * float(first[0, 0]), half * float(first[1, 1])
        size = f"{run.shape[0]} x {run.shape[1]}"
        rows.append((name, size, tall, tall * side, wide * side, tall * side / run.shape[0]))
    table = pd.DataFrame(rows, columns=["arm", "input", "seen", "height_mm", "width_mm", "mm_pixel"])
    return table.assign(foramen_pixels=WIDTH / table["mm_pixel"]).dropna(axis=1, how="all")
