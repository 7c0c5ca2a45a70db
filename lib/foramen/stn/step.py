"""The step of notebook 04: the transformer of an arm, and the localisation network that it starts from.

Ways, the switch `stn` of an arm:

- `none`: the study's region of the image (`region`), by default all of it.
- `crop`: a fixed part of the image at the STN's magnification, the same for every radiograph: the fair control.
- `joint`: a localisation network trained with the classifier from the study's region (the whole radiograph: the
  identity), as in the original paper.
- `self_supervised`: a localisation network first trained to undo known random transforms of the training images.
- `true_pose`: one first trained on the phantom's true pose, which only a synthetic cohort has: a comparison, no upper
  bound (at an equal budget, `self_supervised` recovers the pose better).
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cervical_phantom.anatomy import LEVELS
from foramen.augmentation import step as augmentation
from foramen.augmentation.flip import apply_canonical_flip, mirrored
from foramen.cohort import step as cohort
from foramen.cohort.step import POSE_COLUMNS, Cohort
from foramen.core import compute, geometry
from foramen.core.files import write_frame, write_json
from foramen.preprocessing import step as preprocessing
from foramen.stn import diagnostics
from foramen.stn.self_supervision import fit_localisation, predict_poses
from foramen.stn.transformer import SpatialTransformer
from foramen.study.model import Arm, Run, Study
from foramen.study.step import make
from foramen.training import step as training
from foramen.training import weights
from foramen.training.classifier import Transformer

FIXED = ("none", "crop")  # the ways without a localisation network
WEIGHTS = "localisation.safetensors"
# In `compare`: training images that each way learns from, and how often; pixels of the input of the classifier that the
# joint way trains, cheap enough for a notebook.
IMAGES, PASSES, SIZE = 256, 9, 32


def build(study: Study, way: str, seed: int = 0) -> Transformer:
    """An untrained transformer of one way; its localisation network, where it has one, is drawn from `seed`.

    Crop and STN sample equally finely, so that they differ in place alone.
    """
    given, size = study.stn, study.training.input_size
    magnification = study.region.magnification if way in ("none", "joint") else given.magnification
    finest = magnification if way == "none" else magnification / given.max_zoom
    samples = geometry.supersampling(study.cohort.image_size, size, finest)
    frame = geometry.crop_frame(magnification, (0.0, study.region.centre_down if magnification > 1 else 0.0))
    if way in FIXED:
        return Transformer(frame, size, samples)
    max_zoom = given.max_zoom * given.magnification / magnification
    limits = [np.radians(given.max_rotation), np.log(max_zoom), given.max_shift, given.max_shift]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpatialTransformer(frame, torch.tensor(limits).float(), size, samples, given.localisation_size)


def initial_transformer(run: Run) -> Transformer:
    """The transformer that fine-tuning starts from: where the arm trains one beforehand, as `prepare` left it."""
    transformer = build(run.study, run.switches.stn, run.seed)
    if run.localisation_folder and isinstance(transformer, SpatialTransformer):
        transformer.localisation.load_state_dict(weights.read(run.localisation_folder / WEIGHTS))
    return transformer


def prepare(run: Run) -> Path:
    """The trained localisation network that an arm starts from, made where it is missing (notebook 04).

    The folder holds localisation.safetensors, history.csv (round, epoch, loss), poses.parquet (the pose found in every
    image) and diagnostics.json (see `diagnostics.diagnose`).
    """
    study, arm, folder = run.study, run.switches, run.localisation_folder
    assert folder is not None, f"arm {run.arm} starts from no trained localisation network"
    films = cohort.prepare(study)
    preprocessing.prepare(study, arm.equalization)

    def work(facts: dict) -> None:
        compute.deterministic(study.training.threads)
        images = augmentation.arm_images(study, arm, films)
        rounds = 1 if arm.stn == "true_pose" else study.stn.rounds
        transformer, history = _trained(run, arm.stn, films, images, (rounds, study.stn.epochs))
        weights.save(transformer.localisation, folder / WEIGHTS)
        write_frame(folder / "history.csv", history)
        table = pd.DataFrame(predict_poses(transformer, images).numpy(), columns=list(geometry.POSE))
        table.insert(0, "image_id", films.included["image_id"])
        write_frame(folder / "poses.parquet", table)
        facts["diagnostics"] = diagnose(transformer, images, films, arm)
        write_json(folder / "diagnostics.json", facts["diagnostics"])

    return make(folder, study, "stn", [films.folder, study.paths.variant(arm.equalization)], work)


def _trained(
    run: Run, way: str, films: Cohort, images: torch.Tensor, passes: tuple[int, int], most: int | None = None
) -> tuple[SpatialTransformer, pd.DataFrame]:
    """A localisation network trained in one way, on at most so many of the training images, and its history.

    `passes`: rounds, and epochs of each.
    """
    study, transformer = run.study, build(run.study, way, run.seed)
    assert isinstance(transformer, SpatialTransformer), way
    rows = torch.from_numpy(np.flatnonzero(cohort.learned_from(study, films))[:most])
    known = torch.zeros(len(rows), len(geometry.POSE))
    if way == "true_pose":
        known = diagnostics.target_poses(*known_poses(films, run.switches), study.region.centre_down)[rows]
    return transformer, fit_localisation(transformer, images[rows], known, *passes, study.stn.learning_rate, run.seed)


def known_poses(films: Cohort, arm: Arm) -> tuple[np.ndarray, np.ndarray]:
    """The known poses (N, 4) of the images as acquired, and which of them (N,) the arm mirrors."""
    assert films.poses is not None
    return films.poses[POSE_COLUMNS].to_numpy(), mirrored(films.included["side"], arm.flip)


def diagnose(transformer: Transformer, images: torch.Tensor, films: Cohort, arm: Arm) -> dict:
    """`diagnostics.diagnose` over the validation images of a cohort's `images` (N, 1, S, S) uint8."""
    validation, true = np.flatnonzero(films.included["split"] == "val"), None
    if films.poses is not None:
        true = diagnostics.mirrored_poses(*known_poses(films, arm))[validation]
    return diagnostics.diagnose(transformer, images[torch.from_numpy(validation)], true)


