"""From a patient to the stored image: ray raster, display values, collimated box, and the masks of the foramina.

Used by `patients` and, in 01_data_audit, by `pictures`.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from cervical_phantom import acquisition as acq
from cervical_phantom.anatomy import LEVELS, SIDES
from cervical_phantom.case import Case, draw_exposure
from cervical_phantom.disease import stream
from cervical_phantom.foramina import Opening

SUB = 4  # parts per pixel and axis in which a mask is sampled


def factor_for(image_size: int) -> int:
    """Ray samples per pixel and axis: rays at most 0.8 mm apart on the film."""
    return int(np.ceil(acq.FILM_MM[0] / image_size / 0.8))


def stages(case: Case, name: str, row: dict, image_size: int, exposed: acq.Exposed | None = None) -> dict:
    """The image that shows side `name` on its way: `paths` in mm (on the ray raster), then on the film's pixels
    `signal` at the detector in shares of the open beam, and `value`, the display value 0 to 1, bone bright.

    exposed: in place of the image's own draw.
    """
    side, equipment = SIDES[name], acq.EQUIPMENT[row["site"]]
    view, factor, p = case.poses[name].view(), factor_for(image_size), case.parameters
    grid, pixel = acq.raster(image_size, factor), acq.FILM_MM[0] / image_size
    rng = stream(p.seed, case.patient, "noise", 1 if side > 0 else 2)
    exposed = exposed or draw_exposure(p, case.patient, side)
    paths = acq.line_integrals(case.spines[name], case.bones[name], view, grid, rng, p.exposure.texture)
    signal = acq.detect(paths, equipment, exposed, pixel, factor, rng)
    if row["marker_present"]:
        letter, right, down, angle = (row[f"marker_{name}"] for name in ("letter", "right", "down", "angle"))
        acq.put_marker(signal, letter, right, down, equipment.marker_mm, angle, pixel)
    return {
        "paths": paths,
        "signal": signal,
        "value": acq.look_up(signal, equipment, exposed, pixel),
        "exposed": exposed,
    }


def render(case: Case, name: str, row: dict, image_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image (S, S) uint16, box (4,) int16 and masks (S, S) uint8 of the image that shows side `name`.

    row: that image's row of manifest and truth (`Case.row`).
    """
    made, pixel = stages(case, name, row, image_size), acq.FILM_MM[0] / image_size
    value = made["value"]
    rows, columns = value.shape
    left = (image_size - columns) // 2
    top, start, bottom, stop = pixel_box(made["exposed"].box, rows, columns, pixel)
    image = np.zeros((image_size, image_size), np.uint16)
    levels = 2 ** acq.EQUIPMENT[row["site"]].bits - 1
    stored = np.round(value[top:bottom, start:stop] * levels)
    image[top:bottom, left + start : left + stop] = np.round(stored * (65535 / levels))
    masks = np.zeros((image_size, image_size), np.uint8)
    for bit, opening in enumerate(case.projected[name]):
        stamp(masks, opening, bit, pixel)
    return image, np.array([top, left + start, bottom, left + stop], np.int16), masks


def pixel_box(box: Sequence[float], rows: int, columns: int, pixel: float) -> tuple[int, int, int, int]:
    """The whole pixels within a collimated box in mm from the film's centre: top, left, bottom, right (exclusive)."""
    top, left, bottom, right = box
    return (
        int(np.ceil(top / pixel + rows / 2)),
        int(np.ceil(left / pixel + columns / 2)),
        int(np.floor(bottom / pixel + rows / 2)),
        int(np.floor(right / pixel + columns / 2)),
    )


def stamp(masks: np.ndarray, opening: Opening, bit: int, pixel: float) -> None:
    """Set one bit where a pixel of the image lies mostly within the projected outline of a foramen."""
    size, grid = masks.shape[0], opening.grid
    (top, bottom, rows), (left, right, columns) = (
        _samples(start, count, grid.pitch, pixel, size)
        for start, count in ((grid.top, grid.rows), (grid.left, grid.columns))
    )
    padded = np.pad(opening.outline, 1)
    covered = padded[np.ix_(rows, columns)].reshape(bottom - top, SUB, right - left, SUB).mean((1, 3))
    masks[top:bottom, left:right][covered >= 0.5] |= np.uint8(1 << bit)


def mask_bits(levels: Iterable[str]) -> int:
    """The bits that the foramina of these levels (`C5/6`) have in a mask."""
    return sum(1 << LEVELS.index(level) for level in levels)


def _samples(start: float, count: int, pitch: float, pixel: float, size: int) -> tuple[int, int, np.ndarray]:
    """First and last pixel (exclusive) that `count` rays may touch, and the ray nearest to each part.

    Rays are counted from 1; 0 and count + 1 mean none.
    """
    first, last = (np.floor(edge / pixel + size / 2) for edge in (start - pitch, start + count * pitch))
    first, last = int(np.clip(first, 0, size)), int(np.clip(last + 1, 0, size))
    place = ((np.arange(first * SUB, last * SUB) + 0.5) / SUB - size / 2) * pixel
    return first, last, np.clip(np.rint((place - start) / pitch).astype(int) + 1, 0, count + 1)
