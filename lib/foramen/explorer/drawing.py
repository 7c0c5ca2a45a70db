"""Radiographs and what is known of them in the form that a page draws: data URLs, SVG paths and matrices.

Places are in the coordinates of the film, -1 to 1 over the square, x to the right and y down, as in `core.geometry`.
"""

import base64
import io

import numpy as np
import torch
from matplotlib.colors import to_rgb
from PIL import Image
from skimage.measure import approximate_polygon, find_contours

from foramen.figures.style import ORANGE, SKY
from foramen.preprocessing import regions

QUALITY = 70  # of a film as WebP, in per cent
OPACITY = 0.75  # of the strongest evidence
TOLERANCE = 0.4  # pixels by which a simplified outline may miss the true one


def film(image: np.ndarray) -> str:
    """A film (S, S) of any type, from its darkest to its brightest value, as the data URL of a WebP picture."""
    grey = np.interp(image, (image.min(), max(image.max(), image.min() + 1)), (0, 255)).round().astype(np.uint8)
    return _url(Image.fromarray(grey), "WEBP", quality=QUALITY, method=6)


def evidence(cells: np.ndarray) -> str:
    """Evidence (h, w) as the data URL of a picture of as many pixels: orange for label 1, blue against it, 0 clear."""
    strength = np.abs(cells) / (np.abs(cells).max() or 1)
    colours = np.where((cells > 0)[..., None], to_rgb(ORANGE), to_rgb(SKY))
    pixels = np.concatenate([colours, OPACITY * np.sqrt(strength)[..., None]], axis=-1)
    return _url(Image.fromarray((255 * pixels).round().astype(np.uint8)), "PNG")


def _url(image: Image.Image, form: str, **options: int) -> str:
    with io.BytesIO() as stream:
        image.save(stream, form, **options)
        return f"data:image/{form.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"


def outline(mask: np.ndarray) -> str:
    """The SVG path about the set pixels of a mask (S, S) bool; empty where there are none."""
    parts = []
    for contour in find_contours(np.pad(mask, 1).astype(float), 0.5):
        points = (approximate_polygon(contour, TOLERANCE)[:-1, ::-1] - 0.5) * 2 / len(mask) - 1
        parts.append("M" + "L".join(f"{x:.3f} {y:.3f}" for x, y in points) + "Z")
    return "".join(parts)


def on_film(theta: torch.Tensor, mirrored: np.ndarray, places: np.ndarray) -> np.ndarray:
    """From the square -1 to 1 that a network reads to the film: SVG matrices (n, k, 6), one a head.

    `theta` (n, 2, 3) or (n, k, 2, 3) leads to the region at `places` (n, 3), which was `mirrored` (n,) for the network.
    """
    heads = theta.reshape(len(theta), -1, 2, 3).double()
    flips = torch.ones(len(theta), 1, 3, dtype=torch.float64)
    flips[torch.from_numpy(mirrored), :, 0] = -1
    to_film = regions.frames(places).double()[:, :2] * flips  # (n, 2, 3): mirrored, then put on the film
    last = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(*heads.shape[:2], 1, 3)
    return (to_film[:, None] @ torch.cat([heads, last], dim=2)).transpose(2, 3).flatten(2).numpy()