def foramen_masks(study: Study, arm: Arm, films: Cohort, index: np.ndarray) -> np.ndarray:
    """Where the foramina that the label is about lie in the arm's images at `index`: (n, S, S) bool."""
    counted = sum(1 << LEVELS.index(level) for level in study.cohort.synthetic.label.levels)
    assert films.masks is not None
    masks = np.asarray(films.masks[index]) & counted > 0
    return apply_canonical_flip(masks, mirrored(films.included["side"], arm.flip)[index])


def compare(run: Run) -> tuple[pd.DataFrame, dict[str, Transformer]]:
    """Transformers of an arm's images, each trained in another way on a few training images (notebook 04).

    Ways: the controls `identity` (the study's region) and `crop`, which train nothing; `joint`, with a classifier, both
    from scratch, as in the original paper; `self_supervised`; and, where true poses are known, `true_pose`. Returns
    `diagnostics.table` over the validation images, and the trained transformers by way.
    """
    study, films = run.study, cohort.prepare(run.study)
    compute.deterministic(study.training.threads)
    recipe = study.training.model_copy(update={"epochs": PASSES, "input_size": SIZE})
    arm = run.switches.model_copy(update={"stn": "joint"})
    small = study.model_copy(update={"training": recipe, "arms": study.arms | {run.arm: arm}}).run(run.arm, run.seed)
    transformers = {"identity": build(small.study, "none"), "crop": build(small.study, "crop")}
    transformers["joint"] = build(small.study, "joint", run.seed)
    training.fine_tuning(small, films, transformers["joint"], first={"train": IMAGES, "val": IMAGES // 4}).train()
    images, rounds = augmentation.arm_images(study, arm, films), min(study.stn.rounds, PASSES)
    passes = {"self_supervised": (rounds, PASSES // rounds)}
    if films.poses is not None:
        passes["true_pose"] = (1, rounds * (PASSES // rounds))
    for way, given in passes.items():
        transformers[way], _ = _trained(small, way, films, images, given, IMAGES)
    facts = {way: diagnose(one, images, films, arm) for way, one in transformers.items()}
    return diagnostics.table(facts), transformers
