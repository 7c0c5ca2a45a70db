"""The figures of the study, a module a notebook: functions of arrays and tables that return a Figure with
alternative text.

    figures.save(figures.roc(curves, points), study.paths.figures, "roc")

A file is called after the function that drew it; `CAPTIONS[name]` has its title and how it is read. All modules
are loaded at once, because each registers its captions when it is.
"""
# ruff: noqa: F401 (all but five of the names are exported because they are in CAPTIONS)

from foramen.figures.augmentation import flip, random_changes
from foramen.figures.data_audit import anatomy, cohort, disease, knobs
from foramen.figures.evaluation import confusion, decision_curve, gains, performance, precision_recall, reliability, roc
from foramen.figures.explanation import errors, saliency, saliency_checks, score_follows
from foramen.figures.fine_tuning import (
    architecture,
    architecture_steps,
    formula_images,
    one_cycle_curve,
    training_curves,
)
from foramen.figures.overview import Station, overview, waterfall
from foramen.figures.pitfalls import inflation, optimism
from foramen.figures.preprocessing import equalization, one_equalization, regions
from foramen.figures.robustness import gain_curves, learning_curves, subgroups, variance
from foramen.figures.stn_training import sampling, stn, stn_ways, turned_back
from foramen.figures.style import CAPTIONS, METRIC_NAMES, save

__all__ = ["CAPTIONS", "METRIC_NAMES", "Station", "architecture_steps", "save", *CAPTIONS]
