"""When the peak of a map counts as at a foramen (notebooks 08 and 09)."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

TOLERANCE = 0.03  # of the image side; 15 pixels of 500 in the pointing game of Zhang et al. 2018


def near(mask: NDArray[np.bool_], side: float) -> NDArray[np.bool_]:
    """The pixels (S, S) within TOLERANCE of a foramen of `mask`, where the image's side is so many of them.

    The distance is to the foramen's edge, half a pixel before the middle of its first one: so a coarse film has the
    same answer as a fine one.
    """
    return mask.any() & (distance_transform_edt(~mask) - 0.5 <= TOLERANCE * side)
