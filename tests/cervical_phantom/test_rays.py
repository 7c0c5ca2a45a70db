"""Closed-form chords against marching along the ray, and the union against counting."""

import numpy as np
import pytest

from cervical_phantom.anatomy import frame_along, unit
from cervical_phantom.rays import Grid, Rays, SolidList, View, chords, tiles, union_length

VIEW = View(
    np.array([20.0, -900.0, 10.0]), np.array([-20.0, 1100.0, -10.0]), np.array([1.0, 0, 0]), np.array([0, 0, -1.0])
)
GRID = Grid(41, 41, 2.0, -40.0, -40.0)


def some_solids(rng, n: int = 12):
    parts = SolidList()
    for i in range(n):
        centre, axis = rng.uniform(-15, 15, 3), rng.normal(size=3)
        frame = frame_along(axis)
        if i % 3 == 0:
            parts.add(centre, frame, rng.uniform(4, 12, 3), 0)
        else:
            half = rng.uniform(3, 9)
            slabs = [(unit(axis), half)] + [(unit(rng.normal(size=3)), 6.0)] * (i % 2)
            parts.add(centre, frame, (*rng.uniform(3, 9, 2), np.inf), 0, slabs, half)
    return parts.solids()


def inside(solids, points):
    """(n, …) whether each point lies in each solid, straight from the definition."""
    away = points[None] - solids.centre[:, None]
    local = np.einsum("nij,npj->npi", solids.frame, away) / solids.semi[:, None]
    slabs = np.abs(np.einsum("nkj,npj->npk", solids.normal, away)) <= solids.half[:, None]
    return ((local**2).sum(-1) <= 1) & slabs.all(-1)


def marched(solids, row: int, column: int) -> float:
    """Path through the union along one ray, by steps of 0.02 mm."""
    end = VIEW.centre + (GRID.left + 2 * column) * VIEW.right + (GRID.top + 2 * row) * VIEW.down
    steps = np.arange(0.75, 0.95, 0.02 / 1100)
    points = VIEW.source + steps[:, None] * end
    return float(inside(solids, points).any(0).sum() * 0.02 * np.linalg.norm(end) / 1100)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_union_of_chords_is_the_path_through_the_solids(seed):
    rng = np.random.default_rng(seed)
    solids = some_solids(rng)
    which, row, column = tiles(solids, VIEW, GRID)
    u, v = (np.float32(GRID.left + 2 * column), np.float32(GRID.top + 2 * row))
    rays, enter, leave = chords(solids, VIEW, Rays(which, row * 41 + column, u, v))
    length = union_length(rays.ray, enter, leave, 41 * 41, 1.0) * 1100
    length = length.reshape(41, 41)
    assert length.max() > 20
    for _ in range(60):
        i, j = rng.integers(8, 33, 2)
        slant = np.linalg.norm(VIEW.centre + (GRID.left + 2 * j) * VIEW.right + (GRID.top + 2 * i) * VIEW.down)
        assert length[i, j] * slant / 1100 == pytest.approx(marched(solids, i, j), abs=0.15)


def test_tiles_miss_no_ray_that_meets_a_solid():
    solids = some_solids(np.random.default_rng(5))
    wide = np.meshgrid(np.arange(41), np.arange(41))
    which = np.repeat(np.arange(len(solids)), 41 * 41)
    column, row = (np.tile(a.ravel(), len(solids)) for a in wide)

    def meet(which, row, column):
        u, v = np.float32(GRID.left + 2 * column), np.float32(GRID.top + 2 * row)
        rays, _, _ = chords(solids, VIEW, Rays(which, row * 41 + column, u, v))
        return set(zip(rays.solid.tolist(), rays.ray.tolist(), strict=True))

    assert meet(*tiles(solids, VIEW, GRID)) == meet(which, row, column)


def test_overlapping_intervals_count_once():
    ray = np.array([0, 0, 0, 2])
    enter, leave = np.array([1.0, 2.0, 7.0, 0.0]), np.array([5.0, 3.0, 8.0, 1.5])
    assert union_length(ray, enter, leave, 3, 1.0).tolist() == [5.0, 0.0, 1.5]


def test_the_shrunk_solid_leaves_a_shell():
    parts = SolidList()
    parts.add((0, 0, 0), np.eye(3), (10, 10, 10), 0, shell=1.0)
    ray = Rays(np.array([0]), np.array([0]), np.zeros(1, np.float32), np.zeros(1, np.float32))
    view = View(np.array([0, -1000.0, 0]), np.array([0, 1200.0, 0]), np.array([1.0, 0, 0]), np.array([0, 0, -1.0]))
    outer, inner = (chords(parts.solids(), view, ray, shrink)[1:] for shrink in (False, True))
    assert (outer[1] - outer[0])[0] * 1200 == pytest.approx(20, abs=0.01)
    assert (inner[1] - inner[0])[0] * 1200 == pytest.approx(18, abs=0.01)


def test_projection_inverts_the_ray():
    u, v = 13.0, -7.0
    point = VIEW.source + 0.8 * (VIEW.centre + u * VIEW.right + v * VIEW.down)
    assert VIEW.project(point[None])[0] == pytest.approx([u, v], abs=1e-9)
