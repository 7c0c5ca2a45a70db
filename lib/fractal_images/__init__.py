"""Formula-generated images: random iterated function systems, a substitute for photographs (notebook 05).

Ten images of each of four categories:

    import numpy as np
    import fractal_images

    rng = np.random.default_rng(0)
    images = fractal_images.render(fractal_images.categories(4, rng).repeat(10, axis=0), 64, rng)  # (40, 64, 64)

Kataoka et al. 2020, Pre-training without natural images (FractalDB): a category is a system of affine maps,
its instances are jittered copies, and a network that learns to tell categories apart learns useful features.
Systems are drawn as in Anderson and Farrell 2022, Improving fractal pre-training: from the singular values of
the maps, so that every draw gives a well-shaped attractor and none has to be rejected. Nothing here knows
radiographs.
"""

import numpy as np

MAPS = 4  # affine maps of a system
POINTS = 192  # run side by side for one image
STEPS = 64  # of the chaos game that are drawn
SETTLE = 16  # steps before a point has reached the attractor
JITTER = 0.15  # relative change of a map's coefficients between instances of one category


def categories(count: int, rng: np.random.Generator) -> np.ndarray:
    """Random iterated function systems: (count, MAPS, 2, 3) affine maps [A | b].

    The sum of the singular values, weighted 1 and 2, lies where attractors are neither dust nor blobs
    (Anderson and Farrell 2022, section 3.1).
    """
    total = rng.uniform(0.5 * (5 + MAPS), 0.5 * (6 + MAPS), count)
    singular = _singular_values(total, rng)
    rotations = _rotations(rng.uniform(-np.pi, np.pi, (2, count, MAPS)))
    signs = rng.choice([-1.0, 1.0], (count, MAPS, 2))
    linear = rotations[0] @ ((singular * signs)[..., None] * rotations[1])
    shift = rng.uniform(-1, 1, (count, MAPS, 2, 1))
    return np.concatenate([linear, shift], axis=-1)


def _singular_values(total: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pairs s1 >= s2 in (0, 1) for each map, with the sum of s1 + 2 s2 over the maps equal to `total`."""
    values = np.empty((len(total), MAPS, 2))
    left = total.copy()
    for i in range(MAPS):
        after = MAPS - i - 1  # each later map takes between 0 and 3
        share = rng.uniform(np.maximum(0, left - 3 * after), np.minimum(3, left))
        values[:, i, 1] = rng.uniform(np.maximum(0, (share - 1) / 2), share / 3)
        values[:, i, 0] = share - 2 * values[:, i, 1]
        left -= share
    return values


def _rotations(angles: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def render(systems: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """An instance of each system (B, MAPS, 2, 3): (B, size, size) float32, mean 0 and variance 1."""
    jitter = rng.uniform(1 - JITTER, 1 + JITTER, (len(systems), MAPS, 2, 3))
    points = _play(systems * jitter, rng)
    image = np.log1p(_histogram(_pose(points, rng), size))
    flip = rng.choice([-1.0, 1.0], (len(image), 1, 1)).astype(np.float32)
    image = (image - image.mean((1, 2), keepdims=True)) / (image.std((1, 2), keepdims=True) + 1e-6)
    return image * flip


def _play(systems: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The chaos game: (B, STEPS * POINTS, 2) points on the attractors; a map's share follows its area."""
    count = len(systems)
    area = np.abs(np.linalg.det(systems[..., :2])) + 1e-3
    edges = np.cumsum(area / area.sum(1, keepdims=True), axis=1)[:, :-1]
    table = systems.astype(np.float32).reshape(count, MAPS, 6)
    point = np.zeros((count, POINTS, 2), np.float32)
    path = np.empty((STEPS, count, POINTS, 2), np.float32)
    rows = np.arange(count)[:, None]
    for step in range(-SETTLE, STEPS):
        chosen = (rng.random((count, POINTS, 1), dtype=np.float32) > edges[:, None]).sum(-1)
        a = table[rows, chosen]
        x, y = point[..., 0], point[..., 1]
        point = np.stack([a[..., 0] * x + a[..., 1] * y + a[..., 2], a[..., 3] * x + a[..., 4] * y + a[..., 5]], -1)
        np.clip(point, -1e6, 1e6, out=point)  # a jittered system may drift apart
        if step >= 0:
            path[step] = point
    return path.transpose(1, 0, 2, 3).reshape(count, -1, 2)


def _pose(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Centre the points, scale them to their spread, apply a random similarity; the frame is 0 to 1."""
    centre = points.mean(1, keepdims=True)
    spread = points.std((1, 2), keepdims=True) + 1e-6
    turn = _rotations(rng.uniform(-np.pi / 6, np.pi / 6, len(points))).astype(np.float32)
    turn[:, 0] *= rng.choice([-1.0, 1.0], (len(points), 1)).astype(np.float32)
    scale = rng.uniform(0.18, 0.3, (len(points), 1, 1)).astype(np.float32)
    shift = rng.uniform(0.4, 0.6, (len(points), 1, 2)).astype(np.float32)
    return (points - centre) / spread @ turn.transpose(0, 2, 1) * scale + shift


def _histogram(points: np.ndarray, size: int) -> np.ndarray:
    """How many of an image's points fall into each of its pixels: (B, size, size) float32."""
    cells = np.floor(points * size).astype(np.int32)
    inside = ((cells >= 0) & (cells < size)).all(-1)
    flat = (np.arange(len(points))[:, None] * size + cells[..., 1]) * size + cells[..., 0]
    counts = np.bincount(flat[inside], minlength=len(points) * size * size)
    return counts.reshape(-1, size, size).astype(np.float32)
