"""Ways of training the spatial transformer at the same small budget, with their controls (notebook 04)."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from foramen.augmentation import step as augmentation
from foramen.cohort import step as cohort
from foramen.cohort.step import Cohort
from foramen.core import compute, geometry
from foramen.stn import step
from foramen.stn.self_supervision import fit_localisation
from foramen.study.model import Arm, Study
from foramen.training import step as training
from foramen.training.fine_tuning import FineTuning

CONTROLS = ("identity", "crop")
IMAGES = 256  # training images that each way sees, several times over
SIZE = 32  # pixels that the classifier of the joint way sees here: cheap enough for a notebook


def compare(study: Study, arm_name: str, seed: int, passes: int = 9) -> tuple[pd.DataFrame, dict[str, nn.Module]]:
    """Transformers of an arm's images, each trained in another way on IMAGES training images.

    Ways: the controls `identity` and `crop`, which train nothing; `joint`, with a classifier, starting from
    the study's region and the classifier from scratch, as in the original paper; `self_supervised`; and, where true
    poses are known, `true_pose`. Returns one row a way (det, outside, collapsed, SD between
    images of each part of the pose and its recovery: see `diagnostics.diagnose`) and the trained transformers by way.
    """
    films = cohort.prepare(study)
    ways = [*CONTROLS, "joint", "self_supervised", *(["true_pose"] if films.poses is not None else [])]
    compute.deterministic(study.training.threads)
    arm = study.arms[arm_name].model_copy(update={"initialisation": "random"})
    arms = {way: arm.model_copy(update={"stn": way}) for way in ways}
    small = _small(study, arms, passes)
    images = augmentation.arm_images(study, arm, films)
    transformers = {way: _trained(small, way, films, images, seed) for way in ways}
    facts = {way: step.diagnose(one, images, films, arms[way]) for way, one in transformers.items()}
    return pd.DataFrame([{"way": way, **_flat(row)} for way, row in facts.items()]), transformers


def _small(study: Study, arms: dict[str, Arm], passes: int) -> Study:
    """The study with one arm a way and the small budget, which a taught network divides into its rounds."""
    rounds = min(study.stn.rounds, passes)
    recipe = study.training.model_copy(update={"epochs": passes, "input_size": SIZE})
    teaching = study.stn.model_copy(update={"epochs": passes // rounds, "rounds": rounds})
    return study.model_copy(update={"arms": arms, "training": recipe, "stn": teaching})


def _trained(study: Study, way: str, films: Cohort, images: torch.Tensor, seed: int) -> nn.Module:
    """The transformer of one way after its training."""
    if way in CONTROLS:
        return step.build(study, "none" if way == "identity" else way)
    few = torch.from_numpy(np.flatnonzero(cohort.learned_from(study, films)))[:IMAGES]
    if way == "joint":
        return _jointly(study, films, few, seed)
    known, rounds, epochs = torch.zeros(len(few), len(geometry.POSE)), study.stn.rounds, study.stn.epochs
    if way == "true_pose":
        known = step.target_poses(films, study.arms[way], study.region.centre_down)[few]
        epochs, rounds = epochs * rounds, 1
    transformer = step.seeded(study, way, seed)
    fit_localisation(transformer, images[few], known, rounds, epochs, study.stn.learning_rate, seed)
    return transformer


def _jointly(study: Study, films: Cohort, few: torch.Tensor, seed: int) -> nn.Module:
    """The transformer of arm `joint`, trained with the classifier on the images at `few`."""
    arm = study.arms["joint"]
    rate = training.transformer_rate(study, arm)
    data = training.images(study, arm, films)
    transformer = step.seeded(study, "joint", seed)
    model = training.classifier(study.run("joint", seed), transformer, films, data.splits["train"])
    data.splits |= {"train": few, "val": data.splits["val"][: IMAGES // 4]}
    FineTuning(model, data, study.training, study.augmentation, arm.flip, arm.trainable, rate, seed).train()
    return transformer


def _flat(facts: dict) -> dict[str, float | bool]:
    """Diagnostics as one row: SD and recovery of each part of the pose under names of their own."""
    row = {name: facts[name] for name in ("det", "outside", "collapsed")}
    for kind, prefix in (("variation", "sd"), ("recovery", "r")):
        row |= {f"{prefix}_{part}": facts.get(kind, {}).get(part) for part in geometry.POSE}
    return row
