"""One look for all figures: theme, sizes, palette, reference line, captions, saving. Used through `foramen.figures`."""

import base64
import functools
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from foramen.core.files import replacing, write_text

COLUMN = 3.5  # inches, one column of a two-column page
PAGE = 7.2  # inches, both columns

# Okabe & Ito, "Color Universal Design" (2008): told apart with any colour vision, and in grey.
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE)
MARKERS = "osD^vP*X"
GREY = "#767676"
REFERENCE: dict[str, Any] = {"color": GREY, "linewidth": 0.9, "linestyle": (0, (3, 2)), "zorder": 1}

STYLE = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper", font_scale=5 / 6),  # 8 points
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same bytes on machines with other fonts
    "image.cmap": "gray",
    "image.interpolation": "none",
    "legend.frameon": False,
    "patch.force_edgecolor": False,
    "savefig.dpi": 160,
    "svg.fonttype": "path",
}
CLASSES = {0: "no stenosis", 1: "stenosis"}
SIDES = {"L": "left", "R": "right", "": "side not given"}
METRIC_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "f1": "F1 score",
    "auroc": "AUROC",
}


P = ParamSpec("P")


class Caption(NamedTuple):
    """A figure's title and how it is read."""

    title: str
    reading: str


CAPTIONS: dict[str, Caption] = {}  # by the name of the function that draws, which is also the name of the file


class Picture(Figure):
    """A Figure that brings its alternative text into the notebook that shows it, and few bytes."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> tuple[dict, dict]:
        """What IPython asks for: PNG at the figure's dpi, and text for readers who do not see it."""
        alt = str(self.get_label())
        png = base64.b64encode(_png(self, self.dpi)).decode()
        return {"image/png": png, "text/plain": f"<Figure: {alt}>"}, {"image/png": {"alt": alt}}


def captioned(title: str, reading: str) -> Callable[[Callable[P, Figure]], Callable[P, Picture]]:
    """Register title and reading of the figure that the decorated function draws, and draw it in the study's style.

    The figure is a Picture, whatever library made it, and is left open nowhere, so that a notebook shows it once.
    """

    def decorate(function: Callable[P, Figure]) -> Callable[P, Picture]:
        CAPTIONS[function.__name__] = Caption(title, reading)

        @functools.wraps(function)
        def draw(*args: P.args, **kwargs: P.kwargs) -> Picture:
            with plt.rc_context(STYLE):
                figure = function(*args, **kwargs)
                plt.close(figure)
            figure.__class__ = Picture
            assert isinstance(figure, Picture)
            return figure

        return draw

    return decorate


def _photographic(figure: Figure) -> bool:
    """Does the figure hold radiographs? They need no vector copy, and more than 256 colours."""
    return any(axes.images for axes in figure.axes)


def _png(figure: Figure, dpi: float | str) -> bytes:
    """The figure as PNG; a drawing with 256 colours, which is a third of the bytes and looks the same."""
    with plt.rc_context(STYLE), io.BytesIO() as whole, io.BytesIO() as small:
        figure.savefig(whole, format="png", dpi=dpi, metadata={"Software": None})
        if _photographic(figure):
            return whole.getvalue()
        with Image.open(whole) as image:
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        return small.getvalue()


def save(figure: Figure, folder: Path, name: str, alt: str | None = None) -> Figure:
    """Write `name`.png, .svg (drawings only) and .txt (for readers who do not see it) to `folder`; return the figure.

    The same figure gives the same bytes on the same machine: no date, no random identifiers. Raises ValueError for
    a figure without alternative text.
    """
    alt = alt or str(figure.get_label())
    if not alt:
        raise ValueError(f"figure {name} has no alternative text")
    if not _photographic(figure):
        with plt.rc_context({**STYLE, "svg.hashsalt": name}), io.StringIO() as stream:
            metadata = {"Date": None, "Creator": None, "Title": name, "Description": alt}
            figure.savefig(stream, format="svg", metadata=metadata)
            write_text(Path(folder) / f"{name}.svg", stream.getvalue())
    with replacing(Path(folder) / f"{name}.png") as temporary:
        temporary.write_bytes(_png(figure, STYLE["savefig.dpi"]))
    write_text(Path(folder) / f"{name}.txt", alt + "\n")
    return figure


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


def intervals(axes: Axes, x: Any, y: Any, low: Any, high: Any, color: str, across: bool = False, **line: Any) -> None:
    """Estimates at (x, y) with the intervals that came with them: upright, or `across` where x is the estimate."""
    whiskers = axes.hlines if across else axes.vlines
    whiskers(y if across else x, low, high, color=color, linewidth=1.3)
    axes.plot(x, y, color=color, **{"marker": "o", "markersize": 4, **line})


def picture(axes: Axes, image: np.ndarray, title: str = "", **kwargs: Any) -> None:
    """Draw a grey image without ticks; its own darkest and brightest values become black and white."""
    axes.imshow(image, **{"cmap": "gray", **kwargs})
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if title:
        axes.set_title(title, fontsize=7, pad=2)


def records(table: pd.DataFrame) -> Iterable[Any]:
    """The rows of a table, each with its columns as attributes."""
    return table.itertuples()


def listing(items: Iterable[object]) -> str:
    """`a, b and c`."""
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last


def describe(figure: Figure, text: str) -> Figure:
    """Give the figure its alternative text: what it shows, with the numbers a reader would take from it."""
    figure.set_label(" ".join(text.split()))
    return figure
