"""Ways of training the spatial transformer, side by side at the same small budget, with their controls (notebook 04)."""

import tempfile
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from foramen import cohort, compute, geometry, preprocessing, stn, training
from foramen.cohort import Cohort
from foramen.study import Arm, Study

CONTROLS = ("identity", "crop")
SIZE = 48  # pixels that the classifier sees here: enough to pull a jointly trained STN, cheap enough for a notebook


def compare(study: Study, arm_name: str, seed: int, passes: int = 3) -> tuple[pd.DataFrame, dict[str, nn.Module]]:
    """Views of an arm's images, each trained in another way over `passes` passes through the training images.

    Ways: the controls `identity` and `crop`, which train nothing; `joint` with the classifier, from the identity;
    `self_supervised`; and, where true poses are known, `true_pose`, an upper bound. Returns one row a way (det,
    outside, SD between images of each part of the pose, recovery of the true pose, collapsed: see `stn.diagnose`) and
    the trained views by way.
    """
    films = cohort.prepare(study)
    ways = [*CONTROLS, "joint", "self_supervised", *(["true_pose"] if films.poses is not None else [])]
    compute.deterministic(study.training.threads)
    arms = {way: study.arms[arm_name].model_copy(update={"stn": way}) for way in ways}
    small = _small(study, arms, passes)
    images = stn.upright(films, preprocessing.prepare(study, arms["crop"].equalization), arms["crop"])
    views = {way: _trained(small, way, films, images, seed) for way in ways}
    rows = [{"way": way, **_flat(stn.diagnose(view, images, films, arms[way]))} for way, view in views.items()]
    return pd.DataFrame(rows), views


def _small(study: Study, arms: dict[str, Arm], passes: int) -> Study:
    """The study with one arm a way and the small budget; a taught network divides it into its rounds."""
    rounds = min(study.stn.rounds, passes)
    recipe = study.training.model_copy(update={"epochs": passes, "input_size": SIZE, "start_size": 0})
    teaching = study.stn.model_copy(update={"epochs": passes // rounds, "rounds": rounds})
    return study.model_copy(update={"arms": arms, "training": recipe, "stn": teaching})


def _trained(study: Study, way: str, films: Cohort, images: torch.Tensor, seed: int) -> nn.Module:
    """The view of one way after its training."""
    if way in CONTROLS:
        return stn.view(study, study.arms[way])
    if way != "joint":
        if way == "true_pose":
            budget = study.stn.epochs * study.stn.rounds
            study = study.model_copy(update={"stn": study.stn.model_copy(update={"epochs": budget})})
        return stn.taught(study, study.arms[way], films, images, seed)[0]
    run = training.start(study, way, seed)
    with tempfile.TemporaryDirectory() as folder:
        training.train(run, Path(folder), key="", frozen=False)
    return run.model.view


def _flat(facts: dict) -> dict[str, float | bool]:
    """Diagnostics as one row: SD and recovery of each part of the pose under names of their own."""
    row = {name: facts[name] for name in ("det", "outside", "collapsed")}
    for kind, prefix in (("variation", "sd"), ("recovery", "r")):
        row |= {f"{prefix}_{part}": facts.get(kind, {}).get(part) for part in geometry.POSE}
    return row


@torch.inference_mode()
def shown(view: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What a view makes of images (n, 1, S, S) uint8: outputs (n, s, s) in 0 to 1 and theta (n, 2, 3)."""
    view.eval()
    theta = view.theta(images / 255.0)
    return geometry.sample(images / 255.0, theta, view.size, view.samples)[:, 0], theta
