"""A drawing of what a radiograph passes through, sizes read from the study and the network."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

from foramen.figures.style import BLUE, GREEN, GREY, ORANGE, PAGE, SKY, describe, styled, subplots
from foramen.study.model import Study

UPPER, LOWER = 2.3, 0.75  # middle of the two rows, in units of the drawing
TRAINED_FROM = ("stem", "layer1", "layer2", "layer3", "layer4")


@styled
def architecture(study: Study, arm: str, feature_info: list[dict[str, Any]]) -> Figure:
    """The path of a radiograph through one arm: preprocessing, transformer, ResNet50, score. Notebook 05.

    `feature_info` is timm's list of stages (`num_chs`, `reduction`). Steps that the arm leaves out are
    dashed; blue stages are trained, pale ones keep their pre-trained weights. Raises KeyError for an unknown
    arm.
    """
    switches, size = study.arms[arm], study.training.input_size
    figure, ((axes,),) = subplots(figsize=(PAGE, 3.7))
    axes.set(xlim=(0, 10), ylim=(-0.45, 3.75))
    axes.set_axis_off()
    _preprocessing(axes, study, arm)
    _transformer(axes, study, arm)
    _network(axes, size, feature_info, switches.trainable)
    stages = ", ".join(
        f"{info['num_chs']} channels of {math.ceil(size / info['reduction'])} pixels" for info in feature_info
    )
    return describe(
        figure,
        f"Drawing of arm {arm}: radiograph of {study.cohort.image_size} pixels, equalization "
        f"{switches.equalization}, flip {switches.flip}, spatial transformer {switches.stn} with output of "
        f"{size} pixels, then ResNet50 ({switches.initialisation}, trainable: {switches.trainable}) with "
        f"stages of {stages}, one logit and a score.",
    )


def _preprocessing(axes: Axes, study: Study, arm: str) -> None:
    switches, side = study.arms[arm], study.cohort.image_size
    _box(axes, 0.7, UPPER, 1.15, "radiograph", f"1 × {side} × {side}")
    _box(axes, 2.25, UPPER, 1.2, "equalization", switches.equalization, on=switches.equalization != "none")
    _box(axes, 3.75, UPPER, 1.0, "flip", switches.flip, on=switches.flip != "none")
    _arrow(axes, (1.3, UPPER), (1.63, UPPER))
    _arrow(axes, (2.87, UPPER), (3.23, UPPER))


def _transformer(axes: Axes, study: Study, arm: str) -> None:
    """The three parts of Jaderberg et al. 2015, fig. 2; a fixed crop where the arm has no network for it."""
    kind, stn, size = study.arms[arm].stn, study.stn, study.training.input_size
    on = kind != "none"
    axes.add_patch(
        FancyBboxPatch(
            (4.55, 1.86),
            5.3,
            1.78,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor="none",
            edgecolor=GREEN if on else GREY,
            linestyle="-" if on else (0, (4, 3)),
            linewidth=1,
        )
    )
    region = study.region.magnification
    whole = "whole film" if region == 1 else f"fixed region, ×{region:g}"
    titles = {"none": f"no spatial transformer: {whole}", "crop": f"fixed crop, ×{stn.magnification:g}"}
    axes.text(7.2, 3.5, titles.get(kind, f"spatial transformer ({kind.replace('_', ' ')})"), ha="center", va="center")
    learned = kind not in ("none", "crop")
    look = f"sees {stn.localisation_size} × {stn.localisation_size}"
    _box(axes, 5.55, UPPER + 0.62, 1.55, "localisation network", look, colour=GREEN, on=learned)
    _box(axes, 7.55, UPPER + 0.62, 1.45, "grid generator", f"{size} × {size} points", colour=GREEN, on=on)
    _box(axes, 9.15, UPPER, 1.2, "sampler", f"1 × {size} × {size}", colour=GREEN, on=True)
    _arrow(axes, (4.27, UPPER), (8.53, UPPER))
    _arrow(axes, (4.45, UPPER), (4.77, UPPER + 0.62), bend=-0.35)
    _arrow(axes, (6.34, UPPER + 0.62), (6.8, UPPER + 0.62), "θ")
    _arrow(axes, (8.29, UPPER + 0.62), (9.1, UPPER + 0.33), bend=-0.3)


def _network(axes: Axes, size: int, feature_info: list[dict[str, Any]], trainable: str) -> None:
    """ResNet50's stages as blocks: height is the side of the feature map, depth the number of channels."""
    first = {"all": 0, "head": len(TRAINED_FROM)}.get(trainable)
    first = TRAINED_FROM.index(trainable) if first is None else first
    axes.plot([9.75, 9.97, 9.97, 0.12, 0.12, 0.3], [UPPER, UPPER, 1.66, 1.66, LOWER, LOWER], color="black", lw=1)
    axes.text(0.22, 1.5, "ResNet50", ha="left", va="center")
    x = 0.35
    for i, info in enumerate(feature_info):
        side = math.ceil(size / info["reduction"])
        height = 0.28 + 0.85 * side / math.ceil(size / feature_info[0]["reduction"])
        width = 0.12 + 0.16 * math.log2(info["num_chs"] / 32)
        _block(axes, x, LOWER, width, height, BLUE if i >= first else "#CFE3F2")
        name = "stem" if i == 0 else f"layer{i}"
        axes.text(
            x + width / 2, -0.02, f"{name}\n{info['num_chs']} × {side} × {side}", ha="center", va="top", fontsize=6.5
        )
        nearby = x + width + 0.12
        x = nearby + max(0.33, 0.95 - width)
        _arrow(axes, (nearby - 0.02, LOWER), (x - 0.05, LOWER))
    pooled = feature_info[-1]["num_chs"]
    _box(axes, x + 0.5, LOWER, 1.0, "mean over\nthe image", f"{pooled}", colour=BLUE)
    _arrow(axes, (x + 1.02, LOWER), (x + 1.38, LOWER))
    _box(axes, x + 1.75, LOWER, 0.72, "linear", "1 logit", colour=BLUE)
    _arrow(axes, (x + 2.13, LOWER), (x + 2.45, LOWER))
    _box(axes, x + 2.83, LOWER, 0.74, "sigmoid", "score", colour=ORANGE)


