"""One look for all figures: theme, sizes, palette, reference line, words, captions, saving."""

import base64
import functools
import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import matplotlib.pyplot as plt
import seaborn as sns
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
    "axes.prop_cycle": plt.cycler(color=PALETTE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.labelsize": 8,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same bytes on machines with other fonts
    "image.cmap": "gray",
    "image.interpolation": "none",
    "legend.frameon": False,
    "patch.force_edgecolor": False,
    "savefig.dpi": 300,
    "svg.fonttype": "path",
}
CLASSES = {0: "no stenosis", 1: "stenosis"}
# As readers see them, where the table's word is another.
SUBGROUPS = {"severity": "worst true grade", "age_band": "age"}
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
    """A Figure that brings its alternative text and its caption into the notebook that shows it, and few bytes."""

    caption: Caption

    def _ipython_display_(self) -> None:
        """What IPython calls: PNG at the figure's dpi, text for readers who do not see it; below it, how it is read."""
        from IPython.display import Markdown, display  # only notebooks need it

        alt, png = str(self.get_label()), base64.b64encode(_png(self, self.dpi)).decode()
        data = {"image/png": png, "text/plain": f"<Figure: {alt}>"}
        display(data, metadata={"image/png": {"alt": alt}}, raw=True)
        display(Markdown("**{}** {}".format(*self.caption)))


def captioned(function: Callable[P, Figure]) -> Callable[P, Picture]:
    """Register the caption of the figure that `function` draws, and draw it in the study's style.

    The docstring's first paragraph is the title, its second says how the figure is read. The figure's label is its
    alternative text: what it shows, with the numbers that one would take from it. The figure becomes a Picture,
    whatever library made it, and is left open nowhere, so that a notebook shows it once.
    """
    title, reading = [" ".join(part.split()) for part in inspect.cleandoc(function.__doc__ or "").split("\n\n")[:2]]
    CAPTIONS[function.__name__] = Caption(title.rstrip("."), reading)

    @functools.wraps(function)
    def draw(*args: P.args, **kwargs: P.kwargs) -> Picture:
        with plt.rc_context(STYLE):
            figure = function(*args, **kwargs)
            plt.close(figure)
        figure.set_label(" ".join(str(figure.get_label()).split()))
        figure.__class__ = Picture
        assert isinstance(figure, Picture)
        figure.caption = CAPTIONS[function.__name__]
        return figure

    return draw


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
