"""Regions of interest: the square of a film that everything after it sees (the paper's section 3.1; notebook 02).

A region is three numbers in the coordinates of `core.geometry`, -1 to 1 over the square film: x and y of its centre
and half its side, so (0, 0, 1) is the whole film. Regions are not turned, as the boxes of a detector are not.
"""

from collections.abc import Iterable

import numpy as np
import torch

from foramen.core import geometry

FILM = (0.0, 0.0, 1.0)


def around_columns(ends: np.ndarray, margin: float) -> np.ndarray:
    """Regions (N, 3) of `margin` lengths of the column a side, centred on it; `ends` (N, 2, 2): upper and lower."""
    half = margin / 2 * np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    return np.column_stack([ends.mean(axis=1), half])


def ends_within(places: np.ndarray, margin: float) -> np.ndarray:
    """The inverse of `around_columns` for upright columns: regions (N, 3) to ends (N, 2, 2)."""
    run = np.zeros((len(places), 2))
    run[:, 1] = places[:, 2] / margin
    return np.stack([places[:, :2] - run, places[:, :2] + run], axis=1)


def column_ends(poses: np.ndarray) -> np.ndarray:
    """Upper and lower end (N, 2, 2), x and y each, of columns with the poses (N, 4): angle, half length, x, y."""
    angle, scale, x, y = poses.T
    run = np.stack([-np.sin(angle), np.cos(angle)], axis=1) * scale[:, None]
    centre = np.stack([x, y], axis=1)
    return np.stack([centre - run, centre + run], axis=1)


def cut(film: np.ndarray, box: np.ndarray, region: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A region (size, size) of a film (S, S) of any integer type, and its valid box (4,), both of the film's types.

    Each pixel is the mean of samples no further apart than the film's pixels (`geometry.supersampling`). Within the
    valid box (top, left, bottom, right) lie the pixels whose every sample comes from the film's own.
    """
    theta, samples = frames(region[None])[:, :2], geometry.supersampling(film.shape[-1], size, 1 / region[2])
    image = torch.from_numpy(film.astype(np.float32))[None, None]
    pixels = geometry.sample(image, theta, size, samples)[0, 0].round().numpy().astype(film.dtype)
    x, y, half = region
    edges = (box / film.shape[-1] * 2 - 1 - np.array([y, x, y, x])) / half
    top, left, bottom, right = (edges + 1) / 2 * size
    valid = [np.ceil(top), np.ceil(left), np.floor(bottom), np.floor(right)]
    return pixels, np.clip(valid, 0, size).astype(box.dtype)


def cut_mask(mask: np.ndarray, region: np.ndarray, size: int) -> np.ndarray:
    """A region (size, size) of a mask (S, S) of bits, each pixel that of the nearest one of the mask, 0 beyond it."""
    x, y, half = region
    line = (np.arange(size) + 0.5) * 2 / size - 1
    rows, columns = (np.floor((line * half + c + 1) / 2 * len(mask)).astype(int) + 1 for c in (y, x))
    return np.pad(mask, 1)[np.ix_(rows.clip(0, len(mask) + 1), columns.clip(0, len(mask) + 1))]


def frames(regions: np.ndarray) -> torch.Tensor:
    """The matrices (N, 3, 3) that map a region's own coordinates, -1 to 1, to those of its film."""
    matrix = np.zeros((len(regions), 3, 3), np.float32)
    matrix[:, 0, 0] = matrix[:, 1, 1] = regions[:, 2]
    matrix[:, :2, 2], matrix[:, 2, 2] = regions[:, :2], 1
    return torch.from_numpy(matrix)


def within(poses: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Poses (N, 4) of anatomy on films (angle, scale, x, y) in the coordinates of each film's region."""
    angle, scale, x, y = poses.T
    centre_x, centre_y, half = regions.T
    return np.column_stack([angle, scale / half, (x - centre_x) / half, (y - centre_y) / half])


def holds(masks: Iterable[np.ndarray], regions: np.ndarray) -> np.ndarray:
    """Which regions (N,) bool hold every set pixel of the masks (S, S), one a film."""
    inside = []
    for mask, (x, y, half) in zip(masks, regions, strict=True):
        spans = [np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1)]
        edges = [(np.array([span[0], span[-1] + 1]) * 2 / len(mask) - 1) for span in spans if len(span)]
        inside.append(all(np.abs(edge - centre).max() <= half for edge, centre in zip(edges, (x, y), strict=False)))
    return np.array(inside)


def iou(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union (N,) of regions (N, 3) with others (N, 3), each with its counterpart."""
    low = np.maximum(some[:, :2] - some[:, 2:], others[:, :2] - others[:, 2:])
    high = np.minimum(some[:, :2] + some[:, 2:], others[:, :2] + others[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    return common / (4 * some[:, 2] ** 2 + 4 * others[:, 2] ** 2 - common)
