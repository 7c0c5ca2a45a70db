"""Figures of the trainings: losses and validation AUROC over the epochs, all arms and seeds."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foramen.figures.style import BLUE, PAGE, REFERENCE, VERMILION, describe, listing, styled, subplots


@styled
def training_curves(history: pd.DataFrame) -> Figure:
    """Loss on training and validation set, and validation AUROC, for each arm; thin lines are seeds.

    `history`: arm, seed, epoch, train_loss, val_loss, val_auroc. Dashed: a network that knows nothing (loss
    ln 2, AUROC one half). Used by notebooks 05 and 06.
    """
    arms = list(history["arm"].unique())
    figure, axes = subplots(
        2, len(arms), figsize=(max(PAGE * len(arms) / 6, PAGE / 2), 3.2), sharex="col", sharey="row"
    )
    for (upper, lower), arm in zip(axes.T, arms, strict=True):
        part = history[history["arm"] == arm]
        _seeds(upper, part, "train_loss", BLUE, "training", "-")
        _seeds(upper, part, "val_loss", VERMILION, "validation", (0, (4, 1.5)))
        _seeds(lower, part, "val_auroc", VERMILION, "validation", (0, (4, 1.5)))
        upper.axhline(math.log(2), **REFERENCE)
        lower.axhline(0.5, **REFERENCE)
        upper.set_title(arm)
        upper.set_ylim(0, min(1.6, 1.05 * history[["train_loss", "val_loss"]].max().max()))
        lower.set(ylim=(min(0.45, history["val_auroc"].min()), 1))
        lower.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    axes[0, 0].set_ylabel("cross-entropy loss")
    axes[1, 0].set_ylabel("validation AUROC")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.supxlabel("epoch", fontsize=8)
    last = history.sort_values("epoch").groupby(["arm", "seed"], sort=False).last().groupby("arm")["val_auroc"]
    ends = listing(f"{arm} {last.mean()[arm]:.2f} ({last.min()[arm]:.2f} to {last.max()[arm]:.2f})" for arm in arms)
    return describe(
        figure,
        f"Training and validation loss and validation AUROC over {history['epoch'].nunique()} epochs for "
        f"{len(arms)} arms and {history['seed'].nunique()} seeds. Validation AUROC after the last epoch, "
        f"mean and range over seeds: {ends}.",
    )


def _seeds(axes: Axes, part: pd.DataFrame, column: str, colour: str, label: str, dashes: object) -> None:
    """Each seed as a thin line, their mean as a thick one."""
    for _, run in part.groupby("seed"):
        axes.plot(run["epoch"], run[column], color=colour, linewidth=0.6, alpha=0.55)
    mean = part.groupby("epoch")[column].mean()
    point = {"marker": "o", "markersize": 3} if len(mean) == 1 else {}  # a line of one epoch cannot be seen
    axes.plot(mean.index, mean, color=colour, linewidth=1.6, linestyle=dashes, label=label, **point)
