"""One look for all figures: size, palette, reference line, saving. Used through `foramen.figures`."""

import base64
import functools
import io
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
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
REFERENCE = {"color": GREY, "linewidth": 0.9, "linestyle": (0, (3, 2)), "zorder": 1}

STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "image.cmap": "gray",
    "image.interpolation": "none",
    "svg.fonttype": "path",
}


class Picture(Figure):
    """A Figure that brings its alternative text into the notebook that shows it, and few bytes."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> tuple[dict, dict]:
        """What IPython asks for: PNG at the figure's dpi, and text for readers who do not see it."""
        with plt.rc_context(STYLE), io.BytesIO() as stream:
            self.savefig(stream, format="png", dpi=self.dpi, metadata={"Software": None})
            png = base64.b64encode(few_bytes(stream.getvalue())).decode()
        alt = self.get_label()
        return {"image/png": png, "text/plain": f"<Figure: {alt}>"}, {"image/png": {"alt": alt}}


def few_bytes(png: bytes) -> bytes:
    """The PNG with 256 colours; a third of the size, and no difference that an eye would see in a figure."""
    with Image.open(io.BytesIO(png)) as image, io.BytesIO() as stream:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
        return stream.getvalue()


def subplots(*args, **kwargs) -> tuple[Figure, np.ndarray]:
    """`plt.subplots` of a Picture; the axes always in a table."""
    return plt.subplots(*args, squeeze=False, FigureClass=Picture, **kwargs)


def styled(function: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the study's style and leave nothing open in pyplot, so that a notebook shows it once."""

    @functools.wraps(function)
    def draw(*args, **kwargs) -> Figure:
        with plt.rc_context(STYLE):
            figure = function(*args, **kwargs)
            plt.close(figure)
        return figure

    return draw


def save(figure: Figure, folder: Path, name: str, alt: str | None = None) -> Figure:
    """Write `name`.png, .svg (drawings only) and .txt (for readers who do not see it) to `folder`; return the figure.

    A figure with radiographs has no .svg: it would hold the same pixels once more.
    The same figure gives the same bytes on the same machine: no date, no random identifiers.
    """
    alt = alt or figure.get_label()
    if not alt:
        raise ValueError(f"figure {name} has no alternative text")
    svg = {"Date": None, "Creator": None, "Title": name, "Description": alt}
    with plt.rc_context({**STYLE, "svg.hashsalt": name}):
        with io.StringIO() as stream:
            figure.savefig(stream, format="svg", metadata=svg, dpi=144)
            drawing = stream.getvalue()
        if "<image" not in drawing:
            write_text(Path(folder) / f"{name}.svg", drawing)
        with io.BytesIO() as stream, replacing(Path(folder) / f"{name}.png") as temporary:
            figure.savefig(stream, format="png", metadata={"Software": None})
            temporary.write_bytes(few_bytes(stream.getvalue()))
    write_text(Path(folder) / f"{name}.txt", alt + "\n")
    return figure


def balanced(count: int, most: int) -> int:
    """Columns of a grid of `count` panels, at most `most`, that leave the last row as full as can be."""
    rows = -(-count // most)
    return max(1, -(-count // rows))


def panels(count: int, most: int, ratio: float, extra: float = 0.0, **kwargs) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in at most `most` columns over the width of a page (less for one or two).

    A row is `ratio` times as high as a panel is wide, and `extra` inches for titles.
    """
    columns = balanced(count, most)
    rows, width = -(-count // columns), PAGE / max(columns, 3)
    size = (width * columns, (ratio * width + extra) * rows)
    figure, axes = subplots(rows, columns, figsize=size, **kwargs)
    flat = list(axes.flat)
    for spare in flat[count:]:
        spare.set_axis_off()
    return figure, flat[:count]


def picture(axes: Axes, image: np.ndarray, title: str = "", **kwargs) -> None:
    """Draw a grey image without ticks; its own darkest and brightest values become black and white."""
    axes.imshow(image, **{"cmap": "gray", **kwargs})
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if title:
        axes.set_title(title, fontsize=7, pad=2)


def listing(items: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def describe(figure: Figure, text: str) -> Figure:
    """Give the figure its alternative text: what it shows, with the numbers a reader would take from it."""
    figure.set_label(" ".join(text.split()))
    return figure
