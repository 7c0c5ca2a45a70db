"""Sentences of notebook 05 that read its numbers."""

import math

import pandas as pd

OVERFITTED = 0.15  # validation loss this far above the training loss is named


def weights(source: str, course: pd.DataFrame | None, classes: int) -> str:
    """Where the initial weights come from; `course`: the history of the pre-training on formulas, None without."""
    if course is None:
        return f"Initial weights: {source}."
    last = course.iloc[-1]
    return (
        f"The network was trained on {last['images']:,.0f} such images, {course['images_per_second'].median():.0f} a "
        f"second, and then named the right one of {classes} categories in {last['accuracy']:.0%} of new images "
        f"(chance: {1 / classes:.0%}). None of them shows a spine."
    )


def trainable(trained: int, total: int, radiographs: int, epochs: int, head_only: bool) -> str:
    """How many parameters train, on how many radiographs."""
    how = "as a linear probe on features computed once" if head_only else f"for {_counted(epochs)}"
    return f"{trained:,} of {total:,} parameters train ({trained / total:.1%}), on {radiographs:,} radiographs, {how}."


def training(history: pd.DataFrame) -> str:
    """How the training ended: losses beside that of an uninformed network, AUROC beside chance."""
    last = history.iloc[-1]
    apart = last["val_loss"] - last["train_loss"]
    verdict = ": the network has over-fitted" if apart > OVERFITTED else ""
    auroc = "not defined" if math.isnan(last["val_auroc"]) else f"{last['val_auroc']:.2f}"
    return (
        f"After {_counted(len(history))}: training loss {last['train_loss']:.3f}, "
        f"validation loss {last['val_loss']:.3f} (uninformed: {math.log(2):.3f}), validation AUROC {auroc} (chance: "
        f"0.50). Validation loss is {abs(apart):.3f} {'above' if apart > 0 else 'below'} training loss{verdict}. "
        f"{last['images_per_second']:.0f} images a second."
    )


def operating_point(threshold: float, source: str, label: pd.Series, called: pd.Series) -> str:
    """The threshold, and the share of validation radiographs of either label that is called rightly at it."""
    sensitivity, specificity = called[label == 1].mean(), 1 - called[label == 0].mean()
    return (
        f"Threshold {threshold:.3f} ({source}), on {len(label):,} validation radiographs: sensitivity "
        f"{sensitivity:.0%}, specificity {specificity:.0%}. Both are optimistic, because the threshold was chosen on "
        "the same radiographs."
    )


def _counted(epochs: int) -> str:
    return f"{epochs} {'epoch' if epochs == 1 else 'epochs'}"
