"""Sentences of notebook 02 that read its numbers."""

import numpy as np
import pandas as pd

from foramen.cohort.loading import Cohort


def cohort(name: str, films: Cohort) -> str:
    """How much of the square images is valid area."""
    area = valid_share(films.boxes, films.images.shape[-1])
    return (
        f"Study **{name}**: {len(films.images):,} radiographs of {films.images.shape[1]} × {films.images.shape[2]} "
        f"pixels. The valid area takes {area.mean():.0%} of the square on average ({area.min():.0%} to "
        f"{area.max():.0%}); the rest is padding."
    )


def valid_share(boxes: np.ndarray, size: int) -> np.ndarray:
    """Share (N,) of the square images of `size` pixels a side that lies within the boxes (N, 4)."""
    return np.prod(boxes[:, 2:].astype(int) - boxes[:, :2], axis=1) / size**2


def one(before: np.ndarray, after: np.ndarray, box: np.ndarray) -> str:
    """Where the median grey value of one radiograph goes."""
    top, left, bottom, right = box
    old, new = (np.median(image[top:bottom, left:right]) for image in (before, after))
    return (
        f"Half of this radiograph is no brighter than grey {old:.0f} before and {new:.0f} after equalization. The "
        f"middle of the scale is 127."
    )


def variant(kind: str, equalizations: dict[str, str]) -> str:
    """Which arms read a treatment; `equalizations`: arm, its treatment."""
    using = [name for name, treatment in equalizations.items() if treatment == kind]
    arms = f": {', '.join(using)}" if using else ""
    return f"Treatment **{kind}** is ready, for {len(using)} of the study's {len(equalizations)} arms{arms}."


def spread(table: pd.DataFrame, radiographs: int) -> str:
    """Which treatment leaves how much of the spread; `table` has the columns treatment and left."""
    left = table.set_index("treatment")["left"]
    return (
        f"On {radiographs} radiographs, min-max leaves {left['minmax']:.0%} of the untreated spread, global HE "
        f"{left['global']:.0%}, CLAHE {left['clahe']:.0%}; {left.idxmin()} leaves least. Less variation is not yet "
        "better classification: notebook 06 measures that."
    )


def padding(table: pd.DataFrame, films: Cohort) -> str:
    """The shift of the CDF at this cohort's average padding; `table` has the columns padding and shift."""
    share = 1 - valid_share(films.boxes, films.images.shape[-1]).mean()
    at = np.interp(share, table["padding"], table["shift"])
    return (
        f"At the average padding of this cohort, {share:.0%}, the CDF would move by about {at:.0%} of the grey scale. "
        "So equalization reads the valid area alone, and the padding stays black."
    )
