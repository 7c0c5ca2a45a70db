"""Figures of the pre-training: what the network learned from before it saw a radiograph."""

import numpy as np
from matplotlib.figure import Figure

from foramen.figures.style import PAGE, describe, picture, styled, subplots


@styled
def formula_images(grid: np.ndarray) -> Figure:
    """Formula-generated images (rows, columns, S, S), a row each category. Used by notebook 05."""
    rows, columns = grid.shape[:2]
    figure, axes = subplots(rows, columns, figsize=(PAGE, PAGE / columns * rows))
    for cell, image in zip(axes.flat, grid.reshape(-1, *grid.shape[2:]), strict=True):
        picture(cell, image)
    for i, cell in enumerate(axes[:, 0]):
        cell.set_ylabel(f"category {i + 1}", fontsize=6)
    return describe(
        figure, f"Formula-generated images: {rows} categories, a row each, with {columns} instances side by side."
    )
