"""Figures of notebook 05: what a radiograph passes through, and how the network learned."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

from foramen.figures.drawing import listing, rows_of_pictures
from foramen.figures.style import BLUE, GREY, PAGE, REFERENCE, VERMILION, captioned
from foramen.study.model import Run

NETWORKS = {"resnet50": "ResNet50", "tf_efficientnet_lite0": "EfficientNet-Lite0"}
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")


class Step(NamedTuple):
    """A box of the architecture: `kind` is fixed, trained, frozen or omitted (the arm leaves it out)."""

    title: str
    detail: str
    kind: str = "fixed"


BOXES: dict[str, dict[str, Any]] = {
    "fixed": {"facecolor": "white", "edgecolor": "black"},
    "trained": {"facecolor": BLUE, "edgecolor": BLUE},
    "frozen": {"facecolor": "#CFE3F2", "edgecolor": BLUE},
    "omitted": {"facecolor": "white", "edgecolor": GREY, "linestyle": (0, (3, 2))},
}
INK = {"trained": "white", "omitted": GREY}


def architecture_steps(run: Run, stages: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The boxes of a training's arm; `stages` is timm's `feature_info` (num_chs, reduction)."""
    study, arm, shape = run.study, run.switches, run.shape
    first = 0 if arm.trainable == "all" else (*STAGES, "head").index(arm.trainable)
    film, seen = study.cohort.image_size, study.image_size(arm.region)
    crops, size = "" if arm.heads == 1 else f"{arm.heads} × ", f"{shape[0]} × {shape[1]}"
    steps = [Step("radiograph", f"{film} × {film}")]
    steps.append(Step("region", f"{arm.region}\n{seen} × {seen}", "omitted" if arm.region == "film" else "fixed"))
    for name in ("equalization", "flip"):
        steps.append(Step(name, getattr(arm, name), "omitted" if getattr(arm, name) == "none" else "fixed"))
    zoom = study.stn.magnification if arm.heads == 1 else study.stn.head_magnification
    title = f"spatial transformer ({arm.stn.replace('_', ' ')})"
    transformers = {
        "none": Step("no spatial transformer", size, "omitted"),
        "crop": Step("fixed crop", f"×{zoom:g}\n{crops}{size}"),
    }
    network = f"{study.stn.localisation_size} × {study.stn.localisation_size} →\n{crops}{size}"
    steps.append(transformers.get(arm.stn, Step(title, network, "trained")))
    for i, (name, stage) in enumerate(zip(STAGES, stages, strict=True)):
        height, width = (math.ceil(side / stage["reduction"]) for side in shape)
        detail = f"{stage['num_chs']} ×\n{height} × {width}"
        steps.append(Step(f"{NETWORKS[study.training.network]} {name}", detail, "trained" if i >= first else "frozen"))
    joined = "mean, linear, sigmoid" if arm.heads == 1 else "mean, attention, linear, sigmoid"
    return [*steps, Step(joined, "score", "trained")]


