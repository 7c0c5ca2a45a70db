"""Openings of the foramina: measured in the solid along each foramen's own axis, and on a noise-free
projection.

The solid's opening makes the MRI-like grade; the projected one is what a reader of the radiograph can see.
Both come from the same rays as the image. Shown in 01_data_audit.
"""

from dataclasses import dataclass

import numpy as np

from foramen.phantom.anatomy import (
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
from foramen.phantom.rays import Grid, Rays, Solids, View, chords, tiles

PITCH = 0.5  # mm between the rays of a measurement
FAR_SOURCE = 4000.0  # mm; the rays of a solid's measurement are parallel to within a part in 400
MARGIN = np.array([1.5, 2.0])  # mm beyond the healthy width and height within which an opening is looked for


@dataclass
class Opening:
    """One measured foramen; lengths in mm in the patient.

    width and height are mean free extents over the central half; narrowest is the least mean free width of
    three neighbouring rows there. `outline` (rows, columns) marks the rays free of healthy bone, spurs or
    not.
    """

    area: float
    width: float
    height: float
    narrowest: float
    outline: np.ndarray
    grid: Grid


def own_view(foramen: Foramen) -> View:
    """The view along a foramen's own axis, from outside."""
    return View(
        foramen.centre + FAR_SOURCE * foramen.axis, -FAR_SOURCE * foramen.axis, foramen.across, -foramen.up
    )


def _bounds(bones: Solids, discs: Solids, level: int, side: int, projected: bool):
    """Indices into bones + discs of what bounds one foramen, and whether each is a spur.

    The transverse processes lie outside the foramen; they only overlap it on a projection.
    """
    group, index = np.divmod(bones.tag, 100)
    near, spur, process = (
        (NEAR_LEFT, SPUR_LEFT, PROCESS_LEFT) if side > 0 else (NEAR_RIGHT, SPUR_RIGHT, PROCESS_RIGHT)
    )
    healthy = ((group == BONE) | (group == near) | (projected & (group == process))) & (
        (index == level) | (index == level + 1)
    )
    spurs = np.flatnonzero((group == spur) & (index == level))
    which = np.concatenate([np.flatnonzero(healthy), [len(bones) + level], spurs])
    return which, np.arange(len(which)) >= len(which) - len(spurs)


def _raster(foramen: Foramen, view: View) -> tuple[Grid, np.ndarray, np.ndarray]:
    """Raster about a foramen's projection, and the coordinates (columns,), (rows,) of its rays, in mm in the
    patient.
    """
    scale = float(view.magnification(foramen.centre))
    half = np.array([foramen.width, foramen.height]) / 2 + MARGIN
    columns, rows = (2 * np.ceil(half / PITCH)).astype(int) + 1
    x, y = ((np.arange(n) - (n - 1) / 2) * PITCH for n in (columns, rows))
    left, top = view.project(foramen.centre) + np.array([x[0], y[0]]) * scale
    return Grid(rows, columns, PITCH * scale, left, top), x, y


def openings(spine: Spine, bones: Solids, asked: list[tuple[int, View | None]]) -> list[list[Opening]]:
    """For each (side, view) of `asked` the six openings, C2/3 first; view None: in the solid, along each
    axis.

    All are found in one pass over all rays.
    """
    discs = spine.discs()
    everything = Solids.join([bones, discs])
    jobs = [
        (spine.foramen(level, side), view, *_bounds(bones, discs, level, side, view is not None))
        for side, view in asked
        for level in range(len(LEVELS))
    ]
    views = [view or own_view(foramen) for foramen, view, _, _ in jobs]
    rasters = [_raster(job[0], view) for job, view in zip(jobs, views, strict=True)]
    job_of = np.repeat(np.arange(len(jobs)), [len(job[2]) for job in jobs])
    spur = np.concatenate([job[3] for job in jobs])
    solids = everything.take(np.concatenate([job[2] for job in jobs]))
    view = View(
        *(
            np.array([getattr(v, name) for v in views])[job_of]
            for name in ("source", "centre", "right", "down")
        )
    )
    grids = Grid(
        *(
            np.array([getattr(r[0], n) for r in rasters])[job_of]
            for n in ("rows", "columns", "pitch", "left", "top")
        )
    )
    sizes = np.array([r[0].rows * r[0].columns for r in rasters])
    start = (np.cumsum(sizes) - sizes)[job_of]
    which, row, column = tiles(solids, view, grids)
    ray = start[which] + row * grids.columns[which] + column
    u = (grids.left[which] + column * grids.pitch[which]).astype(np.float32)
    v = (grids.top[which] + row * grids.pitch[which]).astype(np.float32)
    found = chords(solids, view, Rays(which, ray, u, v))[0]
    open_rays, outline = np.ones(sizes.sum(), bool), np.ones(sizes.sum(), bool)
    open_rays[found.ray] = False
    outline[found.ray[~spur[found.solid]]] = False
    pieces = [np.split(a, np.cumsum(sizes)[:-1]) for a in (open_rays, outline)]
    measured = [
        _measure(job[0], *raster, *piece) for job, raster, *piece in zip(jobs, rasters, *pieces, strict=True)
    ]
    return [measured[i : i + len(LEVELS)] for i in range(0, len(measured), len(LEVELS))]


def _measure(foramen: Foramen, grid: Grid, x, y, free: np.ndarray, outline: np.ndarray) -> Opening:
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
