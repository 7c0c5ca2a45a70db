"""The figures of the study: functions of arrays and tables that return a Figure with alternative text.

    figures.save(figures.roc(curves, points), study.paths.figures, "roc")

A file is called after the function that drew it.
"""

from foramen.figures.drawing import architecture
from foramen.figures.evaluation import (
    confusion,
    decision_curve,
    gain_curves,
    gains,
    learning_curves,
    precision_recall,
    reliability,
    roc,
    subgroups,
)
from foramen.figures.phantom import anatomy, disease, knobs
from foramen.figures.pretraining import formula_images
from foramen.figures.radiographs import (
    augmentation,
    cohort,
    equalization,
    errors,
    flip,
    saliency,
    saliency_checks,
    stn,
    stn_ways,
)
from foramen.figures.style import save
from foramen.figures.training import training_curves

__all__ = [
    "anatomy",
    "architecture",
    "augmentation",
    "cohort",
    "confusion",
    "decision_curve",
    "disease",
    "equalization",
    "errors",
    "flip",
    "formula_images",
    "gain_curves",
    "gains",
    "knobs",
    "learning_curves",
    "precision_recall",
    "reliability",
    "roc",
    "saliency",
    "saliency_checks",
    "save",
    "stn",
    "stn_ways",
    "subgroups",
    "training_curves",
]
