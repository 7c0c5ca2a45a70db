"""Mirror images of radiographs, and the label that must swap with them (notebook 03).

A flip is one of three switches of an arm:

- `none`: radiographs stay as they are.
- `random`: each training radiograph is mirrored with probability one half each time it is seen; testing mirrors none.
- `canonical`: every radiograph of the right side is mirrored, in training and in testing, so that the network sees
  left sides only. The side comes from the manifest, never from the image.

Where a mirrored radiograph has the other label (for example the side of a curve), the label is mirrored with it: a
mirrored training radiograph gets the target `1 - label`, and the score of a radiograph mirrored for testing is turned
back as `1 - score`.
"""

from typing import Literal

import numpy as np
import pandas as pd

CANONICAL_SIDE = "L"


def mirrored(sides: pd.Series, flip: Literal["none", "random", "canonical"]) -> np.ndarray:
    """Which images (N,) bool an arm with this flip always mirrors, in training and in testing."""
    if flip != "canonical":
        return np.zeros(len(sides), bool)
    return (sides != CANONICAL_SIDE).to_numpy()


def apply_canonical_flip(images: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """A copy of `images` (N, S, S) in which those at `mirrored` (N,) bool are mirrored left to right."""
    return np.where(mirrored[:, None, None], images[..., ::-1], images)


def mirrored_labels(labels: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Labels or scores (N,) of side-dependent findings after the images at `mirrored` (N,) bool were mirrored."""
    return np.where(mirrored, 1 - labels, labels)


def examples(sides: pd.Series, n: int = 4) -> list[int]:
    """Index of `n` radiographs, alternately right and left; the first `n` where one side is unknown (notebook 03)."""
    right, left = (sides.index[sides == side] for side in ("R", "L"))
    return [i for pair in zip(right, left, strict=False) for i in pair][:n] or list(sides.index[:n])