def _box(
    axes: Axes, x: float, y: float, width: float, title: str, detail: str, colour: str = SKY, on: bool = True
) -> None:
    height = 0.62 + 0.16 * title.count("\n")
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor="white" if on else "#F2F2F2",
            edgecolor=colour if on else GREY,
            linewidth=1.5 if on else 0.9,
            linestyle="-" if on else (0, (4, 3)),
            zorder=2,
        )
    )
    ink = "black" if on else GREY
    lines = title.count("\n") + 1
    axes.text(x, y + 0.13, title, ha="center", va="center", fontsize=7, color=ink, zorder=3, linespacing=0.95)
    axes.text(x, y - 0.1 - 0.07 * lines, detail, ha="center", va="center", fontsize=6.5, color=ink, zorder=3)


def _arrow(axes: Axes, start: tuple, end: tuple, text: str = "", bend: float = 0.0) -> None:
    style = f"arc3,rad={bend}"
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=8,
            linewidth=0.9,
            color="black",
            connectionstyle=style,
            shrinkA=0,
            shrinkB=0,
            zorder=4,
        )
    )
    if text:
        axes.text((start[0] + end[0]) / 2, start[1] + 0.13, text, ha="center", fontsize=8)


def _block(axes: Axes, x: float, y: float, width: float, height: float, colour: str) -> None:
    """A box in oblique projection, its left edge at x and its middle at y."""
    bottom, top, slant = y - height / 2, y + height / 2, 0.1
    axes.add_patch(Rectangle((x, bottom), width, height, facecolor=colour, edgecolor="black", linewidth=0.6))
    roof = [(x, top), (x + slant, top + slant), (x + width + slant, top + slant), (x + width, top)]
    wall = [
        (x + width, bottom),
        (x + width, top),
        (x + width + slant, top + slant),
        (x + width + slant, bottom + slant),
    ]
    for corners in (roof, wall):
        axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="black", linewidth=0.6, alpha=0.75))
