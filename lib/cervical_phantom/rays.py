"""Chords of X-rays through convex solids: quadrics cut by slabs, all rays and solids in one vectorised pass.

A ray runs from a source S to the detector point D(u, v) = D0 + u Eu + v Ev (relative to S), so a solid's entry and exit
are closed forms in (u, v) with few coefficients per solid. Lengths in mm. Seen in 01_data_audit through `acquisition`
and `foramina`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import ArrayLike

FAR = 1e9  # half-width of a slab that cuts nothing
STRIDE = 4096.0  # mm between neighbouring pixels on the number line on which all intervals are sorted at once


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products along the last axis, which has 3 entries (numpy's own are slow for so few)."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The vector product of two vectors (3,), or of the rows of two arrays (n, 3)."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]).T


@dataclass
class View:
    """A projection: source, vectors source→detector centre and detector axes per mm, in patient mm.

    Each is (3,), or (n, 3) where each of n solids or points has its own view.
    """

    source: np.ndarray
    centre: np.ndarray
    right: np.ndarray
    down: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Detector coordinates (…, 2) in mm (right, down) of points (…, 3)."""
        reach = (points - self.source) * self.magnification(points)[..., None] - self.centre
        return np.stack([dot(reach, self.right), dot(reach, self.down)], -1)

    def magnification(self, points: np.ndarray) -> np.ndarray:
        """Detector mm per mm across the beam at points (…, 3)."""
        normal = cross(self.right, self.down)
        return dot(self.centre, normal) / dot(points - self.source, normal)


@dataclass
class Grid:
    """A detector raster: rows x columns samples at `pitch` mm, the first sample's centre at (left, top) mm.

    Each entry is a number, or (n,) where each of n solids has its own raster.
    """

    rows: int
    columns: int
    pitch: float
    left: float
    top: float


@dataclass
class Solids:
    """n convex solids. A point p is inside where |frame (p - centre) / semi| <= 1 and |normal_k (p - centre)| <=
    half_k.

    centre (n, 3); frame (n, 3, 3), axes as rows; semi (n, 3), inf for the axis of a cylinder; normal (n, 2, 3) and half
    (n, 2) of two slabs; reach (n,), the half-length of a cylinder along its third axis; shell (n,), thickness of the
    cortex; tag (n,), what the solid belongs to.
    """

    centre: np.ndarray
    frame: np.ndarray
    semi: np.ndarray
    normal: np.ndarray
    half: np.ndarray
    reach: np.ndarray
    shell: np.ndarray
    tag: np.ndarray

    def __len__(self) -> int:
        return len(self.centre)

    def take(self, which: np.ndarray) -> "Solids":
        """The solids named by an index or a mask."""
        return Solids(*(getattr(self, f.name)[which] for f in fields(self)))

    @staticmethod
    def join(parts: list["Solids"]) -> "Solids":
        """All solids of several lists, in order."""
        return Solids(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Solids)))


@dataclass
class SolidList:
    """Collects solids one by one; `solids()` packs them into arrays."""

    rows: list[tuple] = field(default_factory=list)

    def add(
        self,
        centre: ArrayLike,
        frame: ArrayLike,
        semi: ArrayLike,
        tag: int,
        slabs: Sequence[tuple[ArrayLike, float]] = (),
        reach: float = 0.0,
        shell: float = 0.7,
    ) -> None:
        """Add one solid; `slabs` holds up to two (normal, half width) in patient coordinates."""
        padded = [*slabs, *[((0.0, 0.0, 0.0), FAR)] * (2 - len(slabs))]
        normals, halves = zip(*padded, strict=True)
        self.rows.append((centre, frame, semi, normals, halves, reach, shell, tag))

    def solids(self) -> Solids:
        """All solids added so far."""
        solids = Solids(*(np.array(column, dtype=float) for column in zip(*self.rows, strict=True)))
        solids.tag = solids.tag.astype(int)
        return solids


