"""How much of the films an arm reads, and whether that fits them; told before any training (notebooks 02 and 04).

Where the column of foramina is known (the phantom, a box in the user's table, a detector that is sure), a crop, a
region or an STN at its start fits if it reads the column. Where nothing tells the place, only the whole film is safe:
what lies beyond a frame, no network can see.
"""

import numpy as np
import pandas as pd
import torch

from foramen.core import geometry

POINTS = 64  # along each side of a film that are looked at
LOST = 0.05  # share of the films on which the known column may be cut, in an arm that fits
UNREAD = 0.1  # share of the films' area that may be left out where nothing tells the place of the column


def share_read(theta: torch.Tensor, boxes: np.ndarray, size: int) -> np.ndarray:
    """Share (n,) of the valid areas `boxes` (n, 4) of square films of `size` pixels that theta (n, k, 2, 3) reads."""
    middles = (np.arange(POINTS) + 0.5) / POINTS * size
    down, right = ((middles >= boxes[:, i, None]) & (middles < boxes[:, i + 2, None]) for i in (0, 1))
    own = down[:, :, None] & right[:, None]
    return (geometry.read(theta, POINTS).numpy() & own).sum(axis=(1, 2)) / own.sum(axis=(1, 2)).clip(1)


def holds_points(theta: torch.Tensor, points: np.ndarray) -> np.ndarray:
    """Which films (n,) bool have all their points (n, p, 2) within what theta (n, k, 2, 3) reads."""
    back = geometry.inverse(theta.reshape(-1, 2, 3)).view(theta.shape)
    where = back[..., :2] @ torch.from_numpy(points).float().mT[:, None] + back[..., 2:]  # (n, k, 2, p)
    return (where.abs() <= 1).all(dim=2).any(dim=1).all(dim=1).numpy()


def misfits(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of `step.covered`: arms that cut the known column; arms that leave film out though no place is known."""
    return table[table["column"] < 1 - LOST], table[table["column"].isna() & (table["film"] < 1 - UNREAD)]
