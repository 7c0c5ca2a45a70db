"""Openings of the foramina: measured in the solid along each foramen's own axis, and on a noise-free projection.

The solid's opening makes the MRI-like grade; the projected one is what a reader of the radiograph can see. Both come
from the same rays as the image. Shown in 01_data_audit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from cervical_phantom.anatomy import (
    BONE,
    LEVELS,
    NEAR_LEFT,
    NEAR_RIGHT,
    PROCESS_LEFT,
    PROCESS_RIGHT,
    SPUR_LEFT,
    SPUR_RIGHT,
    Foramen,
    Spine,
)
from cervical_phantom.rays import Grid, Rays, Solids, View, chords, tiles

T = TypeVar("T", View, Grid)
PITCH = 0.5  # mm between the rays of a measurement
FAR_SOURCE = 4000.0  # mm; the rays of a solid's measurement are parallel to within a part in 400
MARGIN = np.array([1.5, 2.0])  # mm beyond the healthy width and height within which an opening is looked for


@dataclass
class Opening:
    """One measured foramen; lengths in mm in the patient.

    width and height are mean free extents over the central half; narrowest is the least mean free width of three
    neighbouring rows there. `outline` (rows, columns) marks the rays free of healthy bone, spurs or not.
    """

    area: float
    width: float
    height: float
    narrowest: float
    outline: np.ndarray
    grid: Grid


def own_view(foramen: Foramen) -> View:
    """The view along a foramen's own axis, from outside."""
    return View(foramen.centre + FAR_SOURCE * foramen.axis, -FAR_SOURCE * foramen.axis, foramen.across, -foramen.up)


def _bounds(
    group: np.ndarray, index: np.ndarray, level: int, side: int, projected: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Indices into bones + discs of what bounds one foramen, and whether each is a spur.

    group, index: of each bone (see `anatomy`). The transverse processes lie outside the foramen; they only overlap it
    on a projection.
    """
    near, spur, process = (NEAR_LEFT, SPUR_LEFT, PROCESS_LEFT) if side > 0 else (NEAR_RIGHT, SPUR_RIGHT, PROCESS_RIGHT)
    own = (group == BONE) | (group == near) | (projected & (group == process))
    healthy = np.flatnonzero(own & ((index == level) | (index == level + 1)))
    spurs = np.flatnonzero((group == spur) & (index == level))
    which = np.concatenate([healthy, [len(group) + level], spurs])
    return which, np.arange(len(which)) > len(healthy)


def _rasters(foramina: list[Foramen], view: View) -> list[tuple[Grid, np.ndarray, np.ndarray]]:
    """Raster about each foramen's projection in its view, and the coordinates (columns,), (rows,) of its rays, in mm in
    the patient.
    """
    centres = np.array([foramen.centre for foramen in foramina])
    found = []
    for foramen, scale, middle in zip(foramina, view.magnification(centres), view.project(centres), strict=True):
        columns, rows = (
            2 * int(np.ceil((size / 2 + margin) / PITCH)) + 1
            for size, margin in zip((foramen.width, foramen.height), MARGIN, strict=True)
        )
        x, y = ((np.arange(n) - (n - 1) / 2) * PITCH for n in (columns, rows))
        left, top = middle[0] + x[0] * scale, middle[1] + y[0] * scale
        found.append((Grid(rows, columns, PITCH * scale, left, top), x, y))
    return found


def _stacked(kind: type[T], items: Sequence[T], which: np.ndarray) -> T:
    """Views or rasters as one whose entries are arrays: for each of `which` that of its item."""
    return kind(*(np.array([getattr(item, f.name) for item in items])[which] for f in fields(kind)))


def openings(spine: Spine, bones: Solids, asked: Sequence[tuple[int, View | None]]) -> list[list[Opening]]:
    """For each (side, view) of `asked` the six openings, C2/3 first; view None: in the solid, along each axis.

    All are found in one pass over all rays.
    """
    jobs = [(level, side, view) for side, view in asked for level in range(len(LEVELS))]
    foramina = [spine.foramina[level, side] for level, side, _ in jobs]
    views = [view or own_view(foramen) for (_, _, view), foramen in zip(jobs, foramina, strict=True)]
    rasters = _rasters(foramina, _stacked(View, views, np.arange(len(jobs))))
    group, index = np.divmod(bones.tag, 100)
    bounds = [_bounds(group, index, level, side, view is not None) for level, side, view in jobs]
    solids = Solids.join([bones, spine.discs()]).take(np.concatenate([which for which, _ in bounds]))
    job_of = np.repeat(np.arange(len(jobs)), [len(which) for which, _ in bounds])
    sizes = np.array([grid.rows * grid.columns for grid, _, _ in rasters])
    view, grids = _stacked(View, views, job_of), _stacked(Grid, [raster[0] for raster in rasters], job_of)
    found = _meetings(solids, view, grids, (np.cumsum(sizes) - sizes)[job_of])
    spur = np.concatenate([is_spur for _, is_spur in bounds])
    free, outline = np.ones(sizes.sum(), bool), np.ones(sizes.sum(), bool)
    free[found.ray] = False
    outline[found.ray[~spur[found.solid]]] = False
    pieces = [np.split(rays, np.cumsum(sizes)[:-1]) for rays in (free, outline)]
    measured = [
        _measure(foramen, *raster, *piece) for foramen, raster, *piece in zip(foramina, rasters, *pieces, strict=True)
    ]
    return [measured[i : i + len(LEVELS)] for i in range(0, len(measured), len(LEVELS))]


def _meetings(solids: Solids, view: View, grids: Grid, start: np.ndarray) -> Rays:
    """Which solid meets which ray; each solid has its own view and raster, whose rays are counted from `start`."""
    which, row, column = tiles(solids, view, grids)
    left, top, pitch, columns = (np.asarray(x)[which] for x in (grids.left, grids.top, grids.pitch, grids.columns))
    u, v = (left + column * pitch).astype(np.float32), (top + row * pitch).astype(np.float32)
    return chords(solids, view, Rays(which, start[which] + row * columns + column, u, v))[0]


def _measure(
    foramen: Foramen, grid: Grid, x: np.ndarray, y: np.ndarray, free: np.ndarray, outline: np.ndarray
) -> Opening:
    """Size of one opening, within a rounded box a little larger than the healthy foramen."""
    half = np.array([foramen.width, foramen.height]) / 2
    window = (x / (half[0] + MARGIN[0])) ** 4 + (y[:, None] / (half[1] + MARGIN[1])) ** 4 <= 1
    free = free.reshape(window.shape) & window
    across, upright = free.sum(1) * PITCH, free.sum(0) * PITCH
    core = across[np.abs(y) <= half[1] / 2]
    narrowest = ((core[:-2] + core[1:-1] + core[2:]) / 3).min()
    return Opening(
        float(free.sum() * PITCH**2),
        float(core.mean()),
        float(upright[np.abs(x) <= half[0] / 2].mean()),
        float(narrowest),
        outline.reshape(window.shape) & window,
        grid,
    )