def tiles(solids: Solids, view: View, grid: Grid, margin: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triples (solid, row, column) of the samples whose ray may meet a solid: its projected bounding box."""
    scale = view.magnification(solids.centre) * 1.03
    centre = view.project(solids.centre)
    finite = np.where(np.isinf(solids.semi), 0.0, solids.semi)
    first, count = [], []
    for axis, (direction, origin, size) in enumerate(
        [(view.right, grid.left, grid.columns), (view.down, grid.top, grid.rows)]
    ):
        along = dot(solids.frame, direction if direction.ndim == 1 else direction[:, None])
        half = (np.sqrt(((finite * along) ** 2).sum(1)) + solids.reach * np.abs(along[:, 2])) * scale + margin
        low = np.clip(np.ceil((centre[:, axis] - half - origin) / grid.pitch), 0, size).astype(int)
        high = np.clip(np.floor((centre[:, axis] + half - origin) / grid.pitch) + 1, 0, size).astype(int)
        first.append(low)
        count.append(np.maximum(high - low, 0))
    solid_of_row = np.repeat(np.arange(len(solids)), count[1])
    row = _runs(first[1], count[1])
    width = count[0][solid_of_row]
    return np.repeat(solid_of_row, width), np.repeat(row, width), _runs(first[0][solid_of_row], width)


def _runs(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """first[0], first[0] + 1, … (count[0] of them), then the same from first[1], and so on."""
    return np.arange(count.sum()) + np.repeat(first - np.cumsum(count) + count, count)


@dataclass
class Rays:
    """Pairs of a solid and a ray that may meet: their indices and the ray's detector coordinates (pairs,) in mm.

    Pairs are in the order of the solids, so that what belongs to a solid is spread by repetition, not by look-up.
    """

    solid: np.ndarray
    ray: np.ndarray
    u: np.ndarray
    v: np.ndarray

    def take(self, which: np.ndarray) -> "Rays":
        """The pairs named by an increasing index."""
        return Rays(self.solid[which], self.ray[which], self.u[which], self.v[which])

    def count(self, solids: int) -> np.ndarray:
        """Number of pairs of each of the solids."""
        return np.bincount(self.solid, minlength=solids)


def chords(solids: Solids, view: View, rays: Rays, shrink: bool = False) -> tuple[Rays, np.ndarray, np.ndarray]:
    """The pairs that do meet, and where the ray enters and leaves, as fractions of the way to the detector.

    shrink: meet the part within the cortex. Single precision is good to about 1e-3 mm: coefficients are double.
    """
    inset = solids.shell if shrink else np.zeros(len(solids))
    semi = solids.semi - inset[:, None]
    alive = (semi > 0.05).all(1) & (solids.half - inset[:, None] > 0.05).all(1)
    away = np.broadcast_to(view.source - solids.centre, (len(solids), 3))
    scaled = solids.frame / np.where(alive[:, None], semi, 1.0)[:, :, None]
    q, m0, m1, m2 = (
        np.einsum("nij,nj->ni", scaled, np.broadcast_to(x, away.shape))
        for x in (away, view.centre, view.right, view.down)
    )
    b0, b1, b2 = dot(q, m0), dot(q, m1), dot(q, m2)
    square = (dot(m0, m0), 2 * dot(m0, m1), 2 * dot(m0, m2), dot(m1, m1), 2 * dot(m1, m2), dot(m2, m2))
    ahead = (b0 * b0, 2 * b0 * b1, 2 * b0 * b2, b1 * b1, 2 * b1 * b2, b2 * b2)
    outside = dot(q, q) - 1
    discriminant = [np.where(alive, b - a * outside, 0.0) for b, a in zip(ahead, square, strict=True)]
    root = _quadratic(discriminant, rays, rays.count(len(solids)))
    hit = np.flatnonzero(root > 0)
    rays, root = rays.take(hit), np.sqrt(root[hit])
    count = rays.count(len(solids))
    b = _linear((b0, b1, b2), rays, count)
    inverse = 1 / _quadratic(square, rays, count)
    enter, leave = (-b - root) * inverse, (root - b) * inverse
    for k in range(2):
        _cut(solids, view, away, k, inset, rays, count, enter, leave)
    hit = np.flatnonzero(leave > enter)
    return rays.take(hit), enter[hit], leave[hit]


def _spread(values: np.ndarray, count: np.ndarray) -> np.ndarray:
    """What belongs to each solid, once for each of its pairs, in single precision."""
    return np.repeat(values.astype(np.float32), count)


def _linear(coefficients: Sequence[np.ndarray], rays: Rays, count: np.ndarray) -> np.ndarray:
    """c0 + c1 u + c2 v with the coefficients of each pair's solid."""
    c0, c1, c2 = (_spread(c, count) for c in coefficients)
    return c0 + c1 * rays.u + c2 * rays.v


def _quadratic(coefficients: Sequence[np.ndarray], rays: Rays, count: np.ndarray) -> np.ndarray:
    """c0 + c1 u + c2 v + c3 u² + c4 u v + c5 v² with the coefficients of each pair's solid."""
    c0, c1, c2, c3, c4, c5 = (_spread(c, count) for c in coefficients)
    return c0 + rays.u * (c1 + rays.u * c3 + rays.v * c4) + rays.v * (c2 + rays.v * c5)


def _cut(
    solids: Solids,
    view: View,
    away: np.ndarray,
    k: int,
    inset: np.ndarray | float,
    rays: Rays,
    count: np.ndarray,
    enter: np.ndarray,
    leave: np.ndarray,
) -> None:
    """Narrow the intervals enter…leave, in place, to the k-th slab of their solid."""
    has_slab = solids.half[:, k] < FAR
    part = np.flatnonzero(np.repeat(has_slab, count))
    cut, count, normal = rays.take(part), np.where(has_slab, count, 0), solids.normal[:, k]
    rate = _linear((dot(normal, view.centre), dot(normal, view.right), dot(normal, view.down)), cut, count)
    rate = 1 / np.where(np.abs(rate) < 1e-6, np.float32(1e-6), rate)
    half, offset = solids.half[:, k] - inset, dot(normal, away)
    one, other = _spread(-half - offset, count) * rate, _spread(half - offset, count) * rate
    enter[part] = np.maximum(enter[part], np.minimum(one, other))
    leave[part] = np.minimum(leave[part], np.maximum(one, other))


def union_length(ray: np.ndarray, enter: np.ndarray, leave: np.ndarray, size: int, distance: float) -> np.ndarray:
    """Length in mm (size,) of the UNION of each ray's intervals, so that overlapping solids count once.

    distance: mm from source to detector. One sort for all rays: each has its own stretch of the number line.
    """
    order = _order(ray, enter * distance)
    base = ray[order] * STRIDE
    start, end = base + enter[order] * distance, base + leave[order] * distance
    covered = start.copy()
    covered[1:] = np.maximum(start[1:], np.maximum.accumulate(end)[:-1])
    return np.bincount(ray[order], np.maximum(end - covered, 0.0), size)


def _order(ray: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Indices that sort by ray, then by start (to 1/4096 mm; rays of up to 2 m).

    Sorting one 64-bit word that holds ray, start and index is several times faster than an argsort.
    """
    bits = np.uint64(max(1, int(len(ray)).bit_length()))
    words = (ray.astype(np.uint64) << np.uint64(23)) | (start * 4096).astype(np.uint64)
    words = np.sort((words << bits) | np.arange(len(ray), dtype=np.uint64))
    return (words & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.intp)