@captioned
def architecture(steps: Sequence[Step]) -> Figure:
    """Architecture.

    The path of one radiograph through the arm named in the notebook; sizes in pixels, in the network as channels ×
    height × width; a spatial transformer chooses from the first size and passes on the second. Blue: trained. Pale:
    frozen at the pre-trained weights. Dashed: left out in this arm.

    Used by notebooks 05 and 08. A row of boxes from left to right, one for each of `steps` (`architecture_steps`).
    """
    figure, axes = plt.subplots(figsize=(PAGE, 1.1))
    axes.set(xlim=(-0.03, len(steps) - 0.11), ylim=(0, 1))
    axes.set_axis_off()
    for x, step in enumerate(steps):
        outline = {"boxstyle": "round,pad=0,rounding_size=0.06", "linewidth": 1.2, **BOXES[step.kind]}
        axes.add_patch(FancyBboxPatch((x, 0.02), 0.86, 0.96, **outline))
        text: dict[str, Any] = {"ha": "center", "fontsize": 6, "color": INK.get(step.kind, "black")}
        axes.text(x + 0.43, 0.92, step.title.replace(" ", "\n"), va="top", **text)
        axes.text(x + 0.43, 0.08, step.detail, va="bottom", **text)
        if x:
            arrow = {"arrowstyle": "-|>", "mutation_scale": 6, "color": "black", "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (x, 0.5), (x - 0.14, 0.5), arrowprops=arrow)
    words = ", ".join(f"{step.title} {step.detail} ({step.kind})" for step in steps)
    figure.set_label(f"What a radiograph passes through, in order: {words}.")
    return figure


@captioned
def one_cycle_curve(progress: np.ndarray, rate: np.ndarray, warmup: float) -> Figure:
    """One-cycle schedule.

    The learning rate over its peak as the training goes on. Dashed: the end of the warm-up.

    Used by notebook 05. `progress` and `rate` (n,) from 0 to 1.
    """
    figure, axes = plt.subplots(figsize=(PAGE / 2, 1.8))
    axes.plot(progress, rate, color=BLUE)
    axes.axvline(warmup, **REFERENCE)
    axes.set(xlabel="progress of the training", ylabel="learning rate / peak", xlim=(0, 1), ylim=(0, 1.05))
    figure.set_label(f"Learning rate over its peak: a rise until {warmup:.0%} of the steps, half a cosine to 0.")
    return figure


@captioned
def training_curves(history: pd.DataFrame) -> Figure:
    """Training.

    Lines are means over seeds, bands their range. Grey: chance (loss ln 2, AUROC one half).

    Used by notebooks 05 and 07. Loss on training and validation set, and validation AUROC, for each arm; `history`:
    arm, seed, epoch, train_loss, val_loss, val_auroc.
    """
    arms = list(history["arm"].unique())
    size = (max(PAGE * len(arms) / 6, PAGE / 2), 3.2)
    figure, axes = plt.subplots(2, len(arms), figsize=size, sharex="col", sharey="row", squeeze=False)
    training = {"x": "epoch", "errorbar": ("pi", 100), "marker": "o", "markersize": 3, "markeredgewidth": 0}
    validation = {**training, "color": VERMILION, "linestyle": (0, (4, 1.5))}
    for (upper, lower), arm in zip(axes.T, arms, strict=True):
        part = history[history["arm"] == arm]
        sns.lineplot(part, y="train_loss", color=BLUE, label="training", legend=False, ax=upper, **training)
        sns.lineplot(part, y="val_loss", label="validation", legend=False, ax=upper, **validation)
        sns.lineplot(part, y="val_auroc", ax=lower, **validation)
        upper.axhline(math.log(2), **REFERENCE)
        lower.axhline(0.5, **REFERENCE)
        highest = history[["train_loss", "val_loss"]].max().max()
        upper.set(title=arm, ylabel="cross-entropy loss", ylim=(0, min(1.6, 1.05 * highest)))
        lower.set(xlabel="", ylabel="validation AUROC", ylim=(min(0.45, history["val_auroc"].min()), 1))
        lower.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.supxlabel("epoch")
    last = history.sort_values("epoch").groupby(["arm", "seed"], sort=False).last().groupby("arm")["val_auroc"]
    ends = listing(f"{arm} {last.mean()[arm]:.2f} ({last.min()[arm]:.2f} to {last.max()[arm]:.2f})" for arm in arms)
    figure.set_label(f"""Training and validation loss and validation AUROC over {history["epoch"].nunique()} epochs for
        {len(arms)} arms and {history["seed"].nunique()} seeds. Validation AUROC after the last epoch, mean and range
        over seeds: {ends}.""")
    return figure


@captioned
def formula_images(grid: np.ndarray) -> Figure:
    """Formula-generated images.

    What the network learned from before it saw a radiograph; a row a category.

    Used by notebook 05. `grid` (rows, columns, S, S).
    """
    rows, columns = grid.shape[:2]
    figure, axes = plt.subplots(rows, columns, figsize=(PAGE, PAGE / columns * rows), squeeze=False)
    rows_of_pictures(axes, {f"category {i + 1}": images for i, images in enumerate(grid)})
    figure.set_label(f"Formula-generated images: {rows} categories, a row each, with {columns} instances side by side.")
    return figure
