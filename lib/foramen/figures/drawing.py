"""What several figures are drawn with: panels, rows of pictures, estimates with intervals; and their words."""

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from cervical_phantom.pictures import picture
from foramen.figures.style import PAGE


def panels(count: int, most: int, ratio: float, extra: float = 0.0, **kwargs: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in at most `most` columns over the width of a page (less for one or two).

    A row is `ratio` times as high as a panel is wide, and `extra` inches for titles.
    """
    columns = balanced(count, most)
    rows, width = -(-count // columns), PAGE / max(columns, 3)
    size = (width * columns, (ratio * width + extra) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **kwargs)
    for spare in axes.flat[count:]:
        spare.set_axis_off()
    return figure, list(axes.flat[:count])


def balanced(count: int, most: int) -> int:
    """Columns of a grid of `count` panels, at most `most`, that leave the last row as full as can be."""
    rows = -(-count // most)
    return max(1, -(-count // rows))


def rows_of_pictures(
    axes: np.ndarray, rows: Mapping[str, Iterable[np.ndarray]], side_mm: ArrayLike = np.nan, **kwargs: Any
) -> None:
    """Fill `axes` (rows, columns) with rows of grey images, each named at its left; where images are missing, empty.

    `side_mm`: what the height of all, or of each column's, is on the film, for scale bars.
    """
    sides = np.broadcast_to(side_mm, axes.shape[1])
    for cells, (name, images) in zip(axes, rows.items(), strict=True):
        for cell, image, side in zip_longest(cells, images, sides):
            if image is None:
                cell.set_axis_off()
            else:
                picture(cell, image, side_mm=side, **kwargs)
        cells[0].set_ylabel(name, fontsize=7)


def frame(theta: np.ndarray, size: int) -> np.ndarray:
    """The closed outline (5,2), x then y in pixels, of what a sampling matrix reads from a `size` square."""
    corners = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1], [-1, -1, 1]], float)
    return (corners @ np.asarray(theta, float).T + 1) / 2 * size - 0.5


def intervals(axes: Axes, x: Any, y: Any, low: Any, high: Any, color: str, across: bool = False, **line: Any) -> None:
    """Estimates at (x, y) with the intervals that came with them: upright and joined by a line, or, where x is the
    estimate, `across` and each for itself."""
    whiskers = axes.hlines if across else axes.vlines
    whiskers(y if across else x, low, high, color=color, linewidth=1.3)
    look = {"marker": "o", "markersize": 4, "linestyle": "none" if across else "-", "color": color}
    axes.plot(x, y, **{**look, **line})


def listing(items: Iterable[object]) -> str:
    """`a, b and c`."""
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last


def in_words(table: pd.DataFrame, form: str) -> str:
    """A listing of a table's rows, each in the form given: `"{arm} {gain:+.1f}"` says `he +1.0 and proposed +6.0`."""
    return listing(form.format_map(row) for row in table.to_dict("records"))
